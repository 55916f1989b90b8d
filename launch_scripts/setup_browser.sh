#!/usr/bin/env bash
# Installs the browser that tests look at pages with, where it can.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/setup_browser.sh

Installs Debian's chromium where you are root and there is apt. Does nothing when it is
there; elsewhere it says what to install, and fails.

Environment:
  CHROMIUM  another browser of its kind that is installed (default: chromium)
USAGE
}

fail() {
  echo "setup_browser.sh: $1" >&2
  exit 2
}

# What apt says is of interest when it fails alone.
quiet_apt() {
  local said
  said="$(DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1)" ||
    fail "apt could not install the package chromium; it says: ${said##*$'\n'}"
}

case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

browser="${CHROMIUM:-chromium}"
if command -v "$browser" >/dev/null; then
  exit 0
fi
[[ "$browser" == chromium ]] || fail "CHROMIUM=$browser is no command"
if ((EUID)) || ! command -v apt-get >/dev/null; then
  fail "no chromium on PATH; install the package chromium, or name another by CHROMIUM=..."
fi

echo "Installing chromium; this takes about a minute." >&2
quiet_apt update
quiet_apt install --yes --no-install-recommends chromium

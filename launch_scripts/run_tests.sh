#!/usr/bin/env bash
# Runs every check of the checkout and says at the end which of them failed.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_tests.sh [--engines] [ARGUMENT OF pytest]...

Sets up .venv, then runs ruff, mypy and pytest from the root of the checkout.

  --engines  also run the tests that download or start engines or a browser; installs
             Debian's chromium where it can (setup_browser.sh)
USAGE
}

markers="not engines"
for argument in "$@"; do
  shift
  case "$argument" in
    -h | --help) usage; exit 0 ;;
    --engines) markers="" ;;
    *) set -- "$@" "$argument" ;;
  esac
done

failed=()
check() {
  local name="$1"
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

if [[ -z "$markers" ]]; then
  bash "$root/launch_scripts/setup_browser.sh"
fi
bash "$root/launch_scripts/setup_venv.sh"
cd "$root"
export PATH="$root/.venv/bin:$PATH"
export TF_CPP_MIN_LOG_LEVEL=3

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy" mypy
check "pytest" pytest --numprocesses auto --maxprocesses 4 --dist worksteal -m "$markers" "$@"

if ((${#failed[@]})); then
  (IFS=,; echo "FAILED: ${failed[*]}" >&2)
  exit 1
fi
echo "All checks passed."

#!/usr/bin/env bash
# Makes the checkout's .venv from requirements.lock, or leaves a current one alone.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
# shellcheck source=launch_scripts/pythons.sh
source "$root/launch_scripts/pythons.sh"
venv="$root/.venv"
lock="$root/launch_scripts/requirements.lock"
stamp="$venv/maskbeam.stamp"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/setup_venv.sh

Makes .venv in the checkout and installs the locked requirements and maskbeam into
it. Does nothing when it is there and neither the lock nor setup.py has changed.

Environment:
  PYTHON  the Python to make it from, 3.10 to 3.13 (default: python3 or the newest
          of python3.13 to python3.10 on PATH)
USAGE
}

# The root is part of it because a .venv does not survive a move of the checkout.
wanted_stamp() {
  { echo "$root"; cat "$lock" "$root/setup.py"; } | cksum
}

is_current() {
  [[ -f "$stamp" && "$(<"$stamp")" == "$(wanted_stamp)" ]] || return 1
  [[ -z "${PYTHON:-}" ||
    "$(version_of "$PYTHON")" == "$(version_of "$venv/bin/python")" ]]
}

# The lock's entries of some packages, with their hashes.
entries_of() {
  local names
  names="$(IFS='|'; echo "$*")"
  awk -v first="^($names)==" '
    $0 ~ first { wanted = 1 }
    wanted { print }
    !/\\$/ { wanted = 0 }' "$lock"
}

quiet_pip() {
  "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"
}

case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

if is_current; then
  exit 0
fi

python="$(find_python)"
echo "Setting up .venv with Python $(version_of "$python"); the first time this" \
  "takes about two minutes." >&2
"$python" -m venv --clear "$venv"
# Two requirements come as source only. Without build isolation they are built by
# the locked setuptools instead of whichever is the newest. A lock has hashes, and pip
# then takes nothing that it does not list (and the lock lists all).
entries_of packaging pip setuptools wheel >"$venv/builders.lock"
quiet_pip install --requirement "$venv/builders.lock"
quiet_pip install --no-build-isolation --no-deps --requirement "$lock"
# Every editable install warns that the working directory comes first in imports.
PYTHONWARNINGS=ignore \
  quiet_pip install --no-build-isolation --no-deps --editable "$root"
# mypy follows no editable install; pyproject.toml names these links as its path.
mkdir -p "$venv/typed/maskbeam"
ln -sfn "$root/pipeline" "$root/transforms" "$venv/typed/maskbeam/"
# Last, so that an interrupted set-up starts again.
wanted_stamp >"$stamp"

# shellcheck shell=bash
# Sourced by setup_venv.sh and update_lock.sh: the Pythons that maskbeam runs on.

# Says why, under the name of the script that sources this, and ends it.
fail() {
  echo "${0##*/}: $1" >&2
  exit 2
}

version_of() {
  "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
    2>/dev/null
}

# Prints the Python to make a virtual environment from.
find_python() {
  local candidate found=""
  if [[ -n "${PYTHON:-}" ]]; then
    version_of "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON does not run"
    is_supported "$PYTHON" ||
      fail "PYTHON=$PYTHON is $(version_of "$PYTHON"), not Python 3.10 to 3.13"
    found="$PYTHON"
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if [[ -z "$found" ]] && is_supported "$candidate"; then
      found="$candidate"
    fi
  done
  [[ -n "$found" ]] || fail "no Python 3.10 to 3.13 on PATH; name one with PYTHON=..."
  "$found" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$found has no venv and ensurepip (on Debian: install python3-venv)"
  echo "$found"
}

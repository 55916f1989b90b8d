#!/usr/bin/env bash
# Feeds hostile input to all that reads, and says what it breaks.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_fuzz.sh MINUTES [TARGET]...

Sets up .venv, then runs the targets of tests/fuzz/targets.py (default: all of them)
for MINUTES in all, with inputs that are new every time. Prints each input that breaks
a law, where it is kept, and at the end how many were tried. Exit code: 0 if no law was
broken, 1 if one was, 2 if the command is wrong.
USAGE
}

case "${1:-}" in
  "") usage >&2; exit 2 ;;
  -h | --help) usage; exit 0 ;;
esac

bash "$root/launch_scripts/setup_venv.sh"
cd "$root"
export PATH="$root/.venv/bin:$PATH"
export TF_CPP_MIN_LOG_LEVEL=3

exec python -m tests.fuzz "$@"

#!/usr/bin/env bash
# Remakes requirements.lock and image.lock from setup.py, and says what changed.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
# shellcheck source=launch_scripts/pythons.sh
source "$root/launch_scripts/pythons.sh"
locks="$root/launch_scripts"
uv_version=0.13.9

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/update_lock.sh [--upgrade [PACKAGE]...]

Remakes launch_scripts/requirements.lock and image.lock from setup.py, with hashes, for
Pythons 3.10 to 3.13, and says what changed. What is locked stays as it is where setup.py
allows it. Both files are written, or none. It takes about a minute, and a network.

  --upgrade [PACKAGE]...  take the newest versions that setup.py allows: of these
                          packages, or of all

Environment:
  PYTHON  the Python that runs it, 3.10 to 3.13 (default: python3 or the newest of
          python3.13 to python3.10 on PATH)
USAGE
}

# A name as locks have it: Foo_Bar is foo-bar.
normalized() {
  tr '[:upper:]_.' '[:lower:]--' <<<"$1"
}

upgrades=()
case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  --upgrade)
    shift
    (($#)) || upgrades=(--upgrade)
    for package in "$@"; do
      grep --quiet "^$(normalized "$package")==" "$locks/requirements.lock" ||
        fail "--upgrade $package: requirements.lock has no such package"
      upgrades+=(--upgrade-package "$package")
    done
    ;;
  *) usage >&2; exit 2 ;;
esac

python="$(find_python)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch" "$locks"/*.lock.new' EXIT
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip --quiet --disable-pip-version-check \
  install "uv==$uv_version"

# Makes a lock in the scratch directory; further requirements come by standard input.
compile() {
  local name="$1"
  shift
  # What is locked already is kept: uv reads it from where it writes.
  cp "$locks/$name" "$scratch/$name"
  "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.10 \
    --no-python-downloads --no-header --no-annotate --no-emit-index-url \
    --generate-hashes ${upgrades[@]+"${upgrades[@]}"} "$@" \
    --output-file "$scratch/$name" setup.py - ||
    fail "$name cannot be made; both locks are as they were"
  {
    echo "# Remake: bash launch_scripts/update_lock.sh"
    cat "$scratch/$name"
  } >"$locks/$name.new"
}

cd "$root"
# pip, setuptools and wheel build what comes as source only.
echo pip | compile requirements.lock --extra test
# An image has the versions that the tests ran with.
printf '%s\n' pip setuptools wheel | compile image.lock --extra aws --extra gcp \
  --extra tiff --constraint "$scratch/requirements.lock"

for name in requirements.lock image.lock; do
  echo "$name:"
  "$scratch/venv/bin/python" "$locks/compare_locks.py" "$locks/$name" "$locks/$name.new"
done
for name in requirements.lock image.lock; do
  mv "$locks/$name.new" "$locks/$name"
done

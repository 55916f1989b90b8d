#!/usr/bin/env bash
# Converts a generated sample on this machine, from a bare checkout.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
bin="$root/.venv/bin"
sample="$root/sample/label_maps"
output="$root/sample/dataset"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_local.sh [OPTION OF maskbeam convert]...

Sets up .venv, draws a sample of street scenes into sample/label_maps, and converts
it into sample/dataset, replacing what an earlier run left there. Options are handed
to maskbeam convert after the script's own, so a later --output or --classes wins.
USAGE
}

# The script's last line must name where the data set really went.
expecting_output=false
for argument in "$@"; do
  if "$expecting_output"; then
    output="$argument"
    expecting_output=false
    continue
  fi
  case "$argument" in
    -h | --help) usage; exit 0 ;;
    --output) expecting_output=true ;;
    --output=*) output="${argument#--output=}" ;;
  esac
done

bash "$root/launch_scripts/setup_venv.sh"

export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"

if [[ ! -d "$sample" ]]; then
  rm -rf "$sample.partial"
  "$bin/python" "$root/launch_scripts/make_sample.py" --output "$sample.partial"
  # Under its name only when complete, so that an interrupted run draws it again.
  mv "$sample.partial" "$sample"
fi

"$bin/maskbeam" convert \
  --label_maps "train=$sample/shards/train-*.tfrecord" \
  --label_maps "val=$sample/shards/val-*.tfrecord" \
  --classes "$sample/classes.yaml" \
  --output "$output" \
  --overwrite \
  "$@"

printf 'The data set is in %s; to look into it: %q inspect %q\n' \
  "$output" "$bin/maskbeam" "$output"

#!/usr/bin/env bash
# Makes a Dataflow flex template: jobs that start by gcloud, the console or a schedule.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/build_flex_template.sh gs://BUCKET/PATH.json IMAGE

Builds IMAGE with build_image.sh, whose variables count here too, and writes the template.
Then, from anywhere:

  gcloud dataflow flex-template run NAME --region REGION \
    --template-file-gcs-location gs://BUCKET/PATH.json \
    --parameters "^~^label_maps=train=gs://BUCKET/*.png~classes=camvid11~output=gs://BUCKET/dataset"

Several values of one parameter are separated by spaces.
USAGE
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
if (($# != 2)) || [[ "$1" != gs://*/*.json ]]; then
  usage >&2
  exit 2
fi
command -v gcloud >/dev/null || {
  echo "build_flex_template.sh: gcloud is not installed" >&2
  exit 2
}
TARGET=template bash "$root/launch_scripts/build_image.sh" "$2"
gcloud dataflow flex-template build "$1" --image "$2" --sdk-language PYTHON \
  --metadata-file "$root/launch_scripts/flex_template/metadata.json"

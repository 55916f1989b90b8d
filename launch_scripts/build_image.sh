#!/usr/bin/env bash
# Builds the workers' container, and pushes it.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/build_image.sh IMAGE

IMAGE is its name in a registry, such as
REGION-docker.pkg.dev/PROJECT/REPOSITORY/maskbeam:TAG; jobs take it by IMAGE=... of
run_dataflow.sh, or --sdk_container_image. Its Python is .venv's, since a pipeline must
run under the version that it was made by.

  DOCKER  docker, podman or what else builds (default: docker)
  TARGET  worker (default), or template: the same for flex templates
  PUSH    true, or false to keep it here (default: true)
USAGE
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
if (($# != 1)); then
  usage >&2
  exit 2
fi
image="$1"
docker="${DOCKER:-docker}"
target="${TARGET:-worker}"
if [[ "$target" != worker && "$target" != template ]]; then
  echo "build_image.sh: TARGET=$target is neither worker nor template" >&2
  exit 2
fi
command -v "$docker" >/dev/null || {
  echo "build_image.sh: $docker is not installed; name another by DOCKER=..." >&2
  exit 2
}

bash "$root/launch_scripts/setup_venv.sh"
read -r python beam < <("$root/.venv/bin/python" -c '
import importlib.metadata, sys
print("%d.%d" % sys.version_info[:2], importlib.metadata.version("apache-beam"))')

"$docker" build --file "$root/launch_scripts/Dockerfile" --target "$target" \
  --build-arg PYTHON_VERSION="$python" --build-arg BEAM_VERSION="$beam" \
  --build-arg IMAGE="$image" --tag "$image" "$root"
[[ "${PUSH:-true}" == false ]] || "$docker" push "$image"

#!/usr/bin/env bash
# Converts on Flink: in this process's own, or on a cluster.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
# shellcheck source=launch_scripts/beam_flags.sh
source "$root/launch_scripts/beam_flags.sh"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_flink.sh OPTION OF maskbeam convert...

  FLINK_MASTER        [local] for Flink in this process (default), or HOST:PORT
  FLINK_VERSION       of the cluster (default: 1.20)
  PARALLELISM         workers at once (default: as many as there are cores)
USAGE
  environment_usage
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
esac
set_flags \
  --runner=FlinkRunner \
  --flink_master="${FLINK_MASTER:-[local]}" \
  --flink_version="${FLINK_VERSION:-1.20}" \
  --parallelism="${PARALLELISM:-$(nproc)}"

bash "$root/launch_scripts/setup_venv.sh"
exec "$root/.venv/bin/maskbeam" convert "$@" "${flags[@]}"

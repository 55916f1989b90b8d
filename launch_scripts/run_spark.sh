#!/usr/bin/env bash
# Converts on Spark: in this process's own, or on a cluster.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
# shellcheck source=launch_scripts/beam_flags.sh
source "$root/launch_scripts/beam_flags.sh"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_spark.sh OPTION OF maskbeam convert...

  SPARK_MASTER        local[N] for Spark in this process (default), or spark://HOST:PORT
  PARALLELISM         that N (default: as many as there are cores)
USAGE
  environment_usage
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
esac
set_flags \
  --runner=SparkRunner \
  --spark_master_url="${SPARK_MASTER:-local[${PARALLELISM:-$(nproc)}]}"

bash "$root/launch_scripts/setup_venv.sh"
exec "$root/.venv/bin/maskbeam" convert "$@" "${flags[@]}"

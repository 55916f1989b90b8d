#!/usr/bin/env bash
# Converts on Flink: in this process's own, or on a cluster.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_flink.sh OPTION OF maskbeam convert...

  FLINK_MASTER        [local] for Flink in this process (default), or HOST:PORT of a
                      cluster; a job server that runs already has its own
  FLINK_VERSION       of the cluster (default: 1.20)
  PARALLELISM         workers at once (default: as many as there are cores)
  ENVIRONMENT         where Python runs: LOOPBACK (default), EXTERNAL, PROCESS, DOCKER;
                      launch_scripts/README.md says which is for what
  ENVIRONMENT_CONFIG  what goes with it: HOST:PORT, JSON, or the image
  JOB_ENDPOINT        HOST:PORT of a running job server, such as run_job_server.sh
                      starts; without it Beam fetches its own, which needs a network

Inputs and outputs must be where all workers reach them, by absolute paths or URLs.
USAGE
}

if (($# == 0)) || [[ "$1" == -h || "$1" == --help ]]; then
  usage
  exit 2
fi

bash "$root/launch_scripts/setup_venv.sh"

environment="${ENVIRONMENT:-LOOPBACK}"
flags=(--environment_type="$environment")
case "$environment" in
  LOOPBACK) ;;
  EXTERNAL | PROCESS | DOCKER)
    if [[ -z "${ENVIRONMENT_CONFIG:-}" ]]; then
      echo "ENVIRONMENT=$environment needs ENVIRONMENT_CONFIG" >&2
      exit 2
    fi
    flags+=(--environment_config="$ENVIRONMENT_CONFIG")
    ;;
  *)
    echo "ENVIRONMENT=$environment is none of LOOPBACK, EXTERNAL, PROCESS, DOCKER" >&2
    exit 2
    ;;
esac
if [[ -n "${JOB_ENDPOINT:-}" ]]; then
  flags+=(--runner=PortableRunner --job_endpoint="$JOB_ENDPOINT")
else
  flags+=(
    --runner=FlinkRunner
    --flink_master="${FLINK_MASTER:-[local]}"
    --flink_version="${FLINK_VERSION:-1.20}"
    --parallelism="${PARALLELISM:-$(nproc)}"
  )
fi

exec "$root/.venv/bin/maskbeam" convert "$@" "${flags[@]}"

# shellcheck shell=bash
# Sourced by run_flink.sh and run_spark.sh: the flags that are the same on both engines.

environment_usage() {
  cat <<'USAGE'
  ENVIRONMENT         where Python runs:
                        LOOPBACK  in the process that starts the job (default)
                        EXTERNAL  in a worker pool that runs already
                        PROCESS   in processes that the engine starts
                        DOCKER    in containers that the engine starts
  ENVIRONMENT_CONFIG  the pool's HOST:PORT; JSON with the command; or the image
  JOB_ENDPOINT        HOST:PORT of a running job server, such as run_job_server.sh
                      starts, which has a master of its own; without it Beam fetches
                      its own, which needs a network

Inputs and outputs must be where all workers reach them, by absolute paths or URLs.
USAGE
}

# Sets `flags`; what is given to it is for Beam's own job server.
set_flags() {
  local environment="${ENVIRONMENT:-LOOPBACK}"
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
    flags+=("$@")
  fi
}

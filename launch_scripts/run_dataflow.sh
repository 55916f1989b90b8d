#!/usr/bin/env bash
# Converts on Google Cloud Dataflow.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: PROJECT=... REGION=... BUCKET=gs://... bash launch_scripts/run_dataflow.sh \
         OPTION OF maskbeam convert...

Inputs and --output are gs:// (or another store that all workers reach).

  PROJECT          of Google Cloud
  REGION           where the workers run, such as europe-west4
  BUCKET           gs://BUCKET[/PATH] for staged and temporary files
  IMAGE            the workers' container, which build_image.sh makes; without it each
                   worker installs TensorFlow first, which takes minutes
  JOB_NAME         (default: maskbeam-USER-TIME)
  MACHINE_TYPE     (default: n2-standard-4)
  NUM_WORKERS      to begin with (default: Dataflow's own choice)
  MAX_WORKERS      (default: 16)
  THREADS          units under way in each of a worker's processes, of which there is
                   one for each core (default: 2)
  DISK_GB          of each worker (default: 50)
  SERVICE_ACCOUNT  e-mail address that workers act as (default: the project's)
  NETWORK          name of a network, or
  SUBNETWORK       regions/REGION/subnetworks/NAME or its URL
  PUBLIC_IPS       true, or false for workers without (default: true)
  LABELS           KEY=VALUE[,KEY=VALUE...] on the job, for bills
  WAIT             true, or false to come back once the job is handed over (default:
                   true)

Options that this script does not know are maskbeam's, or Beam's. To see what a launch
would do: maskbeam plan with the same inputs; --dry_run=True checks all but starts nothing.
USAGE
}

# check NAME PATTERN WHAT: the variable is as it must be, or there is no launch.
check() {
  if [[ ! "${!1:-}" =~ ^($2)$ ]]; then
    echo "run_dataflow.sh: $1=${!1:-} is not $3" >&2
    exit 2
  fi
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
esac

MACHINE_TYPE="${MACHINE_TYPE:-n2-standard-4}"
MAX_WORKERS="${MAX_WORKERS:-16}"
THREADS="${THREADS:-2}"
DISK_GB="${DISK_GB:-50}"
PUBLIC_IPS="${PUBLIC_IPS:-true}"
WAIT="${WAIT:-true}"
user="$(id -un | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9')"
JOB_NAME="${JOB_NAME:-maskbeam-${user:-user}-$(date -u +%Y%m%d-%H%M%S)}"

number='[1-9][0-9]*'
label='[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}'
check PROJECT '([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]' "a project's id"
check REGION '[a-z]+-[a-z]+[0-9]+' "a region, such as europe-west4"
check BUCKET 'gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?' "gs://BUCKET or gs://BUCKET/PATH"
check JOB_NAME '[a-z]([-a-z0-9]{0,61}[a-z0-9])?' "a job's name: lower case, digits and hyphens"
check MACHINE_TYPE '[a-z][a-z0-9]*-[a-z0-9-]+' "a machine type, such as n2-standard-4"
check MAX_WORKERS "$number" "a number above 0"
check THREADS "$number" "a number above 0"
check DISK_GB "$number" "a number above 0"
check PUBLIC_IPS 'true|false' "true or false"
check WAIT 'true|false' "true or false"

flags=(
  --runner=DataflowRunner
  --project="$PROJECT"
  --region="$REGION"
  --temp_location="${BUCKET%/}/temp"
  --staging_location="${BUCKET%/}/staging"
  --job_name="$JOB_NAME"
  --machine_type="$MACHINE_TYPE"
  --max_num_workers="$MAX_WORKERS"
  --number_of_worker_harness_threads="$THREADS"
  --disk_size_gb="$DISK_GB"
)
if [[ -n "${NUM_WORKERS:-}" ]]; then
  check NUM_WORKERS "$number" "a number above 0"
  if ((NUM_WORKERS > MAX_WORKERS)); then
    echo "run_dataflow.sh: NUM_WORKERS=$NUM_WORKERS is above MAX_WORKERS=$MAX_WORKERS" >&2
    exit 2
  fi
  flags+=(--num_workers="$NUM_WORKERS")
fi
if [[ -n "${IMAGE:-}" ]]; then
  check IMAGE '[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?' \
    "an image in a registry, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/maskbeam:TAG"
  flags+=(--sdk_container_image="$IMAGE")
else
  flags+=(--setup_file="$root/setup.py")
fi
if [[ -n "${SERVICE_ACCOUNT:-}" ]]; then
  check SERVICE_ACCOUNT '[^@ ]+@[a-z0-9.-]+' "an e-mail address"
  flags+=(--service_account_email="$SERVICE_ACCOUNT")
fi
if [[ -n "${NETWORK:-}" ]]; then
  check NETWORK '[a-z]([-a-z0-9]{0,61}[a-z0-9])?' "the name of a network"
  flags+=(--network="$NETWORK")
fi
if [[ -n "${SUBNETWORK:-}" ]]; then
  check SUBNETWORK '(https://.+/)?regions/[^/]+/subnetworks/[^/]+' \
    "regions/REGION/subnetworks/NAME, or its URL"
  flags+=(--subnetwork="$SUBNETWORK")
fi
[[ "$PUBLIC_IPS" == true ]] || flags+=(--no_use_public_ips)
[[ "$WAIT" == true ]] || flags+=(--no_wait_until_finish)
if [[ -n "${LABELS:-}" ]]; then
  check LABELS "$label(,$label)*" "KEY=VALUE[,KEY=VALUE...] in lower case"
  IFS=, read -ra labels <<<"$LABELS"
  flags+=("${labels[@]/#/--labels=}")
fi

bash "$root/launch_scripts/setup_venv.sh"
exec "$root/.venv/bin/maskbeam" convert "$@" "${flags[@]}"

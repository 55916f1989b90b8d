#!/usr/bin/env bash
# Starts a Beam job server for Flink or Spark, put together by Maven.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_job_server.sh flink|spark [PORT]

Serves Beam's job API at localhost:PORT (by default 8099) until it is stopped. Give
run_flink.sh or run_spark.sh the same JOB_ENDPOINT=localhost:PORT. The two ports below it
serve artifacts and expansions.

  FLINK_MASTER     [local] for Flink in this process (default), or HOST:PORT of a cluster
  FLINK_CONF_DIR   with flink-conf.yaml, for a cluster
  SPARK_MASTER     local[N] (default: as many as there are cores), or spark://HOST:PORT

Needs a JDK of 17 or later and Maven, which fetches some 200 MB once. Where Beam may fetch
its own job servers you need none of this.
USAGE
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
if (($# < 1 || $# > 2)) || [[ "$1" != flink && "$1" != spark ]]; then
  usage >&2
  exit 2
fi
for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
port="${2:-8099}"

classpath="$(mktemp)"
trap 'rm -f "$classpath"' EXIT
mvn --batch-mode --quiet -Dstyle.color=never --file "$here/$1-job-server/pom.xml" \
  dependency:build-classpath -Dmdep.includeScope=runtime -Dmdep.outputFile="$classpath"
jars="$(cat "$classpath")"
rm -f "$classpath"

# Spark, and Flink's serializers, look into packages that Java closed.
opens=()
for package in java.lang java.lang.invoke java.util java.util.concurrent \
  java.util.concurrent.atomic java.net java.nio java.io sun.nio.ch sun.util.calendar \
  sun.security.action; do
  opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
ports=(--job-port="$port" --artifact-port="$((port - 1))" --expansion-port="$((port - 2))")

if [[ "$1" == flink ]]; then
  conf=()
  [[ -n "${FLINK_CONF_DIR:-}" ]] && conf=(--flink-conf-dir="$FLINK_CONF_DIR")
  exec java "${opens[@]}" -cp "$jars" org.apache.beam.runners.flink.FlinkJobServerDriver \
    --flink-master="${FLINK_MASTER:-[local]}" "${conf[@]}" "${ports[@]}"
fi
exec java "${opens[@]}" -cp "$jars" org.apache.beam.runners.spark.SparkJobServerDriver \
  --spark-master-url="${SPARK_MASTER:-local[$(nproc)]}" "${ports[@]}"

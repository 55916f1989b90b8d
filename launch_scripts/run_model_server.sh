#!/usr/bin/env bash
# Serves an exported model over HTTP, with TensorFlow for Java: no Python in the process.
#
# Where Docker is at hand, TensorFlow Serving does it (this line is not run by our tests):
#   docker run -p 8501:8501 -v "$PWD/models/street:/models/street" -e MODEL_NAME=street tensorflow/serving
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/model-server"

usage() {
  cat <<'USAGE'
Usage: bash launch_scripts/run_model_server.sh DIRECTORY [NAME [PORT]]

Serves the highest version in DIRECTORY, such as models/street with models/street/1 in
it, at http://localhost:PORT/v1/models/NAME (by default the directory's name, and 8501).
Needs a JDK of 17 or later and Maven, which fetches TensorFlow for Java (170 MB) once.
USAGE
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
if (($# < 1 || $# > 3)) || [[ "$1" == -* ]]; then
  usage >&2
  exit 2
fi
for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done

directory="$(cd "$1" && pwd -P)"
classpath="$(mktemp)"
trap 'rm -f "$classpath"' EXIT
mvn --batch-mode --quiet -Dstyle.color=never --file "$here/pom.xml" dependency:build-classpath \
  -Dmdep.outputFile="$classpath"
jars="$(cat "$classpath")"
rm -f "$classpath"
exec java -cp "$jars" "$here/ModelServer.java" \
  "$directory" "${2:-$(basename "$directory")}" "${3:-8501}"

#!/usr/bin/env bash
# Makes the environment of the peers of `epoch` that maskbeam does not need:
# bash tests/benchmarks/make_peers.sh DIR. PyTorch's wheel takes some GB.
set -euo pipefail

directory=${1:?say where the environment goes}
python3 -m venv "$directory"
pip=("$directory/bin/pip" install --quiet --disable-pip-version-check)
# Streaming first: it needs an older Hub client, which the others then go by.
"${pip[@]}" mosaicml-streaming torch
"${pip[@]}" array-record 'datasets<5' grain numpy opencv-python-headless pillow

"""Runs a pipeline as Dataflow got it, on workers of a pool.

    python -m tests.run_staged gs://.../pipeline.pb OPTIONS.json localhost:PORT

Of the pipeline only the container is replaced, for here is none: by the pool, whose
workers install what was staged for the container.
"""

import json
import os
import sys
import tempfile

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_provision_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms import environments

from maskbeam.pipeline.runtime import files


def _bring_here(artifact: beam_runner_api_pb2.ArtifactInformation, to: str) -> None:
    """Replaces an artifact's URL by a file: this runner fetches no gs://."""
    payload = beam_runner_api_pb2.ArtifactUrlPayload.FromString(artifact.type_payload)
    path = os.path.join(to, os.path.basename(payload.url))
    with open(path, "wb") as file:
        file.write(files.read(payload.url))
    artifact.type_urn = common_urns.artifact_types.FILE.urn
    artifact.type_payload = beam_runner_api_pb2.ArtifactFilePayload(
        path=path
    ).SerializeToString()


def main(pipeline: str, options: str, pool: str) -> str:
    """Gives the state that the pipeline ends in."""
    proto = beam_runner_api_pb2.Pipeline()
    proto.ParseFromString(files.read(pipeline))
    external = environments.ExternalEnvironment(pool).to_runner_api(None)
    artifacts = tempfile.mkdtemp()
    for environment in proto.components.environments.values():
        for artifact in environment.dependencies:
            _bring_here(artifact, artifacts)
        environment.urn, environment.payload = external.urn, external.payload
    with open(options, encoding="utf-8") as file:
        encoded = JobServiceHandle.encode_pipeline_options(json.load(file))
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    runner = FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))
    return runner.run_via_runner_api(proto, PipelineOptions([])).state


if __name__ == "__main__":
    print(main(*sys.argv[1:]))

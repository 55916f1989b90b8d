"""Sets Beam's runners up as this job needs them."""

import logging
import os
from collections.abc import Sequence
from typing import TypeVar

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
    TestOptions,
)
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import (
    FnApiRunner,
    fn_runner,
    worker_handlers,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner
from apache_beam.runners.worker import sdk_worker

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import beam_flags

HUSHED = "MASKBEAM_HUSHED"  # in the environment of in-process runners' own workers

_View = TypeVar("_View", bound=PipelineOptions)


def parse_options(arguments: Sequence[str]) -> PipelineOptions:
    """Makes Beam's options of its flags, with our defaults.

    Raises:
        UsageError: as `beam_flags.read`, or the runner cannot be loaded.
    """
    given = beam_flags.read(arguments)
    options = _Options(list(arguments), **beam_flags.defaults(given))
    try:
        options.get_all_options()  # some flags have types of their own
        create_runner(given.runner)
    except SystemExit as error:  # argparse has printed what it did not like
        raise UsageError("Beam does not take these flags") from error
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner {given.runner}: {error}") from error
    return options


class _Options(PipelineOptions):
    """Beam's options, each view of them made once.

    Beam asks for views a few times for each step of a pipeline, and by itself it makes
    a parser of flags each time.
    """

    def view_as(self, cls: type[_View]) -> _View:
        """Returns the options that a class of Beam's declares."""
        # Beam takes attributes for options; this is none.
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: _View = views[cls]
        return view


def set_up(options: PipelineOptions) -> None:
    """Sets this process up for a run, before names are listed or TensorFlow is loaded.

    Args:
        options: Beam's options.
    """
    FileSystems.set_options(options)  # names are listed before there is a pipeline
    if is_in_process(options):
        # More of TensorFlow's threads than cores only wait for one another; it reads
        # this when it is imported.
        cores = os.cpu_count() or 1
        workers = options.view_as(DirectOptions).direct_num_workers or cores
        threads = str(max(1, cores // workers))
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)


def runner_of(options: PipelineOptions) -> PipelineRunner:
    """Makes the runner that the options name.

    Beam itself would make the default one without passing the options, such as the
    endpoint and the keys of an object store, to its worker processes.
    """
    name = options.view_as(StandardOptions).runner
    if name in beam_flags.IN_PROCESS:
        # Beam would send its buffers every second from a thread of its own, and what
        # another thread writes at that moment would be cut in two or lost.
        worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0
    if name != beam_flags.DEFAULT_RUNNER:
        return create_runner(name)
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(provision))


def is_in_process(options: PipelineOptions) -> bool:
    """Checks whether the runner works in this process, or in children of it."""
    return options.view_as(StandardOptions).runner in beam_flags.IN_PROCESS


def hush() -> None:
    """Keeps in-process workers from printing why they failed, each in turn.

    The runner raises the first such error, trace and all.
    """
    os.environ[HUSHED] = "1"
    sdk_worker.print = lambda *_, **__: None
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)


def is_dry_run(options: PipelineOptions) -> bool:
    """Checks whether the runner is told to check everything and start nothing."""
    dry_run: bool = options.view_as(TestOptions).dry_run
    return dry_run


def counts_here(options: PipelineOptions) -> bool:
    """Checks whether this process counts rows: all of them pass through it."""
    mode = options.view_as(DirectOptions).direct_running_mode
    return _is_local(options) and mode != "multi_processing"


def shared_place(options: PipelineOptions) -> str:
    """Returns a directory that all workers reach; "" if any on this machine will do."""
    if _is_local(options):
        return ""
    return options.view_as(GoogleCloudOptions).temp_location or ""


def _is_local(options: PipelineOptions) -> bool:
    """Checks whether all workers share this machine's disk."""
    environment = options.view_as(PortableOptions).environment_type
    runner = options.view_as(StandardOptions).runner
    return runner in beam_flags.IN_PROCESS or environment == "LOOPBACK"

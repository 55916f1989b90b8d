"""Sets Beam's runners up as this job needs them."""

import argparse
import contextlib
import os
from typing import TypeVar

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
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

from maskbeam.pipeline.errors import UsageError

_DEFAULT = "FnApiRunner"
_IN_PROCESS = (_DEFAULT, "DirectRunner", "SwitchingDirectRunner")
_View = TypeVar("_View", bound=PipelineOptions)
_FIRST_IMPORT = "maskbeam.pipeline.runtime.workers"


def parse_options(arguments: list[str]) -> PipelineOptions:
    """Reads Beam's options; the user's override our defaults.

    Plain `DirectRunner` first looks for another engine, which it may download; our
    default does not.

    Args:
        arguments: the command line's arguments, without maskbeam's own.

    Raises:
        UsageError: a flag is not known, or Beam has no such runner.
    """
    unknown = _unknown_flags(arguments)
    try:
        options = _Options(arguments)
        standard = options.view_as(StandardOptions)
        standard.runner = standard.runner or _DEFAULT
        create_runner(standard.runner)
    except ValueError as error:
        raise UsageError(str(error)) from error
    in_process = standard.runner in _IN_PROCESS
    if unknown and (in_process or not unknown[0].startswith("--")):
        raise UsageError(
            f"unknown argument {unknown[0]}: neither maskbeam's nor Beam's"
        )
    if is_dry_run(options) and standard.runner != "DataflowRunner":
        raise UsageError(
            f"--dry_run is Dataflow's, and {standard.runner} would run all the same: "
            "maskbeam plan says what a run would do"
        )
    setup = options.view_as(SetupOptions)
    setup.beam_plugins = [*(setup.beam_plugins or ()), _FIRST_IMPORT]
    if in_process:
        given = {argument.partition("=")[0] for argument in arguments}
        direct = options.view_as(DirectOptions)
        # A thread for each core: what decodes rows lets other threads run. Processes
        # would each load TensorFlow first, which adds 8 to 15 s.
        if "--direct_running_mode" not in given:
            direct.direct_running_mode = "multi_threading"
        if "--direct_num_workers" not in given:
            direct.direct_num_workers = os.cpu_count() or 1
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


def _unknown_flags(arguments: list[str]) -> list[str]:
    """Returns the arguments that none of Beam's options classes declares.

    Raises:
        UsageError: Beam does not take a flag's value.
    """
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for declared in PipelineOptions.__subclasses__():
        with contextlib.suppress(argparse.ArgumentError):  # declared twice
            declared._add_argparse_args(known)
    try:
        return known.parse_known_args(arguments)[1]
    except SystemExit as error:  # argparse has printed what it did not like
        raise UsageError("Beam does not take these flags") from error


def set_up(options: PipelineOptions) -> None:
    """Sets this process up for a run, before names are listed or TensorFlow is loaded.

    Args:
        options: Beam's options.
    """
    FileSystems.set_options(options)  # names are listed before there is a pipeline
    if options.view_as(StandardOptions).runner in _IN_PROCESS:
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
    if name in _IN_PROCESS:
        # Beam would send its buffers every second from a thread of its own, and what
        # another thread writes at that moment would be cut in two or lost.
        worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0
    if name != _DEFAULT:
        return create_runner(name)
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(provision))


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
    return runner in _IN_PROCESS or environment == "LOOPBACK"

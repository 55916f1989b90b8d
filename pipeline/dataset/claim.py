"""Claims the output directory before a run, so that nobody's data is lost.

manifest.json    a dataset of maskbeam's; `--overwrite` removes what it lists
unfinished.json  a run that was stopped; `--overwrite` removes what it lists
neither          the directory is empty, or somebody else's and never touched
"""

import contextlib
import glob
import os
from collections.abc import Iterator

from maskbeam.pipeline.dataset import holding, leftovers
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.runtime.quiet import quiet
from maskbeam.transforms import dataset_files


def check_claim(directory: str, *, overwrite: bool) -> None:
    """Checks that a run may write to a directory.

    Raises:
        UsageError: a dataset, an unfinished run or something else is in the way, or
            nobody can say what an earlier run wrote.
    """
    try:
        if not files.exists(directory):
            return
    except (ValueError, OSError) as error:  # a scheme that Beam lacks
        raise UsageError(f"--output {directory}: {error}") from error
    if files.match(glob.escape(directory)):
        raise UsageError(f"--output {directory} is a file, not a directory")
    holding.check_free(directory)
    _check_contents(directory, overwrite=overwrite)


def _check_contents(directory: str, *, overwrite: bool) -> None:
    """Checks that nothing is in the way in a directory that nobody else writes to.

    Raises:
        UsageError: something is.
    """
    if files.exists(files.join(directory, dataset_files.UNFINISHED)):
        if not overwrite:
            _refuse_run(directory)
    elif files.exists(files.join(directory, dataset_files.MANIFEST)):
        if not overwrite:
            raise UsageError(
                f"{directory} holds a dataset; --overwrite replaces it, or choose "
                "another --output"
            )
    elif not _is_free(directory):
        raise UsageError(
            f"{directory} is not empty and holds no dataset of maskbeam's: it is never "
            "overwritten; choose another --output"
        )
    if overwrite:
        leftovers.find(directory)


def _refuse_run(directory: str) -> None:
    """Refuses to write where a run has left no dataset: raises UsageError."""
    verdict = files.join(directory, dataset_files.REJECTED, dataset_files.VERDICT)
    if files.exists(verdict):
        raise UsageError(
            f"{directory} holds a run that made no dataset, and {verdict} says why; "
            "--overwrite removes that run and starts anew"
        )
    raise UsageError(
        f"{directory} holds an unfinished run, which was stopped or failed; "
        "--overwrite removes it and starts anew"
    )


def _is_free(directory: str) -> bool:
    """Checks whether a directory has nothing but what a run left before its note.

    Raises:
        UsageError: nobody may list it.
    """
    try:
        if files.is_empty(directory):
            return True
        left = set(leftovers.temporaries(directory))
        return bool(left) and left == set(os.listdir(directory))
    except OSError as error:
        raise UsageError(f"--output {directory} cannot be listed: {error}") from error


@contextlib.contextmanager
def claim(options: Options, plan: Plan, temporary: str) -> Iterator[None]:
    """Claims the output while the block runs: no other run writes there.

    What an earlier run has left is removed, and a note says what this one will write.

    Args:
        options: the run's options.
        plan: what it will write.
        temporary: the name, in the output, of the run's own directory.

    Raises:
        UsageError: something is in the way, as for `check_claim`, or the output cannot
            be written.
    """
    directory = options.output
    assert directory is not None
    check_claim(directory, overwrite=options.overwrite)
    _make(directory)
    with holding.hold(directory) as is_locked:
        _take(options, plan, temporary)
        own = files.join(directory, temporary)
        with contextlib.nullcontext() if is_locked else holding.beating(own):
            yield


def when_stopped(directory: str) -> str:
    """Says what a run leaves that is stopped."""
    if files.exists(files.join(directory, dataset_files.UNFINISHED)):
        return f"{directory} holds an unfinished run, and --overwrite removes it"
    return f"{directory} is complete" if files.exists(directory) else ""


def _refuse_own_report(directory: str) -> None:
    """Refuses to write a report in the place of a file that no run has written.

    Raises:
        UsageError: there is such a file.
    """
    path = files.join(directory, dataset_files.REPORT)
    if files.exists(path):
        raise UsageError(
            f"{path} is not maskbeam's, and the report would replace it: move it "
            "elsewhere, or add --no_report"
        )


def _make(directory: str) -> None:
    """Makes the output.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        with quiet():  # some stores log what they raise
            files.make_directory(directory)
    except Exception as error:  # each object store has errors of its own
        raise UsageError(f"--output {directory} cannot be written: {error}") from error


def _take(options: Options, plan: Plan, temporary: str) -> None:
    """Leaves the note, and removes an earlier run.

    Raises:
        UsageError: nobody can say what an earlier run wrote, or the output cannot be
            written.
    """
    directory = options.output
    assert directory is not None
    _check_contents(directory, overwrite=options.overwrite)
    earlier = leftovers.find(directory)
    names = {*plan.shard_names(options.name), *leftovers.beside_shards(plan.splits)}
    if options.no_report:
        names.remove(dataset_files.REPORT)
    elif dataset_files.REPORT not in earlier.names:
        _refuse_own_report(directory)
    names |= earlier.names
    note = {
        "format": dataset_files.FORMAT,
        "temporary": [temporary, *earlier.temporary],
        "names": sorted(names),
        **holding.who(),
    }
    own = files.join(directory, temporary)
    try:
        with quiet():  # some stores log what they raise
            files.write_json(files.join(own, dataset_files.UNFINISHED), note)
            files.move_all(own, directory, [dataset_files.UNFINISHED])
    except Exception as error:  # each object store has errors of its own
        raise UsageError(f"--output {directory} cannot be written: {error}") from error
    # The manifest goes first: from here on there is no dataset.
    for name in (dataset_files.MANIFEST, *sorted(earlier.names), *earlier.temporary):
        path = files.join(directory, *name.split("/"))
        try:
            files.remove(path)
        except OSError as error:
            raise UsageError(
                f"--overwrite cannot remove {path}, which an earlier run wrote: {error}"
            ) from error
    for name in (dataset_files.REJECTED, dataset_files.SERVING):
        folder = files.join(directory, name)
        if files.is_link(folder) or not files.exists(folder):
            continue
        if files.is_empty(folder):
            files.remove(folder)

"""Makes the report of a dataset again, or of a run that made no dataset."""

from typing import Any

from maskbeam.pipeline.dataset import inventory
from maskbeam.pipeline.errors import BadDataError, UsageError, in_words
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.transforms import dataset_files
from maskbeam.transforms.manifest import DamagedDatasetError, read_manifest


def report(directory: str, output: str | None) -> str:
    """Makes the page.

    Args:
        directory: the output of a run.
        output: the page's path; None for its place in the dataset, of which it becomes
            a part.

    Returns:
        The page's path.

    Raises:
        BadDataError: a file of the dataset is damaged.
        FileNotFoundError: there is neither a dataset nor what a refused run leaves.
        UsageError: the place is another of the dataset's files, or somebody else's.
    """
    refused = files.join(directory, *dataset_files.REFUSED.split("/"))
    is_refused = not _exists(directory, dataset_files.MANIFEST) and files.exists(
        refused
    )
    about = {} if is_refused else read_manifest(directory)
    in_place = files.join(directory, dataset_files.REPORT)
    path = in_place if output is None else output
    below = inventory.name_below(directory, path)
    if below not in ("", dataset_files.REPORT):
        raise UsageError(f"--output {path} is in the dataset: say another place")
    with loading():
        from maskbeam.pipeline.report import of_dataset
    try:
        if is_refused:
            about = files.read_json(refused)
        if below and files.exists(path) and not _is_ours(directory, about):
            raise UsageError(f"{path} is not maskbeam's: say --output FILE")
        if is_refused:
            page = of_dataset.make_refused(directory, about)
        else:
            page = of_dataset.make(directory, about)
    except (UsageError, DamagedDatasetError, OSError):
        raise
    except Exception as error:  # whoever wrote these files may have written anything
        raise BadDataError(
            f"{directory} has files that are damaged, or not a run's: {in_words(error)}"
        ) from error
    files.write(path, page)
    if below and not is_refused:
        inventory.add(directory, {dataset_files.REPORT: inventory.of_bytes(page)})
    return path


def _exists(directory: str, name: str) -> bool:
    return files.exists(files.join(directory, name))


def _is_ours(directory: str, about: dict[str, Any]) -> bool:
    """Checks whether a run has written the report that is there."""
    if "files" in about:
        return dataset_files.REPORT in about["files"]
    note = files.join(directory, dataset_files.UNFINISHED)
    return files.exists(note) and dataset_files.REPORT in files.read_json(note)["names"]

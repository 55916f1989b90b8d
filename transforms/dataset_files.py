"""The names of a dataset's files, for the writer and the readers."""

import re
import uuid

TRANSFORM_GRAPH = "transform_graph"
PREPROCESSING = "preprocessing"  # the user's own function, analysed
SERVING = "serving"  # models by version, as model servers look for them
SERVING_VERSION = 1
SERVING_MODEL = f"{SERVING}/{SERVING_VERSION}"
REJECTED = "rejected"
CLASSES = "classes.yaml"
STATS = "stats.json"
FEATURES = "features.json"  # this and the next are TFDS's
DATASET_INFO = "dataset_info.json"
REPORT = "report.html"  # may be made again
MANIFEST = "manifest.json"  # written last: without it there is no dataset
UNFINISHED = "unfinished.json"  # written first, removed last
VERDICT = "verdict.json"  # in `rejected/`, if no dataset was made
REFUSED = f"{REJECTED}/{VERDICT}"
STAGED = "dataset"  # in a run's own directory, until all of it is there
FORMAT = 1  # of the manifest

_MODEL = re.compile(rf"{SERVING}/[1-9][0-9]*")
_REJECTED = re.compile(rf"{REJECTED}/rejected-[A-Za-z0-9_-]+\.jsonl")
_TEMPORARY = re.compile(r"\.unfinished-[0-9a-f]{12}")
# No split has a name with a hyphen.
_NO_SPLIT = "no-split"
_SHARD = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_]+\.tfrecord-\d{5,}-of-\d{5,}", re.ASCII)


def shard_name(name: str, split: str, number: int, count: int) -> str:
    """Returns a shard's file name, as TFDS has it."""
    return f"{name}-{split}.tfrecord-{number:05d}-of-{count:05d}"


def is_shard(file: str) -> bool:
    """Checks whether a file may be a shard of ours: a plain name, as `shard_name`'s."""
    return _SHARD.fullmatch(file) is not None


def is_below(path: str) -> bool:
    """Checks whether a path, with slashes, leads to what is below a directory."""
    parts = path.split("/")
    return not {"", ".", ".."} & set(parts) and not set(path) & {"\\", "\0"}


def temporary_name() -> str:
    """Makes a name for a run's own directory."""
    return f".unfinished-{uuid.uuid4().hex[:12]}"


def is_temporary(name: str) -> bool:
    """Checks whether a name may be a run's own directory."""
    return _TEMPORARY.fullmatch(name) is not None


def rejected_file(split: str) -> str:
    """Returns the file of a split's rejections; "" is for rows of no known split."""
    return f"{REJECTED}/rejected-{split or _NO_SPLIT}.jsonl"


def is_model(name: str) -> bool:
    """Checks whether a name may be a serving model's directory, of any version."""
    return _MODEL.fullmatch(name) is not None


def is_rejected_file(name: str) -> bool:
    """Checks whether a name may be a file of rejections."""
    return _REJECTED.fullmatch(name) is not None

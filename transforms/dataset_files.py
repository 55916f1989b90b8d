"""The names of a dataset's files, for the writer and the readers."""

TRANSFORM_GRAPH = "transform_graph"
SERVING = "serving"  # models by version, as model servers look for them
SERVING_VERSION = 1
REJECTED = "rejected"
CLASSES = "classes.yaml"
STATS = "stats.json"
FEATURES = "features.json"  # this and the next are TFDS's
DATASET_INFO = "dataset_info.json"
MANIFEST = "manifest.json"  # written last: without it there is no dataset
UNFINISHED = "unfinished.json"  # written first, removed last
VERDICT = "verdict.json"  # in `rejected/`, if no dataset was made


def rejected_file(split: str) -> str:
    """Returns the file of a split's rejections; "" is for rows of no known split."""
    return f"{REJECTED}/rejected-{split or 'unknown'}.jsonl"


FORMAT = 1  # of the manifest

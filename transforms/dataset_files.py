"""What lies where in a dataset's directory: for writer and reader alike."""

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
VERDICT = "verdict.json"  # in `rejected/`, where too much was rejected


def rejected_file(split: str) -> str:
    """Where a split's rejections lie; without a split, those whose split is unknown."""
    return f"{REJECTED}/rejected-{split or 'unknown'}.jsonl"


FORMAT = 1  # of the manifest

"""Shows people what a dataset holds."""

from maskbeam.pipeline import values
from maskbeam.pipeline.printing import moved_lines, print_classes, print_lines
from maskbeam.pipeline.terminal import say
from maskbeam.transforms import record_columns, records
from maskbeam.transforms.manifest import read_config, read_manifest, read_stats


def print_dataset(directory: str, split: str | None, limit: int) -> None:
    """Prints splits, columns, tensors, class counts and the first rows.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: it has no such split.
    """
    manifest = read_manifest(directory)
    splits = manifest["splits"]
    shown = [split] if split is not None else list(splits)
    tensors = records.load(directory, shown[0]).element_spec
    config = read_config(manifest)
    say(f"{values.absolute(directory)}: {config.mask_encoding} masks")
    for name in shown:
        found = splits[name]
        say(f"{name}: {found['records']:,} records in {len(found['shards'])} shards")
    say()
    say("in the records:")
    for column, spec in sorted(record_columns.feature_spec(config).items()):
        say(f"  {column}: {spec.dtype.name}{list(spec.shape)}")
    say()
    say("as load() gives them:")
    for column, spec in tensors.items():
        say(f"  {column}: {spec.dtype.name}{spec.shape.as_list()}")
    say()
    stats = read_stats(directory, manifest, config)
    stats["splits"] = {name: stats["splits"][name] for name in shown}
    print_classes(stats)
    print_lines(moved_lines(stats))
    for name in shown:
        say()
        say(f"first rows of {name}:")
        rows = records.load(directory, name, raw=True).take(limit)
        for row in rows.as_numpy_iterator():
            size = f"{row['image/height']} x {row['image/width']}"
            say(f"  {row['key'].decode()}: {size}")

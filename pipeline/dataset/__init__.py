"""From fragments to a dataset: shards, statistics, graphs, manifest; or a verdict."""

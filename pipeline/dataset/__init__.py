"""From fragments to a dataset: shards, statistics, graph, verdict, manifest."""

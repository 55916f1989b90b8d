"""How rows move: the Beam pipeline from label-map shards to TFRecords."""

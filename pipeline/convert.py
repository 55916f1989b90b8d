"""The whole flow on one screen."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam

from pipeline import analyze, check, encode, files, plan, publish, read, write
from pipeline.options import Options
from pipeline.survey import Plan
from transforms import layout, summaries

_DUPLICATE, _REPEATED = "duplicate", "repeated"


def define_pipeline(
    root: beam.Pipeline, options: Options, cut: Plan, temporary: str, scratch: str
) -> None:
    """Builds a conversion; neither parses flags nor runs anything.

    Rows are read and decoded once, and go from the source to a fragment in one stage;
    what stages share are names and summaries.

    Args:
        root: the pipeline.
        options: what is converted.
        cut: how, by `survey`.
        temporary: a directory of this run's own, in the output.
        scratch: a directory that TensorFlow and all workers reach.
    """
    directory = options.output
    assert directory is not None
    config, class_map = cut.config, options.class_map
    with tft_beam.Context(temp_dir=files.join(scratch, "tft")):
        names = root | "Plan" >> plan.PlanUnits(options, cut)

        # From here to the fragments: one fused stage, so rows are never held.
        rows = read_and_check(names["units"], options, cut)
        encoded = rows["checked"] | "Encode" >> beam.ParDo(encode.EncodeBatch(config))
        written = encoded | "Write" >> write.WriteShards(
            directory,
            files.join(temporary, "fragments"),
            options.name,
            cut,
            options.seed,
        )
        shards = written["shards"]

        # A shard's summary is all that the analyzers need of it.
        graph_splits = summaries.graph_splits(options.splits)
        totals = (
            shards
            | "GraphSplits" >> beam.Filter(lambda shard: shard[0][0] in graph_splits)
            | "Summaries" >> beam.Map(lambda shard: shard[1].summary)
        )
        graph = totals | "Analyze" >> analyze.WriteTransformGraph(
            files.join(directory, layout.TRANSFORM_GRAPH),
            files.join(scratch, layout.TRANSFORM_GRAPH),
            config,
            class_map,
        )

        rejected = (
            (names[plan.REJECTED], *rows["rejected"])
            | "AllRejected" >> beam.Flatten()
            | "WriteRejections" >> publish.WriteRejections(directory)
        )
        duplicates, repeated = judge_keys(rows["places"], names[plan.REPEATED])
        _ = (
            root
            | "Once" >> beam.Create([None], reshuffle=False)
            | "Publish"
            >> beam.ParDo(
                publish.Publish(options, cut, temporary),
                shards=beam.pvalue.AsList(shards),
                rejected=beam.pvalue.AsList(rejected),
                duplicates=beam.pvalue.AsSingleton(duplicates),
                repeated=beam.pvalue.AsSingleton(repeated),
                graph=beam.pvalue.AsList(graph),
                samples=beam.pvalue.AsSingleton(written[write.SAMPLES]),
            )
        )


def read_and_check(
    units: beam.PCollection, options: Options, cut: Plan
) -> dict[str, Any]:
    """Units to checked batches: `checked`, the two `rejected`, and `places`."""
    raw = units | "Read" >> beam.ParDo(read.ReadUnit(options, cut)).with_outputs(
        read.REJECTED, read.PLACES, main="batches"
    )
    checked = raw.batches | "Check" >> beam.ParDo(
        check.CheckBatch(options, cut.config, cut.sample_rank)
    ).with_outputs(check.REJECTED, main="rows")
    return {
        "checked": checked.rows,
        "rejected": (raw[read.REJECTED], checked[check.REJECTED]),
        "places": raw[read.PLACES],
    }


def judge_keys(
    places: beam.PCollection, repeated: beam.PCollection
) -> tuple[beam.PCollection, beam.PCollection]:
    """Finds keys that are twice in one split, and those that are in several.

    Args:
        places: (key, (split, source)) of rows whose keys were unknown before reading.
        repeated: keys in several splits that are known already, in words.

    Returns:
        Two singletons: how many, and the first few in words.
    """
    judged = (
        places
        | "GroupPlaces" >> beam.GroupByKey()
        | "JudgePlaces" >> beam.ParDo(JudgePlaces()).with_outputs(_DUPLICATE, _REPEATED)
    )
    return (
        judged[_DUPLICATE] | "FewDuplicates" >> beam.CombineGlobally(publish.Few()),
        (judged[_REPEATED], repeated)
        | "AllRepeated" >> beam.Flatten()
        | "FewRepeated" >> beam.CombineGlobally(publish.Few()),
    )


class JudgePlaces(beam.DoFn):
    """Keys and their places to those that are `duplicate`, and `repeated`."""

    def process(self, element: tuple[str, Iterable[tuple[str, str]]]) -> Iterator[Any]:
        """Judges one key, by the (split, source) of each row that has it."""
        key, places = element
        ordered = sorted(places)
        for (split, first), (next_split, second) in itertools.pairwise(ordered):
            if split == next_split:
                text = f"{key!r} at {first} and at {second} ({split})"
                yield beam.pvalue.TaggedOutput(_DUPLICATE, text)
        splits = {split for split, _ in ordered}
        if len(splits) > 1:
            yield beam.pvalue.TaggedOutput(_REPEATED, plan.repeated_key(key, splits))

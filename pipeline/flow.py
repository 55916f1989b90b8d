"""The whole flow on one screen."""

import apache_beam as beam
import tensorflow_transform.beam as tft_beam

from maskbeam.pipeline.dataset import analyze, publish, rejections
from maskbeam.pipeline.dataset.rejections import judge_keys
from maskbeam.pipeline.dataset.shards import WriteShards
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import units
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import encode, write
from maskbeam.pipeline.rows.stage import read_and_check
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import layout, summaries


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
        names = root | "Plan" >> units.PlanUnits(options, cut)

        # From here to the fragments: one fused stage, so rows are never held.
        rows = read_and_check(names["units"], options, cut)
        encoded = rows["checked"] | "Encode" >> beam.ParDo(encode.EncodeBatch(config))
        written = encoded | "Write" >> WriteShards(
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
            (names[units.REJECTED], *rows["rejected"])
            | "AllRejected" >> beam.Flatten()
            | "WriteRejections" >> rejections.WriteRejections(directory)
        )
        duplicates, repeated = judge_keys(rows["places"], names[units.REPEATED])
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

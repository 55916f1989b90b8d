"""Runs the user's analyzers over the training split, by TF Transform.

    shards of the training split -> records -> what analyzers take of each -> TF
    Transform's own combiners -> what they found

Each pass reads the records that were written: they are what training reads, and nothing
but the names of their files crosses from one stage to the next.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.saved import saved_transform_io_v2
from tfx_bsl.tfxio import tensor_adapter, tensor_to_arrow

from maskbeam.pipeline.elements import ShardId, WrittenRecords
from maskbeam.pipeline.errors import OwnCodeError, reason_of
from maskbeam.pipeline.formats import tfrecords
from maskbeam.pipeline.own_function import analyzers
from maskbeam.pipeline.own_function.analyzers import Pass
from maskbeam.pipeline.own_function.code import OPTION, Code
from maskbeam.pipeline.own_function.function import OwnFunction
from maskbeam.pipeline.own_function.tracing import Known, Traced
from maskbeam.pipeline.runtime import files, turns
from maskbeam.transforms import (
    features,
    own_columns,
    raw_rows,
    record_columns,
    saved_models,
    summaries,
)

Shards = Sequence[tuple[ShardId, WrittenRecords]]

_FAILED = "failed"


@dataclasses.dataclass(eq=False)
class Analyze(beam.PTransform):
    """(ShardId, WrittenRecords) -> `known`: one list of Known; `failed`: texts.

    Attributes:
        function: the user's function.
        config: with its columns.
        directory: where the shards are.
        temporary: a directory for TF Transform, which all workers reach.
    """

    function: OwnFunction
    config: features.Config
    directory: str
    temporary: str

    def expand(self, shards: beam.PCollection) -> Any:
        """Runs one pass after the other."""
        root = shards.pipeline
        known = root | "NothingKnown" >> beam.Create([[]], reshuffle=False)
        failed = []
        for one in self.function.passes:
            label = f"Pass{one.number}"
            taken = (
                root
                | f"{label}Once" >> beam.Create([None], reshuffle=False)
                | f"{label}Shards"
                >> beam.FlatMap(lambda _, all_: all_, beam.pvalue.AsList(shards))
                | f"{label}Apart" >> beam.Reshuffle()  # of names
                | f"{label}Take"
                >> beam.ParDo(
                    _Take(self.function.code, self.config, self.directory, one),
                    shards=beam.pvalue.AsList(shards),
                    known=beam.pvalue.AsSingleton(known),
                ).with_outputs(_FAILED, main="rows")
            )
            failed.append(taken[_FAILED])
            known = (
                self._analyzed(one, taken.rows, label)
                | f"{label}Read" >> beam.Map(_read, one)
                | f"{label}All"
                >> beam.Map(lambda new, old: old + new, beam.pvalue.AsSingleton(known))
            )
        return {
            "known": known,
            _FAILED: tuple(failed) | "Failed" >> beam.Flatten(pipeline=root),
        }

    def _analyzed(self, one: Pass, rows: beam.PCollection, label: str) -> Any:
        """Runs TF Transform's analyzers: one path of what they have found."""
        batches = _batches(one)
        config = tensor_adapter.TensorAdapterConfig(
            batches.arrow_schema(), batches.tensor_representations()
        )
        with tft_beam.Context(
            temp_dir=files.join(self.temporary, f"pass-{one.number}"),
            force_tf_compat_v1=False,
        ):
            found, _ = (rows, config) | f"{label}Analyze" >> tft_beam.AnalyzeDataset(
                analyzers.AnalyzerFn(one)
            )
        return found


@dataclasses.dataclass(eq=False)
class _Take(beam.DoFn):
    """A shard -> for each of its records what the analyzers of a pass take of it.

    That is a batch of TF Transform's, of one row: what analyzers take of a batch,
    mostly a sum, cannot be cut or put together.

    Attributes:
        code: of the user's function.
        config: with its columns.
        directory: where the shards are.
        one: the pass.
    """

    code: Code
    config: features.Config
    directory: str
    one: Pass

    def setup(self) -> None:
        """Forgets what was traced: what is known comes with the shards."""
        self._take: Any = None
        self._batches = _batches(self.one)

    def process(
        self,
        element: tuple[ShardId, WrittenRecords],
        shards: Shards,
        known: Sequence[Known],
    ) -> Iterator[Any]:
        """Reads a shard of the training split; passes over all others."""
        (split, _), shard = element
        training = summaries.graph_splits({name: None for (name, _), _ in shards})
        if split not in training:
            return
        if self._take is None:
            of_training = (one.summary for (name, _), one in shards if name in training)
            try:
                self._take = self._trace(known, of_training)
            except OwnCodeError as error:  # what is known may be what it fails on
                yield beam.pvalue.TaggedOutput(_FAILED, str(error))
                return
        for record in tfrecords.records(files.join(self.directory, shard.path)):
            assert not isinstance(record, tfrecords.BadRecord)
            try:
                with turns.DECODE.take(self._bytes_of(shard)):
                    found = self._take(tf.constant(record))
            except tf.errors.OpError as error:
                columns = record_columns.record_parser(self.config, {features.KEY})
                key = columns(record)[features.KEY].numpy().decode()
                text = (
                    f"{OPTION} {self.code.path} fails on row {key!r} of split {split}, "
                    f"before pass {self.one.number}: {reason_of(str(error.message))}"
                )
                yield beam.pvalue.TaggedOutput(_FAILED, text)
                return
            yield self._batches.convert(found)

    def _bytes_of(self, shard: WrittenRecords) -> int:
        """What a record of a shard takes, about: the mask of its largest, and more."""
        pixels = max((height * width for height, width in shard.sizes), default=0)
        return pixels * 4 * (self.config.num_classes + 8)

    def _trace(
        self, known: Sequence[Known], training: Iterable[summaries.Summary]
    ) -> Any:
        """Makes the function from a record to serialized tensors."""
        plain = dataclasses.replace(
            self.config, weight_map="none", presence=False, boundary=0
        )
        total = summaries.add(training, plain.num_classes, plain.with_images)
        statistics = summaries.statistics(
            {name: tf.constant(values) for name, values in total.items()}
        )
        constants = record_columns.constants_of(statistics, plain)
        with saved_models.in_memory() as scratch:
            traced = Traced(self.code, plain, scratch, known)
            # What is known is no analyzer any more, so the next ones are the first.
            sources = analyzers.sources_of(traced.analyzers, 1)
            inputs = traced.parts.needs(sources.values())
            part = traced.cut(sources, inputs)
        parse = record_columns.record_parser(plain)

        def take(record: tf.Tensor) -> dict[str, tf.Tensor]:
            row = record_columns.parts(parse(record), plain, constants)
            values = part(**own_columns.inputs_of(row, plain, inputs))
            return {
                analyzers.source_name(number): tf.io.serialize_tensor(values[name])[
                    tf.newaxis
                ]
                for number, name in enumerate(sources)
            }

        return raw_rows.traced(take)


def _batches(one: Pass) -> tensor_to_arrow.TensorsToRecordBatchConverter:
    """Makes what writes the batches of a pass."""
    names = (analyzers.source_name(number) for number in range(len(one.sources)))
    spec = tf.TensorSpec([None], tf.string)
    return tensor_to_arrow.TensorsToRecordBatchConverter(dict.fromkeys(names, spec))


def _read(path: str, one: Pass) -> list[Known]:
    """Reads what a pass has found, from TF Transform's model."""
    loaded = saved_transform_io_v2.SavedModelLoader(path)
    return analyzers.read_found(one, loaded.apply_transform_model)

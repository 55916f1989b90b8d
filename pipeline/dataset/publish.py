"""The last step: writes the files beside the shards, the manifest last; or a verdict.

It is a step of the pipeline, because the process that submitted the job may be gone by
then. It returns normally whatever it finds: a runner would try again after an error.
"""

import collections
import contextlib
import dataclasses
import datetime
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import apache_beam as beam

from maskbeam.pipeline import repeating
from maskbeam.pipeline.dataset import (
    holding,
    inventory,
    serving_model,
    skew,
    statistics,
    transform_graph,
)
from maskbeam.pipeline.dataset.conservation import first_loss
from maskbeam.pipeline.dataset.inventory import Inventory
from maskbeam.pipeline.dataset.rejections import Found, Rejected, add_rejections, judge
from maskbeam.pipeline.dataset.shards import assemble
from maskbeam.pipeline.dataset.tfds_files import make_dataset_info, make_features
from maskbeam.pipeline.elements import ShardId, SkewSample, WrittenRecords
from maskbeam.pipeline.errors import OwnCodeError, in_words
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.census import Counted
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.reasons import add_up
from maskbeam.pipeline.report import findings, of_run
from maskbeam.pipeline.report.choice import Choice
from maskbeam.pipeline.report.content_of import Made
from maskbeam.pipeline.rows.profile import Profile
from maskbeam.pipeline.runtime import files, progress, stopping
from maskbeam.pipeline.runtime.loading import loading, uncollected
from maskbeam.transforms import (
    class_files,
    dataset_files,
    own_columns,
    record_columns,
)

if TYPE_CHECKING:  # they load TF Transform's Beam, which most runs do without
    from maskbeam.pipeline.own_function.model import Saved
    from maskbeam.pipeline.own_function.tracing import Known

_PACKAGES = ("maskbeam", "apache-beam", "tensorflow", "tensorflow-transform", "isal")

Splits = Mapping[str, Sequence[WrittenRecords]]  # the shards of each split


@dataclasses.dataclass(eq=False)
class Publish(beam.DoFn):
    """One None, and side inputs -> one None if there is a dataset, else nothing.

    Attributes:
        options: what was converted.
        plan: how it was cut.
        temporary: this run's own directory in the output. All files are written there
            first, and it is removed at the end.
        command: that makes the dataset.
    """

    options: Options
    plan: Plan
    temporary: str
    command: str

    @property
    def _staged(self) -> str:
        return files.join(self.temporary, dataset_files.STAGED)

    def process(
        self,
        _: None,
        shards: Sequence[tuple[ShardId, WrittenRecords]],
        rejected: Sequence[tuple[str, Rejected]],
        keys: Mapping[str, Found],
        counted: Mapping[str, Counted],
        samples: Sequence[SkewSample],
        profiles: Mapping[str, Profile],
        known: "Sequence[Known]" = (),
        failed: Sequence[str] = (),
    ) -> Iterator[None]:
        """Judges the run, and publishes it or says why not.

        Args:
            shards: the shards that have records.
            rejected: (split, its rejections).
            keys: what `judge_keys` found.
            counted: what workers listed and sent on, by split.
            samples: rows to compare the serving model with.
            profiles: what a report says of each split.
            known: what the user's analyzers have found.
            failed: rows that the user's function failed on, in words.
        """
        if self._was_published():  # by an attempt whose end the runner did not see
            self._clean_up()
            yield None
            return
        rejections = add_rejections(found for _, found in rejected)
        written = sum(shard.records for _, shard in shards)
        reason = self._loss(shards, dict(rejected), counted)
        reason = reason or judge(written, rejections, self.options.max_rejected, keys)
        reason = reason or min(failed, default="")
        stats: dict[str, Any] = {}
        splits: Splits = {}
        written_files: Inventory = {}
        if not reason:
            splits = self._splits(dict(shards))
            stats = statistics.make_stats(
                self.options, self.plan, splits, rejections.by_stage, keys, profiles
            )
            try:
                with self._own_model(known) as own:
                    reason, written_files = self._write_graphs(
                        stats, splits, samples, own
                    )
            except OwnCodeError as error:  # what is known may be what it fails on
                reason = str(error)
        rejected_files = sorted(
            dataset_files.rejected_file(split) for split, _ in rejected
        )
        if reason:
            self._write_verdict(reason, rejections, written, rejected_files)
            return
        written_files |= self._of_rejections(rejected_files)
        self._write_dataset(stats, splits, rejections.rows, written_files, profiles)
        yield None

    def _loss(
        self,
        shards: Sequence[tuple[ShardId, WrittenRecords]],
        rejected: Mapping[str, Rejected],
        counted: Mapping[str, Counted],
    ) -> str:
        """Returns the first split that has lost rows, or ""."""
        by_split: dict[str, list[WrittenRecords]] = collections.defaultdict(list)
        for (split, _), shard in shards:
            by_split[split].append(shard)
        return first_loss(self.options, self.plan, counted, by_split, rejected)

    def _splits(self, found: Mapping[ShardId, WrittenRecords]) -> Splits:
        """Orders the shards; one whose rows were all rejected is written, empty."""
        left = dict(found)
        splits: dict[str, list[WrittenRecords]] = {}
        for split, plan in self.plan.splits.items():
            splits[split] = []
            for number in range(plan.shards):
                shard = left.pop((split, number), None)
                if shard is None:
                    place = self._staged, self.options.name, self.plan
                    shard = assemble(*place, (split, number), ())
                splits[split].append(shard)
        assert not left, f"shards that were not planned: {sorted(left)}"
        return splits

    def _own_model(
        self, known: "Sequence[Known]"
    ) -> "contextlib.AbstractContextManager[Saved | None]":
        """Makes the model of the user's function, if there is one."""
        if self.plan.own is None:
            return contextlib.nullcontext()
        with loading():
            from maskbeam.pipeline.own_function import model

        return model.saved(self.plan.own.code, self.plan.config, known)

    def _write_graphs(
        self,
        stats: Mapping[str, Any],
        splits: Splits,
        samples: Sequence[SkewSample],
        own: "Saved | None",
    ) -> tuple[str, Inventory]:
        """Writes the models; returns how serving differs from records, or "", too."""
        config, class_map = self.plan.config, self.options.class_map
        progress.TALLY.phase = progress.GRAPH
        constants = record_columns.constants_of(stats, config)
        written: Inventory = {}
        module = None
        if own is not None:
            module, name = own.module, dataset_files.PREPROCESSING
            files.write_all(files.join(self._staged, name), own.contents)
            written |= inventory.of_contents(own.contents, name)
        with uncollected():  # tracing makes many objects, which are all in use
            train = statistics.training_summary(config, splits)
            written |= transform_graph.write(
                self._staged, config, class_map, train, module
            )
            transform, of_model = serving_model.write(
                self._staged,
                config,
                class_map,
                constants,
                self.plan.record_keys,
                module,
            )
        progress.TALLY.phase = progress.CHECKING
        functions = {} if module is None else own_columns.functions_of(module, config)
        check = skew.SkewCheck(transform, config, constants, functions)
        difference = serving_model.first_difference(check, samples)
        reason = f"serving and records differ: {difference}" if difference else ""
        return reason, written | of_model

    def _of_rejections(self, names: Iterable[str]) -> Inventory:
        return {name: inventory.of_file(self._where(name)) for name in names}

    def _where(self, name: str) -> str:
        """Returns where a file is: an attempt that was cut off may have moved it."""
        assert self.options.output is not None
        staged = files.join(self._staged, *name.split("/"))
        final = files.join(self.options.output, *name.split("/"))
        return staged if files.exists(staged) else final

    def _write_verdict(
        self, reason: str, rejections: Rejected, written: int, names: Sequence[str]
    ) -> None:
        verdict = {
            **_origin(self.command),
            "name": self.options.name,
            "reason": reason,
            "rejected": rejections.rows,
            "rejections": rejections.by_stage,
            "records": written,
        }
        contents = self._report(verdict, names)
        contents[dataset_files.REFUSED] = files.json_bytes(verdict)
        files.write_all(self._staged, contents)
        if self._is_ours():
            self._move([*names, *contents])

    def _report(
        self,
        about: Mapping[str, Any],
        rejected_files: Iterable[str],
        stats: dict[str, Any] | None = None,
        choices: Sequence[Choice] = (),
    ) -> dict[str, bytes]:
        """Makes the report, by its name; it may fail, and the run does not."""
        if self.options.no_report:
            return {}
        config = None if stats is None else self.plan.config
        try:
            reasons = add_up([self._where(name) for name in rejected_files])
            made = Made(about, stats, self.options.class_map, reasons)
            with uncollected():  # a template makes many objects, too
                page = of_run.make(made, self.options, choices, config)
        except Exception as error:  # of drawing, or a store
            if stats is not None:
                why = repeating.without_secrets(in_words(error))
                stats["warnings"].append(findings.no_report(why))
            return {}
        return {dataset_files.REPORT: page}

    def _write_dataset(
        self,
        stats: dict[str, Any],
        splits: Splits,
        rejected: int,
        written: Inventory,
        profiles: Mapping[str, Profile],
    ) -> None:
        info = make_dataset_info(self.options.name, splits)
        manifest = make_manifest(
            self.options, self.plan, splits, rejected, self.command
        )
        rejected_files = [
            name for name in written if dataset_files.is_rejected_file(name)
        ]
        choices = statistics.choices(stats, self.options, profiles)
        stats["pictures"] = statistics.of_choices(choices, splits)
        report = self._report(manifest, rejected_files, stats, choices)
        contents = {
            **report,
            dataset_files.CLASSES: class_files.to_yaml(self.options.class_map).encode(),
            dataset_files.STATS: files.json_bytes(stats),
            dataset_files.FEATURES: files.json_bytes(make_features(self.plan.config)),
            dataset_files.DATASET_INFO: files.json_bytes(info),
        }
        for name, content in contents.items():
            files.write(files.join(self._staged, name), content)
        written |= {name: inventory.of_bytes(data) for name, data in contents.items()}
        written |= {
            shard.path: inventory.entry(shard.bytes, shard.sha256)
            for shards in splits.values()
            for shard in shards
        }
        files.write_json(
            files.join(self._staged, dataset_files.MANIFEST),
            inventory.seal(manifest, written),
        )
        if not self._is_ours():
            return
        # The manifest promises all the rest, so that is on the disk before it.
        self._move(written)
        with stopping.whole():
            if self._is_ours():
                self._move([dataset_files.MANIFEST])
                self._clean_up()

    def _move(self, names: Iterable[str]) -> None:
        """Moves files to where they are looked for."""
        assert self.options.output is not None
        files.move_all(self._staged, self.options.output, names)

    def _is_ours(self) -> bool:
        """Checks whether no other run has taken the output meanwhile."""
        assert self.options.output is not None
        return holding.holds(self.options.output, self.temporary)

    def _was_published(self) -> bool:
        assert self.options.output is not None
        # Whatever manifest was there before the run was removed when it began.
        return files.exists(files.join(self.options.output, dataset_files.MANIFEST))

    def _clean_up(self) -> None:
        assert self.options.output is not None
        # The dataset is there: what cannot be removed is left for `--overwrite`.
        with contextlib.suppress(OSError):
            files.remove(self.temporary)
        with contextlib.suppress(OSError):
            if self._is_ours():
                files.remove(files.join(self.options.output, dataset_files.UNFINISHED))


def make_manifest(
    options: Options, plan: Plan, splits: Splits, rejected: int, command: str = ""
) -> dict[str, Any]:
    """Makes the content of `manifest.json`."""
    return {
        "format": dataset_files.FORMAT,
        **_origin(command),
        "options": _options(options) | dataclasses.asdict(plan.config),
        "rejected": rejected,
        "splits": {
            split: {
                "records": sum(shard.records for shard in shards),
                "shards": [
                    {
                        "file": shard.path,
                        "records": shard.records,
                        "bytes": shard.bytes,
                        "sha256": shard.sha256,
                    }
                    for shard in shards
                ],
            }
            for split, shards in splits.items()
        },
    }


def _options(options: Options) -> dict[str, Any]:
    """The options, whose patterns may have had secrets."""
    tree = options.to_json()
    for name in ("label_maps", "images", "images_only", "split_list"):
        for source in tree[name]:
            for part in ("pattern", "base"):
                source[part] = repeating.without_secrets(source[part])
    return tree


def _origin(command: str) -> dict[str, Any]:
    """What made a dataset, or refused to, and when."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "made": f"{now:%Y-%m-%d %H:%M} UTC",
        "command": command,
    }

"""As many names as a large dataset has: planned without a row being read."""

import json
import subprocess
import sys

import pytest

from maskbeam.pipeline import elements
from maskbeam.pipeline.dataset import publish, statistics
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan, SplitPlan
from maskbeam.pipeline.values import Source
from maskbeam.transforms import classes, summaries

_ROWS = 300_000


@pytest.mark.engines
@pytest.mark.timeout(1800)
def test_many_names():
    """Label maps and as many images; `tests.many_names` takes any number."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.many_names", str(_ROWS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["rows"] == _ROWS
    assert found["each_once"]
    assert found["most_rows"] == found["rows_per_unit"]
    # Neither a bundle for each file, nor few for many workers.
    assert found["units"] == pytest.approx(found["planned_units"], rel=0.01)
    assert found["units"] > 100 * found["shards"]
    # The local runner holds what others shuffle: packed names, and nothing else.
    assert found["peak_mb"] < 1000 * _ROWS / 1e6 + 1000


def test_the_manifest_of_fifty_thousand_shards_is_small():
    """About a hundred million masks of 1024 x 1024."""
    count = 50_000
    options = Options(
        label_maps=(Source("train", "/d/*.png"),),
        class_map=classes.numbered(150),
        name="huge",
    )
    split = SplitPlan(10**8, (), 0, (), count, 16, ((1024, 1024),), 6 * 10**12, None)
    config = options.config(with_images=True)
    plan = Plan(config, options.record_keys, {"train": split})
    summary = summaries.zero(150, True)
    pieces = [
        elements.WrittenRecords(
            (n,), name, 2000, 1 << 27, {(1024, 1024): 2000}, summary, sha256="0" * 64
        )
        for n, name in enumerate(plan.shard_names("huge"))
    ]
    manifest = publish.make_manifest(options, plan, {"train": pieces}, 0)
    assert manifest["splits"]["train"]["records"] == 10**8
    assert len(json.dumps(manifest)) < 10_000_000
    stats = statistics.make_stats(options, plan, {"train": pieces}, {}, {}, {})
    assert stats["splits"]["train"]["sizes"] == [[1024, 1024, 10**8]]
    assert len(json.dumps(stats)) < 300_000

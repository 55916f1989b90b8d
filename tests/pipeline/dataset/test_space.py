"""The free space is looked at before anything is written."""

import shutil
from types import SimpleNamespace

import pytest

from maskbeam.pipeline.dataset import space
from maskbeam.pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("free", "overwrite", "said"),
    [
        (2000, False, ""),
        (1999, False, "may not do"),
        (1000, False, "may not do"),
        (999, False, None),
        (999, True, "may not do"),
    ],
)
def test_too_little_is_said_and_far_too_little_refused(
    free, overwrite, said, tmp_path, monkeypatch
):
    asked: list[str] = []

    def disk_usage(path):
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    output = str(tmp_path / "not" / "there")
    if said is None:
        with pytest.raises(UsageError, match="0 MB are free"):
            space.check_space(output, 1000, overwrite=overwrite)
    else:
        found = space.check_space(output, 1000, overwrite=overwrite)
        assert said in found
        assert bool(said) == bool(found)
    assert asked == [str(tmp_path)]


def test_a_store_has_space():
    assert space.check_space("gs://bucket/x", 10**18, overwrite=False) == ""

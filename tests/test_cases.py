"""Public cases as people have them: the right pixels, or what a newcomer is told."""

import pytest

from tests import cases
from tests.cases_table import CASES


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name) for case in CASES],
)
def test_a_public_case_gives_what_is_right(case, public_cases, tmp_path):
    outcome = cases.run(case, public_cases, tmp_path / "out")
    assert not cases.fault(case, public_cases, outcome)


def test_no_folder_is_forgotten(public_cases):
    assert len({case.name for case in CASES}) == len(CASES)
    folders = {path.name for path in public_cases.iterdir() if path.is_dir()}
    assert folders == {case.folder for case in CASES}

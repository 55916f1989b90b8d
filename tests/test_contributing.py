"""CONTRIBUTING.md is short, and names what is there."""

import pathlib
import re

_ROOT = pathlib.Path(__file__).parent.parent
_TEXT = (_ROOT / "CONTRIBUTING.md").read_text("utf-8")
_MOST_WORDS = 600
_MADE = {"rejected/", ".venv/bin/activate"}  # by maskbeam, and by setup_venv.sh


def test_it_is_short():
    assert 0 < len(_TEXT.split()) <= _MOST_WORDS


def test_what_it_names_is_there():
    links = re.findall(r"\]\(([^)#]+)", _TEXT)
    code = " ".join(re.findall(r"`([^`]+)`", re.sub("```(sh)?", "`", _TEXT)))
    paths = re.findall(r"[\w.*/]+/[\w.*/]*|\w+\.(?:py|md|sh)\b", code)
    assert links
    assert {"tests/fuzz/targets.py", "setup.py", "tests/"} <= set(paths)
    # A script's name may stand without its folder.
    places = (_ROOT, _ROOT / "launch_scripts")
    missing = [
        path
        for path in (*links, *paths)
        if path not in _MADE and not any(list(at.glob(path)) for at in places)
    ]
    assert not missing


def test_it_says_how_each_generated_file_is_made():
    scripts = {path.name for path in _ROOT.glob("launch_scripts/**/make_*.py")}
    assert len(scripts) > 3
    named = set(re.findall(r"make_\w+\.py", _TEXT))
    assert named == scripts - {"make_sample.py"}  # it draws what nobody keeps

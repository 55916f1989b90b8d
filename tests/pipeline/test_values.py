"""Kinds of values: whatever is given is read, or refused in a short line."""

import contextlib
import dataclasses
import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline import arguments, options, values
from maskbeam.pipeline.errors import UsageError, one_line
from maskbeam.pipeline.values import Source

_DIGITS = st.integers(1, 6000).map(lambda count: "9" * count)
_TEXTS = st.one_of(
    st.text(st.characters()),  # also lone surrogates
    _DIGITS,
    st.sampled_from(
        ["nan", "inf", "-0", "-0.0", "", "\0", "1e999", "0x", "x", "=", ","]
    ),
    st.from_regex(r"\A[a-z=,x0-9.*?\[\]()+/{}\\-]{0,40}\Z"),
    st.text("ab=,0.5", max_size=400),
)
_NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**5000, -(10**5000), 2**63, -1])
)
_PLAIN = st.one_of(_TEXTS, _NUMBERS, st.none(), st.booleans(), st.binary())
_ANY = st.one_of(
    _PLAIN,
    st.lists(_PLAIN, max_size=4),
    st.tuples(_PLAIN, _PLAIN),
    st.dictionaries(_TEXTS, _PLAIN, max_size=3),
    st.lists(st.dictionaries(_TEXTS, _PLAIN, max_size=3), max_size=2),
)
_KINDS = {name: option.value for name, option in arguments.declared().items()}


@pytest.mark.parametrize("name", _KINDS)
@given(value=_ANY)
@settings(max_examples=60, deadline=None)
def test_any_value_is_read_or_refused_in_a_short_line(name, value):
    refused = ""
    try:
        _KINDS[name].read(value)
    except ValueError as error:
        refused = str(error) or "without a word"
    assert refused != "without a word"
    assert len(refused) < 500


@given(
    st.dictionaries(
        st.sampled_from(sorted(arguments.declared())),
        _ANY,
        max_size=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_options_are_made_or_refused(wanted):
    usual = {"label_maps": "/nowhere/*.png"}
    if "num_classes" not in wanted:
        usual["classes"] = "camvid11"
    with contextlib.suppress(UsageError):
        made = arguments.from_given(usual | wanted)
        assert made == dataclasses.replace(made)  # to read it again changes nothing


@given(_TEXTS)
def test_a_message_is_one_short_line(text):
    line = one_line(UsageError(text))
    assert line.isprintable()
    assert len(line) < 1100
    if text.isprintable() and len(text) < 1000:
        assert line == text


def test_what_is_shown_is_short():
    for value in (10**5000, [10**5000], "9" * 5000, {"a": "9" * 500}, [["9" * 500]]):
        assert 0 < len(values.shown(value)) < 200
    assert values.shown("a\nb") == repr("a\nb")


def test_numbers_have_bounds():
    seed = options.declared(options.Options)["seed"].value
    assert seed.read(2**63 - 1) == 2**63 - 1
    assert seed.read(str(-(2**63))) == -(2**63)
    for value in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match="must be"):
            seed.read(value)
    assert str(values.share().read("-0")) == "0.0"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Directories whose names are like globs, and the process in them."""
    monkeypatch.chdir(tmp_path)
    for name in ("data[1]/a", "data1", "x[2]", "my-year=20", "year=21", "sp ace"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0.png").touch()
        (tmp_path / name / "m[1].png").touch()
    return tmp_path


def _read(*texts):
    return values.SOURCES.read(list(texts))


@pytest.mark.parametrize(
    ("text", "pattern", "fixed"),
    [
        ("data[1]/*.png", "data[[]1]/*.png", "data[1]/"),
        ("data[1]/a/*.png", "data[[]1]/a/*.png", "data[1]/a/"),
        ("data[1]/*/m[1].png", "data[[]1]/*/m[1].png", "data[1]/"),
        ("data[12]/*.png", "data[12]/*.png", "data"),
        ("data[1]/a/m[1].png", "data[[]1]/a/m[[]1].png", "data[1]/a/m[1].png"),
        ("data[[]1]/*.png", "data[[]1]/*.png", "data[1]/"),
        ("data[[]1]/a/m[1].png", "data[[]1]/a/m[[]1].png", "data[1]/a/m[1].png"),
        ("data[1/*.png", "data[1/*.png", "data"),
    ],
)
def test_a_directory_that_is_there_is_no_wildcard(text, pattern, fixed, tree):
    (source,) = _read(text)
    assert source == Source("train", f"{tree}/{pattern}")
    assert values.fixed_part(source.pattern) == f"{tree}/{fixed}"
    assert _read(source) == (source,)
    assert _read(dataclasses.asdict(source)) == (source,)


def test_what_is_in_a_store_stays_a_glob(tree):
    (source,) = _read("val=gs://bucket/data[1]/*.png")
    assert source == Source("val", "gs://bucket/data[1]/*.png")


def test_files_named_one_by_one_share_a_base(tmp_path):
    names = ("a/0.png", "b/0.png", "b/c/0.png")
    found = _read(*(f"{tmp_path}/{name}" for name in names), f"{tmp_path}/q/*.png")
    assert [source.base for source in found] == [*[str(tmp_path)] * 3, ""]
    assert _read(*found) == found
    assert _read(*found[:1]) == found[:1]
    assert _read(f"{tmp_path}/a/0.png")[0].base == ""
    by_split = _read(*(f"{n[0]}_={tmp_path}/{n}" for n in names))
    assert [source.base for source in by_split] == ["", *[f"{tmp_path}/b"] * 2]
    assert _read("/a/0.png", "/b/0.png")[0].base == "/"
    stores = _read("gs://x/a/0.png", "gs://x/b/0.png")
    assert stores[0].base == "gs://x"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("val=x/*.png", ("val", "x/*.png")),
        ("x/a=b/*.png", ("", "x/a=b/*.png")),
        ("my-year=20/*.png", ("", "my-year=20/*.png")),
        ("my-year=*/*.png", ("", "my-year=*/*.png")),
        ("year=21/*.png", ("year", "21/*.png")),
        ("./year=21/*.png", ("", "./year=21/*.png")),
        ("gs://b/a-b=c/*.png", ("", "gs://b/a-b=c/*.png")),
        ("a_1=gs://b/*.png", ("a_1", "gs://b/*.png")),
    ],
)
def test_splits_and_paths_with_an_equals_sign(text, found, tree):
    assert values.split_and_pattern(text) == found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("train-extra=x/*.png", "as train_extra=GLOB"),
        ("train extra=x/*.png", "as train_extra=GLOB"),
        ("träin=x/*.png", "as tr_in=GLOB"),
        (f"{65 * 'a'}=x", f"as {64 * 'a'}=GLOB"),
        ("=x/*.png", "as val=GLOB"),
        ("my-year=22/*.png", "as my_year=GLOB"),
        ("val=", "names a split but no files"),
        ("", "'' names no file"),
    ],
)
def test_what_is_no_split(text, word, tree):
    with pytest.raises(ValueError, match=word):
        values.split_and_pattern(text)


def test_paths_may_be_paths(tmp_path):
    given = {"val": [pathlib.Path(tmp_path, "a.png"), "b.png"]}
    assert values.SOURCES.read(given) == (
        Source("val", f"{tmp_path}/a.png", "/".join(_shared(tmp_path, os.getcwd()))),
        Source("val", f"{os.getcwd()}/b.png", "/".join(_shared(tmp_path, os.getcwd()))),
    )


def _shared(*paths):
    return os.path.commonpath([str(path) for path in paths]).split("/")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("imagenet", "imagenet"),
        ("mean=.5,.5,.5:std=1,1,1", "mean=.5,.5,.5:std=1,1,1"),
        (
            {"mean": (0.1, 0.2, 0.3), "std": [1, 0.5, 1e-3]},
            "mean=0.1,0.2,0.3:std=1,0.5,0.001",
        ),
    ],
)
def test_normalisations(given, read):
    assert values.NORMALIZATION.read(given) == read


@pytest.mark.parametrize(
    "given",
    [{"mean": (0.1, 0.2, 0.3)}, {"mean": 0.1, "std": 0.1}, "ImageNet", ("unit",), None],
)
def test_what_is_no_normalisation_is_said(given):
    with pytest.raises(ValueError, match=r"must be one of unit, |must be text, or"):
        values.NORMALIZATION.read(given)

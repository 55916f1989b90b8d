"""Sources that miss: what the message says, and files that `--exclude` leaves out."""

import pathlib

import pytest

from maskbeam.pipeline import arguments, values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.planning import listing
from maskbeam.pipeline.planning.counting import count_names
from maskbeam.pipeline.values import Source
from tests import data_generation as data

LABEL = data.png(data.filled((4, 4), 1))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder as people have it; the process is in it."""
    monkeypatch.chdir(tmp_path)
    names = ["masks/0.png", "masks/1.PNG", "masks/2.png", "masks/readme.txt"]
    names += ["masks/Thumbs.db", "cities/a/0.png", "cities/b/0.png", "empty/x.md"]
    names += ["mixed/0.png", "mixed/0_mask.png", "mixed/old/1.png", "mixed/.hidden"]
    names += ["mixed/old/deep/2.png", "set[1]/0.png", "set1/9.png", "a,b/0.png"]
    data.write_tree(tmp_path, dict.fromkeys(names, LABEL))
    return tmp_path


def _count(*label_maps, **more):
    made = arguments.from_given(
        {"label_maps": list(label_maps), "num_classes": 3, **more}
    )
    return made, count_names(made)


MISSES = {
    "masks/": "it is a directory, so write '{0}/masks/*.[pP][nN][gG]'",
    "cities": "it is a directory, so write '{0}/cities/**/*.png'",
    "cities/*": "it matches directories, so write '{0}/cities/*/*.png'",
    "masks/*.jpg": "there is '{0}/masks/*.[pP][nN][gG]'",
    "cities/a/*.png,cities/b/*.png": "separate arguments, and not joined by commas",
    "set[0]*/*.png": "for the character itself write [[]",
    "set[0/*.png": "for the character itself write [[]",
    "empty/*.png": "quote the glob",
    "empty": "quote the glob",
    "nowhere/*.png": "quote the glob",
}


@pytest.mark.parametrize("glob", MISSES)
def test_what_misses_says_what_was_meant(glob, here):
    with pytest.raises(UsageError) as raised:
        _count(glob)
    message = str(raised.value)
    assert "matches no file (split 'train'): " in message
    assert MISSES[glob].format(here) in message
    assert "\n" not in message


def test_what_is_proposed_works(here):
    for name, proposed in (
        ("masks/", "masks/*.[pP][nN][gG]"),
        ("cities", "cities/**/*.png"),
        ("cities/*", "cities/*/*.png"),
    ):
        with pytest.raises(UsageError, match="so write"):
            _count(name)
        _, counts = _count(proposed)
        (found,) = counts.label_maps.values()
        assert found.count == {"masks/": 3, "cities": 2, "cities/*": 2}[name]


@pytest.mark.parametrize("is_opened", [False, True])
def test_files_of_other_kinds_are_named_together(here, is_opened):
    given = ["masks/*"]
    if is_opened:
        given = [str(path) for path in sorted(here.glob("masks/*"))]
    with pytest.raises(UsageError) as raised:
        _count(*given)
    message = str(raised.value)
    assert "'readme.txt'" in message
    assert "'Thumbs.db'" in message
    _, _, offered = message.partition("leave them out by --exclude ")
    assert set(offered.split()) == {"'*.db'", "'*.txt'"}
    _, counts = _count(*given, exclude=[glob.strip("'") for glob in offered.split()])
    assert sum(found.count for found in counts.label_maps.values()) == 3
    assert counts.notes == ("--exclude leaves out 2 files",)


def test_a_list_is_named_by_itself(here):
    (here / "list.txt").write_text("masks/0.png\n")
    for glob in ("list.txt", "l*.txt"):
        _, counts = _count(glob)
        assert counts.named_rows["train"].count == 1
    with pytest.raises(UsageError, match="where it is named by itself"):
        _count("list.*")
    data.write_tree(here, {"beside.png": LABEL})
    with pytest.raises(UsageError, match="quote globs"):
        _count("list.txt", "beside.png")
    _, counts = _count("list.txt", "masks/2.png")
    assert counts.named_rows["train"].count == 2


@pytest.mark.parametrize(
    ("pattern", "exclude", "left"),
    [
        ("mixed/**", [], ["0", "0_mask", "old/1", "old/deep/2"]),
        ("mixed/**", ["*_mask.png"], ["0", "old/1", "old/deep/2"]),
        ("mixed/**", ["old"], ["0", "0_mask"]),
        ("mixed/**", ["old/*"], ["0", "0_mask"]),
        ("mixed/**", ["old/*.png"], ["0", "0_mask", "old/deep/2"]),
        ("mixed/**", ["deep", "0_*"], ["0", "old/1"]),
        ("mixed/**", ["mixed/0.png"], ["0_mask", "old/1", "old/deep/2"]),
        ("mixed/**", ["./mixed/old"], ["0", "0_mask"]),
        # A directory above the fixed one is no reason.
        ("mixed/**", ["mixed"], ["0", "0_mask", "old/1", "old/deep/2"]),
        ("mixed/**", ["*.PNG"], ["0", "0_mask", "old/1", "old/deep/2"]),
        # It was named by its own name.
        ("mixed/*_mask.png", ["*_mask.png"], ["0_mask"]),
        ("mixed/*mask.png", ["0_*", "*mask.png"], []),
    ],
)
def test_exclude_by_the_last_parts_of_a_path(pattern, exclude, left, here):
    """The survey, the pipeline's listing and `verify` see the same files."""
    (source,) = values.SOURCES.read(pattern)
    made = arguments.from_given(
        {"label_maps": source, "num_classes": 3, "exclude": exclude}
    )
    keys = sorted(key for key, _ in listing.listed((source, "label_maps"), made))
    assert keys == left
    if not left:
        with pytest.raises(UsageError, match="leaves out all files"):
            count_names(made)
        return
    counts = count_names(made)
    assert counts.named_rows["train"].count == len(left)
    assert sum(c.count for c in counts.label_maps.values()) == len(left)
    kept = {entry.path for _, entry in counts.named_rows["train"].lowest()}
    assert kept == {f"{here}/mixed/{key}.png" for key in left}


def test_exclude_in_a_store():
    source = Source("train", "gs://bucket/d/**.png")
    made = arguments.from_given(
        {"label_maps": source, "num_classes": 3, "exclude": ["*_mask.png", "old"]}
    )

    def is_left_out(path):
        return bool(listing.left_out_by(path, source, "images", made))

    assert is_left_out("gs://bucket/d/x_mask.png")
    assert is_left_out("gs://bucket/d/old/x.png")
    assert not is_left_out("gs://bucket/d/x.png")
    assert not listing.left_out_by("gs://b/x_mask.png", source, "split_list", made)


def test_exclude_that_leaves_nothing_out_is_said(here):
    _, counts = _count("masks/*", exclude=["*.txt", "*.db", "*.tmp"])
    assert counts.notes[0] == "--exclude '*.tmp' leaves out no file"
    assert len(counts.notes) == 2


def test_directories_that_look_like_globs_have_keys_of_their_own(here):
    made, counts = _count("set[1]/*.png")
    (source,) = made.label_maps
    assert [key for key, _ in listing.listed((source, "label_maps"), made)] == ["0"]
    assert counts.named_rows["train"].count == 1


def test_files_that_a_shell_has_listed_have_keys_of_their_own(here):
    """They are those that the glob would have given."""
    opened = [str(path) for path in sorted(pathlib.Path().glob("cities/*/*.png"))]
    by_glob, by_shell = (
        {
            key: entry.path
            for source in made.label_maps
            for key, entry in listing.listed((source, "label_maps"), made)
        }
        for made, _ in (_count("cities/*/*.png"), _count(*opened))
    )
    assert by_shell == by_glob
    assert sorted(by_glob) == ["a/0", "b/0"]


@pytest.mark.parametrize(
    ("label_maps", "more", "word"),
    [
        (["cities/a/*.png", "masks/*.png"], {}, "both places are split 'train'"),
        (["cities/a/0.png", "cities/b/0.png"], {}, "both places are split 'train'"),
        (["a.txt", "b.txt", "c.txt"], {}, "all 3 places are split 'train'"),
        (["masks/0.png", "masks/2.png", "masks/x.txt"], {}, ""),
        (["masks/*.png", "val=cities/*/*.png"], {}, ""),
        (["train=masks/*.png", "train=cities/*/*.png"], {}, ""),
        (["masks/*.png"], {}, ""),
        (["masks/*.png", "cities/*/*"], {"split_by": "a=0.5,b=0.5"}, ""),
    ],
)
def test_a_split_that_nobody_named_is_said(label_maps, more, word, here):
    made = arguments.from_given({"label_maps": label_maps, "num_classes": 3, **more})
    assert len(made.notes) == bool(word)
    assert word in "".join(made.notes)

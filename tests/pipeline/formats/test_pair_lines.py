"""Lists of pairs as people and their tools write them."""

import csv
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import lists, pair_lines
from tests import data_generation as data

PATHS = st.text("ab #,;\"'é.=", min_size=1, max_size=8).map(
    lambda stem: f"d/{stem}x.png"
)


def _read(text, name="list.txt"):
    lines = (line.strip() for line in text.splitlines() if line.strip())
    return [(pair.image, pair.label) for pair in pair_lines.pairs(name, lines)]


@given(
    st.lists(st.tuples(PATHS, PATHS), min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_what_csv_writes_is_read(pairs, separator, end, label_first, more):
    """Under names of columns, whatever their order and whatever is between them."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator=end)
    columns = ["mask", "image"] if label_first else ["image_path", "Label Path"]
    writer.writerow([columns[0], "size", columns[1]] if more else columns)
    for image, label in pairs:
        row = [label, image] if label_first else [image, label]
        writer.writerow([row[0], 7, row[1]] if more else row)
    assert _read(written.getvalue(), "x.csv") == pairs
    assert _read(written.getvalue(), "x.txt") == pairs


@given(
    st.lists(st.tuples(PATHS, PATHS), min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_what_is_quoted_is_read_without_names_of_columns(pairs, separator):
    written = io.StringIO()
    csv.writer(
        written, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n"
    ).writerows(pairs)
    assert _read(written.getvalue()) == pairs


@given(st.lists(st.tuples(PATHS, PATHS), min_size=1, max_size=4))
def test_a_tab_lets_paths_have_what_they_will(pairs):
    assume(not any('"' in path for pair in pairs for path in pair))
    assert _read("".join(f"{image}\t{label}\n" for image, label in pairs)) == pairs


@given(st.text("ab/.,; \t\"'#\\\n-é0", max_size=60))
def test_any_text_is_pairs_or_refused_in_one_line(text):
    for name in ("x.txt", "x.csv"):
        said = ""
        try:
            for image, label in _read(text, name):
                assert label
                assert image is None or image
        except UsageError as error:
            said = str(error)
        assert "\n" not in said
        assert not said or name in said


ONE = [("i/a.jpg", "l/a.png")]
READ = {
    "blanks": ("i/a.jpg  l/a.png", ONE),
    "comma": ("i/a.jpg,l/a.png", ONE),
    "comma and blank": ("i/a.jpg, l/a.png", ONE),
    "comma at the end": ("i/a.jpg,l/a.png,", ONE),
    "semicolon": ("i/a.jpg;l/a.png", ONE),
    "two tabs": ("i/a.jpg\t\tl/a.png", ONE),
    "quotes": ('"i/a.jpg" "l/a.png"', ONE),
    "some quotes": ('i/a.jpg,"l/a.png"', ONE),
    "label map first": ("l/a.png i/a.jpg", ONE),
    "label map first later": ("l/b.npy i/b.png\nl/a.png i/a.jpg", None),
    "comment": ("# image label_map\ni/a.jpg l/a.png", ONE),
    "comment later": ("i/a.jpg l/a.png\n#\n# the end", ONE),
    "names": ("image mask\ni/a.jpg l/a.png", ONE),
    "names in turn": ("mask,image\nl/a.png,i/a.jpg", ONE),
    "names of JPEGs in turn": ("mask,image\ni/a.jpg,l/a.png", [("l/a.png", "i/a.jpg")]),
    "names and more": ("id;Image Path;w;mask_path\n1;i/a.jpg;9;l/a.png", ONE),
    "names after a comment": ("# mine\nimage,mask\ni/a.jpg,l/a.png", ONE),
    "blanks in two paths": (
        "i x/a 1.jpg l x/a 1.png",
        [("i x/a 1.jpg", "l x/a 1.png")],
    ),
    "blanks in one path": ("l x/a 1 2.png", [(None, "l x/a 1 2.png")]),
    "blank in one name": ("a 1.png", [(None, "a 1.png")]),
    "a comma in a name": ("l/a,b.png", [(None, "l/a,b.png")]),
    "a comma in two names": ("i/a,b.png l/a,b.png", [("i/a,b.png", "l/a,b.png")]),
    "a # in a name": ("#i/a.jpg #l/a.png", [("#i/a.jpg", "#l/a.png")]),
    "PNG both": ("l/a.png i/a.png", [("l/a.png", "i/a.png")]),  # nobody can know
    "one path": ("l/a.png", [(None, "l/a.png")]),
    "nothing": ("", []),
}


@pytest.mark.parametrize("kind", READ)
def test_what_people_write_is_read(kind):
    text, expected = READ[kind]
    if expected is None:  # what told nothing was taken as the rule has it
        expected = [("l/b.npy", "i/b.png"), *ONE]
    assert _read(text) == expected


REFUSED = {
    "three": ("a.png b.png c.png", "entry 1 has 3 paths"),
    "in turns": ("a.jpg a.png\nb.png b.jpg", "entry 2 has its JPEG last"),
    "one lacks": ("a.jpg,a.png\n,b.png", "entry 2, ',b.png', lacks a path"),
    "one lacks in a column": ("image,mask\na.jpg,", "entry 2, .*lacks a path"),
    "a short line": ("id,image,mask\n1,a.jpg", "entry 2 has 2 fields, and the first"),
    "open quotes": ('"a.png b.png', "entry 1.* quotes cannot be read"),
    "a split": ("image,mask,split\na.jpg,a.png,val", "write a list for each"),
    "two masks": ("image,mask,label\na,b,c", "several of which is of the label map"),
    "no mask": ("image,size\na.jpg,5", "none of which is of the label map"),
    "run lengths": ("ImageId,EncodedPixels\na.png,5 3", "run lengths, which are not"),
    "address": ("http://x/a.png", "files are not downloaded"),
    "backslash": ("i\\a.jpg l\\a.png", "write paths with /"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_pair_is_told_by_its_line(kind):
    text, words = REFUSED[kind]
    with pytest.raises(UsageError, match=f"list.txt: .*{words}"):
        _read(text)


def test_where_label_maps_may_be_jpeg_the_image_is_first():
    lines = ["a.png a.jpg", "b.jpg b.png"]
    found = pair_lines.pairs("list.txt", lines, jpeg_label_maps=True)
    assert [pair.label for pair in found] == ["a.jpg", "b.png"]


def test_columns_of_a_csv_that_nobody_knows_are_named():
    with pytest.raises(UsageError, match="columns before, after, none of which"):
        _read("before,after\na.jpg,a.png", "x.csv")
    assert _read("before after\n") == [("before", "after")]


def test_paths_are_found_above_the_list(tmp_path):
    data.write_tree(tmp_path, {"d/i/a.jpg": b"", "d/l/a.png": b"", "d/s/t/x.csv": b""})
    path = tmp_path / "d/s/t/x.csv"
    path.write_text("image,mask\ni/a.jpg,l/a.png\n")
    ((key, image, label),) = lists.pairs(str(path))
    assert (key, image, label) == (
        "l/a",
        f"{tmp_path}/d/i/a.jpg",
        f"{tmp_path}/d/l/a.png",
    )
    data.write_tree(tmp_path, {"d/s/t/a.png": b""})  # nearer
    ((_, _, label),) = lists.pairs(str(path))
    assert label == f"{tmp_path}/d/s/t/a.png"

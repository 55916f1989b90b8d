import pytest

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import lists
from tests import data_generation as data


def test_keys_are_lines_without_extension_and_suffix(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbf2007_000032\r\n\r\n  a/b_L.png \nv1.2\nc.JPG\n")
    assert list(lists.keys(str(path), "_L")) == ["2007_000032", "a/b", "v1.2", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Abyssinian_100 1 1 1\nbeagle_2\t5 2 -1\n", ["Abyssinian_100", "beagle_2"]),
        ("a 1 2 3\nb\n", ["a 1 2 3", "b"]),
        ("frame 1\nframe 2 3\n", ["frame 1", "frame 2 3"]),
        ("", []),
    ],
)
def test_numbers_behind_all_keys_are_none_of_them(text, expected, tmp_path):
    (tmp_path / "train.txt").write_text(text)
    assert list(lists.keys(str(tmp_path / "train.txt"), "")) == expected


PAIRS = "train/a.png trainannot/a.png\n\n train/b.png\ttrainannot/b.png \n"


@pytest.mark.parametrize("before", ["", "/SegNet/CamVid/", "CamVid/", "../CamVid/"])
def test_pairs_are_found_wherever_the_list_was_made(before, tmp_path):
    root = tmp_path / "CamVid"
    data.write_tree(
        root, {f"{d}/{n}.png": b"" for d in ("train", "trainannot") for n in "ab"}
    )
    listed = PAIRS.replace("train/", f"{before}train/").replace(
        "trainannot/", f"{before}trainannot/"
    )
    (root / "train.txt").write_text(listed)
    found = list(lists.pairs(str(root / "train.txt")))
    assert [key for key, _, _ in found] == [
        f"{before}trainannot/{n}".lstrip("/") for n in "ab"
    ]
    for (_, image, label), name in zip(found, "ab", strict=True):
        assert (root / "train" / f"{name}.png").samefile(image)
        assert (root / "trainannot" / f"{name}.png").samefile(label)


def test_absolute_paths_stay(tmp_path):
    data.write_tree(tmp_path, {"far/a.png": b"", "lists/train.txt": b""})
    path = tmp_path / "lists" / "train.txt"
    path.write_text(f"{tmp_path}/far/a.png\n")
    ((key, image, label),) = lists.pairs(str(path))
    assert (image, label) == (None, f"{tmp_path}/far/a.png")
    assert key == f"{tmp_path}/far/a"[1:]


def test_paths_that_are_nowhere_are_left_below_the_list(tmp_path):
    (tmp_path / "train.txt").write_text("i/a.png l/a.png\n")
    ((_, image, label),) = lists.pairs(str(tmp_path / "train.txt"))
    assert (image, label) == (f"{tmp_path}/i/a.png", f"{tmp_path}/l/a.png")


def test_a_line_of_three_paths_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("a.png b.png\nmy photos/a.png b.png c.png\n")
    with pytest.raises(UsageError, match=r"train\.txt: entry 2 has 4 paths"):
        list(lists.pairs(str(tmp_path / "train.txt")))


def test_a_tab_lets_paths_have_spaces(tmp_path):
    (tmp_path / "train.txt").write_text("my photos/a 1.jpg\tmy maps/a 1.png\n")
    ((key, image, label),) = lists.pairs(str(tmp_path / "train.txt"))
    assert key == "my maps/a 1"
    assert image == f"{tmp_path}/my photos/a 1.jpg"
    assert label == f"{tmp_path}/my maps/a 1.png"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("https://x.org/a.jpg https://x.org/a.png", "files are not downloaded"),
        ("i\\a.jpg l\\a.png", "write paths with /"),
    ],
)
def test_a_line_that_is_no_pair_is_told_the_way_out(line, words, tmp_path):
    (tmp_path / "train.txt").write_text(f"i/z.jpg l/z.png\n{line}\n")
    with pytest.raises(UsageError, match=f"entry 2.*{words}"):
        list(lists.pairs(str(tmp_path / "train.txt")))


def test_a_name_may_have_a_comma(tmp_path):
    (tmp_path / "train.txt").write_text("l/a,b.png\n")
    ((key, image, label),) = lists.pairs(str(tmp_path / "train.txt"))
    assert (key, image, label) == ("l/a,b", None, f"{tmp_path}/l/a,b.png")


def test_a_scheme_that_nobody_knows_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("sea://b/a.png\n")
    with pytest.raises(UsageError, match=r"train\.txt: entry 1: .*sea://b"):
        list(lists.pairs(str(tmp_path / "train.txt")))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_are_utf_8_or_utf_16_by_its_mark(encoding, tmp_path):
    (tmp_path / "x.txt").write_bytes("tür\r\nb\n".encode(encoding))
    assert list(lists.keys(str(tmp_path / "x.txt"), "")) == ["tür", "b"]


@pytest.mark.parametrize("content", [b"a\nt\xfcr\n", b"a\nb\0c\n"])
def test_other_text_is_refused_by_its_line(content, tmp_path):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(UsageError, match="line 2"):
        list(lists.keys(str(tmp_path / "x.txt"), ""))

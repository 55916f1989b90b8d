import pytest

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import lists
from tests import data_generation as data


def test_keys_are_lines_without_extension_and_suffix(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbf2007_000032\r\n\r\n  a/b_L.png \nv1.2\nc.JPG\n")
    assert list(lists.keys(str(path), "_L")) == ["2007_000032", "a/b", "v1.2", "c"]


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


@pytest.mark.parametrize("read", [lambda path: lists.keys(path, ""), lists.pairs])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.png\n\xe9t\xe9.png\n", r"train\.txt is not UTF-8 in line 2"),
        (b"a.png\nb\0.png\n", r"train\.txt has a NUL character in line 2"),
    ],
)
def test_a_list_that_is_no_text_is_named(read, content, message, tmp_path):
    (tmp_path / "train.txt").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        list(read(str(tmp_path / "train.txt")))


def test_a_list_may_be_marked_utf_16(tmp_path):
    (tmp_path / "train.txt").write_text("é/a.png\n", encoding="utf-16")
    assert list(lists.keys(str(tmp_path / "train.txt"), "")) == ["é/a"]

"""What `maskbeam show` draws, before a conversion and after it."""

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.report.colors import colors_of
from maskbeam.transforms import classes
from tests import data_generation as data

_GAP = 8
_TIMES = 10  # that rows of 24 x 32 are enlarged
K = 4


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Rows with images of one size, and their labels."""
    directory = tmp_path_factory.mktemp("sources")
    return directory, data.label_tree(directory, 9, list(range(K)), images=True)


def _flags(directory, *more):
    images = ("--images", f"{directory}/images/*")
    return ["--label_maps", f"{directory}/labels/*", *images, *more]


def _panels(path, height, width):
    """The three panels of a row's picture."""
    page = np.asarray(Image.open(path))
    height, width = height * _TIMES, width * _TIMES
    lefts = (_GAP + place * (width + _GAP) for place in range(3))
    return [page[_GAP : _GAP + height, left : left + width] for left in lefts]


def _enlarged(array):
    return array.repeat(_TIMES, 0).repeat(_TIMES, 1)


def _image(directory, key):
    (path,) = directory.glob(f"images/{key}.*")
    return np.asarray(Image.open(path).convert("RGB"))


def _check(page, directory, key, label, colors):
    image, drawn, both = _panels(page, *label.shape)
    wanted = _enlarged(_image(directory, key))
    # JPEGs are decoded by another library here.
    assert np.abs(image.astype(int) - wanted).max() <= (4 if key.endswith("0") else 40)
    np.testing.assert_array_equal(drawn, colors[_enlarged(label)])
    mixed = np.rint(image * 0.45 + drawn * 0.55)
    np.testing.assert_allclose(both, mixed, atol=1)


def test_rows_of_sources_and_of_a_dataset(sources, convert, tmp_path, capsys):
    directory, labels = sources
    colors = colors_of(classes.numbered(K))
    before, after = tmp_path / "before", tmp_path / "after"
    flags = _flags(directory, "--num_classes", str(K))
    assert main(["show", *flags, "--limit", "4", "--output", str(before)]) == 0
    assert capsys.readouterr().out == f"4 rows drawn: {before}\n"
    out = convert(tmp_path / "out", *flags)
    capsys.readouterr()
    assert main(["show", str(out), "--limit", "4", "--output", str(after)]) == 0
    for folder in (before, after):
        pages = sorted(folder.iterdir())
        assert len(pages) == 4
        for page in pages:
            key = page.stem.removeprefix("train__")
            _check(page, directory, key, labels[key], colors)
    # Both orders are a hash's, so both show the same rows.
    names = [sorted(p.name for p in folder.iterdir()) for folder in (before, after)]
    assert names[0] == names[1]


def test_chosen_rows_on_one_sheet(sources, convert, tmp_path):
    directory, labels = sources
    flags = _flags(directory, "--num_classes", str(K))
    out = convert(tmp_path / "out", *flags)
    keys = ["row_007", "row_002"]
    for place in (flags, [str(out)]):
        sheet = tmp_path / "sheet.png"
        assert main(["show", *place, "--key", *keys, "--output", str(sheet)]) == 0
        page = np.asarray(Image.open(sheet))
        height, width = (_TIMES * side for side in labels["row_002"].shape)
        left = _GAP + width + _GAP
        of_row = page.shape[0] // 2
        drawn = [
            page[top + _GAP : top + _GAP + height, left : left + width]
            for top in (0, of_row)
        ]
        colors = colors_of(classes.numbered(K))
        wanted = {colors[_enlarged(labels[key])].tobytes() for key in keys}
        assert {panel.tobytes() for panel in drawn} == wanted


def test_what_the_class_map_does_not_know_is_striped(sources, tmp_path):
    directory, labels = sources
    flags = _flags(directory, "--num_classes", "2", "--ignore_label", "2")
    assert main(["show", *flags, "--limit", "1", "--output", str(tmp_path)]) == 0
    (page,) = tmp_path.iterdir()
    label = labels[page.stem.removeprefix("train__")]
    image, drawn, both = _panels(page, *label.shape)
    label = _enlarged(label)
    loud = {(255, 0, 255), (0, 0, 0)}
    assert {tuple(c) for c in drawn[label == 3]} <= loud
    greys = {(150, 150, 150), (190, 190, 190)}
    assert {tuple(c) for c in drawn[label == 2]} <= greys
    colors = colors_of(classes.numbered(2))
    for index in (0, 1):
        assert {tuple(c) for c in drawn[label == index]} == {tuple(colors[index])}
    # Ignored pixels stay the image's.
    np.testing.assert_array_equal(both[label == 2], image[label == 2])
    assert np.abs(both[label == 3].astype(int) - image[label == 3]).max() > 20


def test_what_cannot_be_drawn_says_why(tmp_path, capsys):
    label, image = np.zeros((6, 8), np.uint8), np.zeros((6, 9, 3), np.uint8)
    data.write_tree(
        tmp_path,
        {
            "labels/cut.png": data.png(label)[:50],
            "labels/other.png": data.png(label),
            "labels/rgb.png": data.png(data.filled((6, 8), (1, 2, 3))),
            **{
                f"images/{name}.png": data.png(image)
                for name in ("cut", "other", "rgb")
            },
        },
    )
    from maskbeam.pipeline import arguments
    from maskbeam.pipeline.report import show

    options = arguments.from_given(
        {
            "label_maps": f"{tmp_path}/labels/*",
            "images": f"{tmp_path}/images/*",
            "num_classes": 3,
        }
    )
    rows = {row.title: row for row in show.of_sources(options, (), 8)}
    assert rows["train: cut"].label is None
    assert rows["train: cut"].notes[0].startswith("label map: ")
    assert "6 x 9" in rows["train: other"].notes[0]
    assert "RGB" in rows["train: rgb"].notes[0]
    out = tmp_path / "out"
    flags = _flags(tmp_path, "--num_classes", "3", "--output", str(out))
    assert main(["show", *flags]) == 0
    assert len(list(out.iterdir())) == 3


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--key", "row_999"], "there is no row 'row_999'"),
        (["--split", "val"], "--split is of a dataset"),
        (["--limit", "0"], "--limit"),
        (["--classes", "auto"], "validate --classes auto"),
    ],
)
def test_wrong_commands(flags, why, sources, tmp_path, capsys):
    directory, _ = sources
    number = [] if "auto" in flags else ["--num_classes", str(K)]
    command = ["show", *_flags(directory), *number, *flags]
    assert main([*command, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_dataset_has_its_own_class_map(sources, convert, tmp_path, capsys):
    directory, _ = sources
    out = convert(tmp_path / "out", *_flags(directory, "--num_classes", str(K)))
    command = ["show", str(out), "--output", str(tmp_path / "shown.png")]
    assert main([*command, "--num_classes", "3"]) == 2
    assert "--num_classes is of rows that are not converted" in capsys.readouterr().err
    assert main([*command, "--split", "test"]) == 2
    assert "no split 'test'" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "none"), "--output", "x.png"]) == 2


def test_large_pictures_are_shown_small_and_exact(tmp_path):
    from maskbeam.pipeline.report import pictures

    label = np.kron(np.arange(6).reshape(2, 3), np.ones((1000, 1000))).astype(np.int32)
    row = pictures.Row("large", label, None)
    page = np.asarray(pictures.draw(row, classes.numbered(6)))
    assert page.shape[1] <= 640 + 2 * _GAP
    drawn = page[_GAP : _GAP + 427, _GAP : _GAP + 640]
    # Nearest neighbour: no colour but the classes'.
    colors = {tuple(c) for c in colors_of(classes.numbered(6))}
    assert {tuple(c) for c in np.unique(drawn.reshape(-1, 3), axis=0)} == colors


def test_keys_cannot_lead_out_of_the_directory(tmp_path):
    from maskbeam.pipeline.report import pictures, show

    label = np.zeros((4, 4), np.int32)
    titles = ["train: ../../mine", "train: ../../mine", "train: a/b\x1b[0m"]
    rows = (pictures.Row(title, label, None) for title in titles)
    out = tmp_path / "out"
    assert show.write(rows, classes.numbered(2), str(out)) == 3
    assert len(list(out.iterdir())) == 3
    assert {p.parent for p in tmp_path.rglob("*.png")} == {out}


def test_sources_that_do_not_meet_are_said(sources, tmp_path, capsys):
    directory, _ = sources
    flags = ["--num_classes", str(K), "--output", str(tmp_path / "sheet.png")]
    nothing = ["--label_maps", f"{directory}/label/*.png"]
    assert main(["show", *nothing, *flags]) == 2
    assert "matches no file" in capsys.readouterr().err
    some = ["--label_maps", f"{directory}/labels/*", "--images"]
    assert main(["show", *some, f"{directory}/images/*0.*", *flags]) == 0
    assert "1 of 9" in capsys.readouterr().err

"""Every public case, as a table in code; and as one in Markdown.

python -m tests.cases_table [DIRECTORY] > table.md
"""

import dataclasses
import pathlib
import sys
import tempfile

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from tests.cases import Case, Equal, Refused, fault, run

PLACE = pathlib.Path(__file__).parents[2] / "shared" / "cases"

_N4 = "--num_classes 4"
_AUTO = "--classes auto"


def _case_01() -> list[Case]:
    """LabelMe's export to VOC, as labelme2voc.py writes it."""
    maps, images = "'SegmentationClass/*.png'", "--images 'JPEGImages/*.jpg'"
    n = "--num_classes 4 --ignore_label 255"
    voc = Equal(files="SegmentationClass/*.png")
    return [
        Case("01-labelme-voc", "--dataset labelme --data_dir .", Equal(), whole=True),
        Case("01-labelme-voc/globs", f"--label_maps {maps} {images} {n}", Equal()),
        Case("01-labelme-voc/auto", f"--label_maps {maps} {_AUTO}", Equal()),
        Case(
            "01-labelme-voc/arrays",
            f"--label_maps 'SegmentationClassNpy/*.npy' {n}",
            Refused(1, "label value -1"),
        ),
        Case(
            "01-labelme-voc/visualization",
            f"--label_maps 'SegmentationClassVisualization/*.jpg' {n}",
            Refused(1, "JPEG changes label values"),
        ),
        Case(
            "01-labelme-voc-latin-1",
            "--dataset labelme --data_dir .",
            Refused(2, "(?i)utf-8"),
        ),
        Case(
            "01-labelme-voc-utf-16",
            "--dataset labelme --data_dir .",
            voc,
        ),
    ]


def _case_02() -> list[Case]:
    """CVAT's segmentation masks."""
    maps = "--label_maps 'SegmentationClass/*.png'"
    listed = "--split_list train=ImageSets/Segmentation/default.txt"
    return [
        Case("02-cvat-mask", f"{maps} --classes classes.yaml", Equal(), whole=True),
        Case("02-cvat-mask/list", f"{maps} --classes classes.yaml {listed}", Equal()),
        Case(
            "02-cvat-mask/black_ignored",
            f"{maps} --classes classes_black_ignored.yaml",
            Equal(offset=-1),
        ),
        Case("02-cvat-mask/auto", f"{maps} {_AUTO}", Equal()),
        Case("02-cvat-mask/ids", f"{maps} --num_classes 3", Refused(1, "no class ids")),
        Case(
            "02-cvat-mask/labelmap.txt",
            f"{maps} --classes labelmap.txt",
            Equal(),
        ),
        Case(
            "02-cvat-mask/objects",
            "--label_maps 'SegmentationObject/*.png' --classes classes.yaml",
            Refused(1, "128, 0, 0"),
        ),
    ]


def _case_03() -> list[Case]:
    """Masks of 0 and 255, as grey, one bit, RGB and RGBA."""
    images, binary = "--images 'images/*.jpg'", "--classes binary"
    return [
        Case(
            "03-binary-0-255/binary",
            f"--label_maps 'masks/*.png' {images} {binary}",
            Equal(),
            whole=True,
        ),
        Case(
            "03-binary-0-255/auto",
            f"--label_maps 'masks/*.png' {_AUTO}",
            Equal(),
        ),
        Case(
            "03-binary-0-255/num_classes",
            "--label_maps 'masks/*.png' --num_classes 2",
            Refused(1, "--classes binary"),
        ),
        Case(
            "03-binary-0-255/1bit",
            f"--label_maps 'masks_1bit/*.png' {binary}",
            Equal(),
        ),
        Case(
            "03-binary-0-255/1bit_auto", f"--label_maps 'masks_1bit/*' {_AUTO}", Equal()
        ),
        Case(
            "03-binary-0-255/rgb",
            f"--label_maps 'masks_rgb/*.png' {binary}",
            Equal(),
        ),
        Case(
            "03-binary-0-255/rgb_auto", f"--label_maps 'masks_rgb/*' {_AUTO}", Equal()
        ),
        Case(
            "03-binary-0-255/rgba",
            f"--label_maps 'masks_rgba/*.png' {binary}",
            Equal(),
        ),
        Case(
            "03-binary-0-255/rgba_auto", f"--label_maps 'masks_rgba/*' {_AUTO}", Equal()
        ),
    ]


def _case_04() -> list[Case]:
    """LoveDA, whose 0 is no data."""
    maps = "--label_maps 'Train/Urban/masks_png/*.png'"
    images = "--images 'Train/Urban/images_png/*.png'"
    return [
        Case(
            "04-zero-is-nodata",
            f"{maps} {images} --classes loveda.yaml",
            Equal(),
            whole=True,
        ),
        Case(
            "04-zero-is-nodata/auto",
            f"{maps} {_AUTO}",
            Equal(offset=1),
        ),
        Case(
            "04-zero-is-nodata/all_scenes",
            "--label_maps 'Train/*/masks_png/*.png' --images "
            "'Train/*/images_png/*.png' --classes loveda.yaml",
            Refused(2, "/masks_png/.* makes them meet"),
        ),
    ]


def _case_05() -> list[Case]:
    """CARLA: the tag is in the red channel."""
    found = [
        Case(
            "05-carla-red",
            "--label_maps 'CameraSeg/*' --images 'CameraRGB/*' --classes red.yaml",
            Equal(),
            whole=True,
        ),
        Case(
            "05-carla-red/ids",
            "--label_maps 'CameraSeg/*' --num_classes 6",
            Refused(1, "no class ids.* add `channel: red`"),
        ),
        Case(
            "05-carla-red/ids_thrice",
            "--label_maps 'seg_same_thrice/*' --num_classes 6",
            Equal(),
        ),
    ]
    right: dict[str, Equal | Refused] = {
        "CameraSeg/red_color": Equal(),
        "CameraSeg/auto": Equal(),
        "CameraSeg/maps:tags_in_red": Equal(),
        "seg_rgba/maps:tags_in_red": Equal(),
        "seg_same_thrice/maps:tags_in_red": Equal(),
        "seg_instance/maps:tags_in_red": Equal(),
        "seg_bgra_wrong_way/maps:tags_in_blue": Equal(),
        "seg_rgba/red": Equal(),
        "seg_rgba/red_color": Equal(),
        "seg_same_thrice/grey_color": Equal(),
        "seg_same_thrice/red_color": Refused(1, "1, 1, 1"),
        "seg_bgra_wrong_way/red_color": Refused(1, "0, 0, 1"),
        "seg_bgra_wrong_way/red": Refused(1, "outside class map"),
        "seg_instance/red": Refused(1, "outside class map"),
    }
    for name, expected in right.items():
        folder, classes = name.split("/")
        given = "auto" if classes == "auto" else f"{classes}.yaml"
        arguments = f"--label_maps '{folder}/*.png' --classes {given}"
        found.append(Case(f"05-carla-red/{name}", arguments, expected))
    return found


def _case_08() -> list[Case]:
    """Kvasir-SEG: masks that were saved as JPEG."""
    binary = "--classes binary"
    images = "--images 'images/*.jpg'"
    return [
        Case(
            "08-jpeg-masks",
            f"--label_maps 'masks/*.jpg' {images} {binary}",
            Refused(1, "save label maps as PNG"),
        ),
        Case(
            "08-jpeg-masks/named_png",
            f"--label_maps 'masks_named_png/*.png' {binary}",
            Refused(1, "save label maps as PNG"),
        ),
        *(
            Case(
                f"08-jpeg-masks/{name}_read",
                f"--label_maps '{folder}/*' {images} --jpeg_label_maps --classes "
                f"maps:{name}.yaml",
                Equal(),
            )
            for name, folder in (
                ("binary_128", "masks"),
                ("black_white_128", "masks_named_png"),
            )
        ),
        Case(
            "08-jpeg-masks/no_way",
            f"--label_maps 'masks/*.jpg' {binary} --jpeg_label_maps",
            Refused(2, "does not say which are meant"),
        ),
        Case(
            "08-jpeg-masks/png_from_jpeg",
            f"--label_maps 'masks_png_from_jpeg/*.png' {binary}",
            Refused(1, "outside class map.* `threshold: 128`"),
        ),
        *(
            Case(
                f"08-jpeg-masks/png_from_jpeg_{name}",
                f"--label_maps 'masks_png_from_jpeg/*.png' --classes maps:{name}.yaml",
                Equal(),
            )
            for name in ("binary_128", "black_white_128")
        ),
        Case(
            "08-jpeg-masks/png_from_jpeg_auto",
            f"--label_maps 'masks_png_from_jpeg/*.png' {_AUTO}",
            Refused(2, "--classes binary"),
        ),
        Case(
            "08-jpeg-masks/auto",
            f"--label_maps 'masks/*.jpg' {_AUTO}",
            Refused(1, "JPEG changes label values"),
        ),
    ]


def _case_11() -> list[Case]:
    """UAVid and Rellis-3D: the folders that differ are in the middle."""
    maps = "--label_maps 'uavid_train/*/Labels/*.png'"
    rellis = Equal(
        "{}", files="Rellis-3D/*/pylon_camera_node_label_id/*", below="Rellis-3D"
    )
    node = "Rellis-3D/*/pylon_camera_node"
    uavid_keys = (
        "--label_key '(?P<seq>.*)/Labels/(?P<name>.*)' "
        "--image_key '(?P<seq>.*)/Images/(?P<name>.*)'"
    )
    rellis_keys = (
        "--label_key '^(?P<seq>[0-9]+)/.*/(?P<name>.*)' "
        "--image_key '^(?P<seq>[0-9]+)/.*/(?P<name>.*)'"
    )
    return [
        Case(
            "11-middle-folder/uavid",
            f"{maps} --images 'uavid_train/*/Images/*.png' {_N4}",
            Refused(2, "/Labels/.* --image_key .*/Images/.* makes them meet"),
        ),
        Case(
            "11-middle-folder/uavid_keys",
            f"{maps} --images 'uavid_train/*/Images/*.png' {_N4} {uavid_keys}",
            Equal(
                files="uavid_train/*/Labels/*",
                below="uavid_train",
                without="Labels/",
            ),
            whole=True,
        ),
        Case(
            "11-middle-folder/uavid_maps_alone",
            f"{maps} {_N4}",
            Equal(files="uavid_train/*/Labels/*", below="uavid_train"),
        ),
        Case(
            "11-middle-folder/rellis",
            f"--label_maps '{node}_label_id/*.png' --images '{node}/*.jpg' {_N4}",
            Refused(2, "/pylon_camera_node_label_id/.* makes them meet"),
        ),
        Case(
            "11-middle-folder/rellis_keys",
            f"--label_maps '{node}_label_id/*.png' --images '{node}/*.jpg' {_N4} "
            f"{rellis_keys}",
            dataclasses.replace(rellis, without="pylon_camera_node_label_id/"),
        ),
        Case(
            "11-middle-folder/rellis_list",
            f"--label_maps Rellis-3D/train.txt {_N4}",
            rellis,
        ),
        Case(
            "11-middle-folder/list_elsewhere",
            f"--label_maps rellis.txt {_N4}",
            Refused(1, "cannot be read"),
        ),
        Case(
            "11-middle-folder/lst",
            f"--label_maps rellis.lst {_N4}",
            Refused(1, "cannot be read"),
        ),
    ]


def _case_12() -> list[Case]:
    """A2D2 and an aerial set: what differs comes first, or in the middle, of names."""
    n = "--num_classes 5"
    return [
        Case(
            "12-prefix-names/aerial",
            f"--label_maps 'msk/*.png' --images 'aerial/*.png' {n}",
            Refused(2, "--label_key '.MSK_(.*)' --image_key '.IMG_(.*)' makes them"),
        ),
        Case(
            "12-prefix-names/aerial_keys",
            f"--label_maps 'msk/*.png' --images 'aerial/*.png' {n} "
            "--label_key '^MSK_(.*)' --image_key '^IMG_(.*)'",
            Equal(),
            whole=True,
        ),
        Case(
            "12-prefix-names/aerial_maps_alone",
            f"--label_maps 'msk/*.png' {n}",
            Equal("MSK_{}"),
        ),
        Case(
            "12-prefix-names/a2d2",
            f"--label_maps 'a2d2/label/*.png' --images 'a2d2/camera/*.png' {n}",
            Refused(2, "--label_key .*_label_.* makes them meet"),
        ),
        Case(
            "12-prefix-names/a2d2_keys",
            f"--label_maps 'a2d2/label/*.png' --images 'a2d2/camera/*.png' {n} "
            "--label_key '[0-9]+$' --image_key '[0-9]+$'",
            Equal("{}", files="a2d2/label/*", without="2018_label_front_"),
        ),
    ]


def _case_13() -> list[Case]:
    """Lists of pairs, and of keys, as editors and scripts write them."""
    right: dict[str, Equal | Refused] = {
        "blank_end.txt": Equal(),
        "crlf_bom.txt": Equal(),
        "tab.txt": Equal(),
        "utf16.txt": Equal(),
        "latin1.txt": Refused(2, "latin1.txt"),
        "binary.txt": Refused(2, "binary.txt"),
        "spaces_tab.txt": Equal("My Data/masks/{}", files="My Data/masks/*.png"),
        "comma.txt": Equal(),
        "comma.csv": Equal(),
        "comment.txt": Equal(),
        "backslash.txt": Refused(2, "write paths with /"),
        "mask_first.txt": Equal(),
        "missing_one.txt": Refused(1, "gone.png"),
    }
    found = [
        Case(f"13-pair-lists/{name}", f"--label_maps {name} {_N4}", more)
        for name, more in right.items()
    ]
    lists: dict[str, Equal | Refused] = {
        "split_names.txt": Equal(only=("seg|masks|baf0", "seg|masks|baf2")),
        "split_paths.txt": Refused(2, "`seg/masks/baf0` / `baf0`"),
        "split_crlf_bom.txt": Equal(only=("seg|masks|baf0", "seg|masks|baf1")),
        "split_utf16.txt": Equal(only=("seg|masks|baf0", "seg|masks|baf1")),
    }
    for name, expected in lists.items():
        if isinstance(expected, Equal):  # keys are below `seg/masks`
            expected = Equal(
                files=f"seg/masks/baf[{''.join(n[-1] for n in expected.only)}].png"
            )
        maps = "--label_maps 'seg/masks/baf*.png'"
        arguments = f"{maps} --split_list train={name} {_N4}"
        found.append(Case(f"13-pair-lists/{name}", arguments, expected))
    return found


def _case_14() -> list[Case]:
    """Pictures of other formats, by name and under a wrong name."""
    found = [
        Case(
            "14-tiff-bmp-gif-webp",
            f"--label_maps 'masks_png/*' --images 'images_jpg/*' {_N4}",
            Equal(),
        )
    ]
    for name in ("bmp", "gif", "ppm", "tif", "tiff16", "tiff_float", "webp"):
        # WebP has no grey.
        ids = "--classes maps:times_40.yaml" if name == "webp" else _N4
        found.append(
            Case(
                f"14-tiff-bmp-gif-webp/masks_{name}",
                f"--label_maps 'masks_{name}/*' {ids}",
                Equal("{}_mask" if name == "gif" else "{}"),
            )
        )
    for name in ("bmp", "gif", "tif", "webp", "tif_named_png", "webp_named_jpg"):
        found.append(
            Case(
                f"14-tiff-bmp-gif-webp/images_{name}",
                f"--label_maps 'masks_png/*' --images 'images_{name}/*' {_N4}",
                Equal(),
            )
        )
    found.append(
        Case(
            "14-tiff-bmp-gif-webp/masks_bmp_named_png",
            f"--label_maps 'masks_bmp_named_png/*' {_N4}",
            Equal(),
        )
    )
    return found


def _case_15() -> list[Case]:
    """Photos that their EXIF turns."""
    upright, raw = "--label_maps 'masks_upright/*'", "--label_maps 'masks_raw/*'"
    stored = Equal(files="masks_raw/*")
    found = []
    jpegs, pngs = "--images 'images/*'", "--images 'images_png_exif/*'"
    # A PNG's EXIF turns nothing.
    right: dict[str, Equal | Refused] = {
        f"{upright} {jpegs} {_N4}": Equal(),
        f"{raw} {jpegs} {_N4}": Refused(1, "--exif ignore"),
        f"{raw} {jpegs} {_N4} --exif ignore": stored,
        f"{upright} {pngs} {_N4}": Refused(1, "differ in size"),
        f"{raw} {pngs} {_N4}": stored,
        f"{raw} {pngs} {_N4} --exif ignore": stored,
    }
    for number, (arguments, more) in enumerate(right.items()):
        found.append(Case(f"15-exif/{number}", arguments, more))
    down = "--label_maps 'down_masks_raw/*' --images 'down_images/*'"
    return [
        *found,
        Case(
            "15-exif/down",
            f"{down} {_N4}",
            Equal(files="down_masks_raw/*", says="EXIF"),
            whole=True,
        ),
        Case(
            "15-exif/down_ignore",
            f"{down} {_N4} --exif ignore",
            Equal(files="down_masks_raw/*"),
        ),
    ]


def _case_16() -> list[Case]:
    """Capitals in extensions and names; files of another kind beside the masks."""
    n = "--num_classes 3"
    return [
        Case(
            "16-capitals",
            f"--label_maps 'masks/DSC*' --images 'images/*' {n}",
            Equal(),
        ),
        Case(
            "16-capitals/one_extension",
            f"--label_maps 'masks/*.PNG' {n}",
            Equal(only=("DSC0", "DSC3")),
        ),
        Case(
            "16-capitals/images_case",
            f"--label_maps 'masks/DSC*' --images 'images_case/*' {n}",
            Refused(2, "capitals"),
        ),
        Case(
            "16-capitals/all_files",
            f"--label_maps 'masks/*' {n}",
            Refused(2, "16-capitals/masks/"),
        ),
        Case(
            "16-capitals/exclude",
            f"--label_maps 'masks/*' --exclude 'masks/[Tr]*' {n}",
            Equal(),
        ),
        Case(
            "16-capitals/with_list",
            f"--label_maps 'with_list/*' {n}",
            Refused(2, "classes.txt"),
        ),
        Case(
            "16-capitals/with_notes",
            f"--label_maps 'with_notes/*' {n}",
            Refused(2, "notes.json"),
        ),
    ]


def _case_17() -> list[Case]:
    """WebDataset tars."""
    right: dict[str, tuple[str, Equal | Refused]] = {
        "plain": ("", Equal()),
        "cls": ("", Equal()),
        "dots": ("", Refused(2, "extension")),
        "folder": ("", Refused(1, "has no 'png'")),
        "loose": ("", Equal()),
        "mac": ("", Equal("./{}")),
        "npys": ("", Refused(2, "npys-000000.tar")),
    }
    return [
        Case(
            f"17-webdataset/{name}",
            f"--label_maps {name.split('_')[0]}-000000.tar {_N4} {more}".strip(),
            expected,
        )
        for name, (more, expected) in right.items()
    ]


def _case_20() -> list[Case]:
    """Two images of another size."""
    given = f"--label_maps 'labels/*' --images 'images/*' {_N4}"
    good = ("00000", "00001", "00003", "00005")
    return [
        Case("20-size-mismatch", given, Refused(1, "differ in size")),
        Case(
            "20-size-mismatch/allowed",
            f"{given} --max_rejected 0.4",
            Equal(only=good),
        ),
        Case("20-size-mismatch/maps_alone", f"--label_maps 'labels/*' {_N4}", Equal()),
    ]


def _case_22() -> list[Case]:
    """NumPy arrays of all dtypes and shapes."""
    right: dict[str, Equal | Refused] = {
        "int64": Equal(),
        "big_endian": Equal(),
        "fortran": Equal(),
        "bool": Equal(files="bool/*"),
        "float32": Refused(1, "float32"),
        "float_half": Refused(1, "float64"),
        "neg": Refused(1, "label value -1"),
        "pickled": Refused(1, "object"),
        "stack": Equal("all#{}", without="s"),
        "npz_one": Equal("{}#arr_0"),
        "npz_two": Refused(1, "#image"),
        "hw1": Equal(),
        "n_h_w_1": Equal(only=("s0", "s1")),
        "npz_hw1": Equal("{}#mask", only=("s0", "s1")),
        "onehot": Refused(1, "one-hot"),
        "onehot_f": Refused(1, "one-hot"),
        "chw": Refused(1, "one-hot"),
        "rgb": Refused(1, "colour"),
    }
    found = [
        Case(f"22-arrays/{name}", f"--label_maps '{name}/*' {_N4}", more)
        for name, more in right.items()
    ]
    return [
        *found,
        Case(
            "22-arrays/images",
            f"--label_maps 'int64/*' --images 'images/*' {_N4}",
            Equal(),
        ),
        Case(
            "22-arrays/images_npy",
            f"--label_maps 'int64/*' --images 'images_npy/*' {_N4}",
            Refused(2, "is no picture"),
        ),
    ]


def _case_23() -> list[Case]:
    """PNGs with palettes and alpha."""
    n, color = "--num_classes 5", "--classes color.yaml"
    right: dict[str, Equal | Refused] = {
        f"bits4 {n}": Equal(),
        f"bits4 {color}": Equal(),
        f"trns {n}": Equal(),
        f"trns {color}": Equal(),
        f"trns_bytes {n}": Equal(),
        f"reordered {color}": Equal(),
        f"no_plte {n}": Equal(),
        f"no_plte {color}": Refused(1, "damaged"),
        f"short_plte {n}": Equal(),
        f"short_plte {color}": Refused(1, "palette"),
        f"la {n}": Equal(),
        f"only_alpha {n}": Refused(1, "8-bit RGBA"),
        f"only_alpha {_AUTO}": Refused(2, "alpha"),
        f"rgba_clear_background {color}": Equal(),
    }
    found = []
    for given, expected in right.items():
        folder, _, classes = given.partition(" ")
        found.append(
            Case(
                f"23-palettes/{folder}/{classes.split()[-1]}",
                f"--label_maps '{folder}/*' {classes}",
                expected,
            )
        )
    return found


def _case_24() -> list[Case]:
    """Class maps as people write them."""
    ids: dict[str, Equal | Refused] = {
        "bom.yaml": Equal(),
        "classes.json": Equal(),
        "ignore_scalar.yaml": Equal(),
        "no_name.yaml": Refused(2, "`name`"),
        "space_name.yaml": Equal(),
        "unicode.yaml": Equal(),
        "number_names.yaml": Refused(2, "name"),
        "no_off.yaml": Refused(2, "quote"),
        "names_list.yaml": Equal(),
        "no_ids.yaml": Refused(2, "ids"),
        "same_name.yaml": Refused(2, "'a'"),
        "strings.yaml": Refused(2, "name"),
        "tabs.yaml": Refused(2, "tabs.yaml"),
        "twice.yaml": Refused(2, "0"),
        "ultralytics.yaml": Equal(),
        "latin1.yaml": Refused(2, "(?i)utf-8"),
        "id_range.yaml": Refused(2, "1-2"),
        "id2label.json": Equal(),
        "color_index.yaml": Refused(2, "encoding: color"),
    }
    colors: dict[str, Equal | Refused] = {
        "hex.yaml": Equal(),
        "hex_unquoted.yaml": Refused(2, r"\[r, g, b\]"),
        "bgr.yaml": Refused(1, "60, 16, 152"),
        "class_dict.csv": Equal(),
    }
    sides = (("masks", ids), ("masks_color", colors))
    return [
        Case(f"24-yaml/{name}", f"--label_maps '{folder}/*' --classes {name}", more)
        for folder, right in sides
        for name, more in right.items()
    ]


def _case_28() -> list[Case]:
    """Mapillary Vistas 2.0, whose classes are in a file of its own."""
    sides = (("train", "training"), ("val", "validation"))
    maps = " ".join(f"{split}='{name}/v2.0/labels/*'" for split, name in sides)
    images = " ".join(f"{split}='{name}/images/*'" for split, name in sides)
    given = f"--label_maps {maps} --images {images}"
    return [
        Case(
            "28-mapillary-v2/num_classes",
            "--label_maps 'training/v2.0/labels/*' --num_classes 124",
            Equal(files="training/v2.0/labels/*"),
        ),
        Case(
            "28-mapillary-v2/dataset",
            "--dataset mapillary --data_dir .",
            Refused(2, "mapillary"),
        ),
        Case(
            "28-mapillary-v2/config",
            "--label_maps 'training/v2.0/labels/*' --classes config_v2.0.json",
            Equal(
                files="training/v2.0/labels/*",
                # The last eight are not evaluated.
                index_of={n: n if n < 116 else -1 for n in range(124)},
            ),
        ),
        Case(
            "28-mapillary-v2/preset",
            f"{given} --classes mapillary",
            Refused(1, "outside class map mapillary"),
        ),
    ]


def _case_31() -> list[Case]:
    """Annotations in JSON, and in CSV, which is no label map."""
    images = "--images 'images/*'"
    square = np.zeros((40, 56), np.int64)
    square[4:20, 4:20] = 1  # as the JSON's area, 256, has it
    return [
        *(
            Case(
                f"31-json-annotations/coco{number}",
                f"--label_maps coco.json {images} {classes}",
                Equal(given={"a": square}),
            )
            for number, classes in enumerate((_AUTO, "--num_classes 2"))
        ),
        Case(
            "31-json-annotations/labelme",
            f"--label_maps labelme/a.json {images} {_AUTO}",
            Equal(given={"a": _triangle()}),
        ),
        Case(
            "31-json-annotations/labelme_names",
            f"--label_maps labelme/a.json {images} --num_classes 2",
            Refused(2, "no class of that name"),
        ),
        Case(
            "31-json-annotations/train.csv",
            "--label_maps train.csv --num_classes 2",
            Refused(2, "ImageId, EncodedPixels: run lengths, which are not read"),
        ),
    ]


def _triangle() -> npt.NDArray[np.int64]:
    """A cat in 31's labelme file, as Pillow draws it."""
    picture = Image.new("L", (56, 40))
    ImageDraw.Draw(picture).polygon([(4, 4), (20, 4), (20, 20)], fill=1, outline=1)
    return np.asarray(picture).astype(np.int64)


def _case_34() -> list[Case]:
    """Two values, of all kinds of files, with --classes auto."""
    two = {0: 0, 255: 1}
    right: dict[str, Equal | Refused] = {
        "g255": Equal(files="g255/*", index_of=two),
        "pal255": Equal(files="pal255/*", index_of=two),
        "npy255": Equal(files="npy255/*", index_of=two),
        "g16": Equal(files="g16/*", index_of={0: 0, 65535: 1}),
        "only255": Equal(files="only255/*", index_of=two),
        "zero": Equal(files="zero/*", index_of=two),
        "three": Refused(2, "128"),
    }
    return [
        Case(f"34-auto-binary-kinds/{name}", f"--label_maps '{name}/*' {_AUTO}", more)
        for name, more in right.items()
    ]


def _case_35() -> list[Case]:
    """Names of masks that end with more than their images'."""
    maps, images = "--label_maps 'train/*_mask.png'", "--images 'train/*.jpg'"
    isic = "--label_maps 'isic/GT/*' --images 'isic/images/*' --classes binary"
    two = {0: 0, 255: 1}
    return [
        Case(
            "35-suffix-names/told",
            f"{maps} {images} --strip_label_suffix _mask {_N4}",
            Equal(),
            whole=True,
        ),
        Case(
            "35-suffix-names",
            f"{maps} {images} {_N4}",
            Refused(2, "--strip_label_suffix _mask"),
        ),
        Case(
            "35-suffix-names/all_files",
            f"--label_maps 'train/*' {_N4}",
            Refused(2, "_classes.csv"),
        ),
        Case(
            "35-suffix-names/isic",
            isic,
            Refused(2, "--strip_label_suffix _segmentation"),
        ),
        Case(
            "35-suffix-names/isic_told",
            f"{isic} --strip_label_suffix _segmentation",
            Equal(files="isic/GT/*", without="_segmentation", index_of=two),
        ),
    ]


def _case_37() -> list[Case]:
    """Oxford-IIIT Pet: ids begin at 1."""
    maps = "--label_maps 'trimaps/*'"
    return [
        Case("37-ids-from-one/auto", f"{maps} {_AUTO}", Equal()),
        Case(
            "37-ids-from-one/num_classes",
            f"{maps} --num_classes 3",
            Refused(1, "label value 3"),
        ),
    ]


CASES = [
    case
    for number, make in sorted(globals().items())
    if number.startswith("_case_")
    for case in make()
]


def main(cases: pathlib.Path) -> None:
    """Prints the table in Markdown."""
    print("| case | command | outcome |\n| --- | --- | --- |")
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            outcome = run(case, cases, pathlib.Path(scratch) / "out")
        message = " ".join(outcome.message.split()).replace(f"{cases}/", "")
        wrong = fault(case, cases, outcome)
        came = f"exit {outcome.code}: {message}" if outcome.code else "equal"
        if wrong:
            came = f"**wrong**: {wrong}" + (f" ({message})" if message else "")
        elif not outcome.code and message:
            came += f"; {message}"
        cells = [case.name, f"`{case.arguments}`", came]
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PLACE)

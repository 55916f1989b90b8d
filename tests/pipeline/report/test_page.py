"""A report's page: what it says is what it was given, whatever that is."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline.report import charts
from maskbeam.pipeline.report.content import Content, Picture
from maskbeam.pipeline.report.page import render
from tests import html_pages

_DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
_HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "a\x00b\x1b[2J\r\u202ec\udcff",
    "{{ 7 * 7 }}{% raw %}",
    "&amp; é 道",
]
_SHADES = 15


def _split(rng, classes, rows, sizes):
    pixels = rng.integers(0, 10**9, classes)
    pixels[0] = 0
    images = rng.integers(1, rows + 1, classes) * (pixels > 0)
    return {
        "records": rows,
        "class_pixels": pixels.tolist(),
        "ignored_pixels": 1234,
        "class_images": images.tolist(),
        "presence_pixels": (pixels * 2).tolist(),
        "sizes": sizes,
        "classes_in_rows": rng.integers(0, 9, min(classes, 65) + 1).tolist(),
        "ignored_shares": rng.integers(0, 9, 12).tolist(),
    }


def _stats(names, splits=("train", "val"), rows=100, sizes=((6, 8, 100),)):
    rng = np.random.default_rng(len(names))
    k = len(names)
    images = rng.integers(rows // 2, rows, k)
    both = np.minimum.outer(images[:300], images[:300])
    both = both * rng.integers(0, 5, both.shape) // 4
    both = np.minimum(both, both.T)
    np.fill_diagonal(both, images[:300])
    both[0] = both[:, 0] = 0
    weights = [None, *np.linspace(0.001, 50, k)[1:].tolist()]
    return {
        "classes": list(names),
        "rejected": 0,
        "rejections": {},
        "warnings": [],
        "splits": {split: _split(rng, k, rows, sizes) for split in splits},
        "class_weights": {"median_frequency": weights, "inverse_frequency": weights},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.1, 0.2, 0.3],
        "heat_maps": {
            "rows": 16,
            "columns": 16,
            "sampled": [1000] * 256,
            "classes": [[0] * 256, *rng.integers(0, 999, (k - 1, 256)).tolist()],
        },
        "co_occurrence": both.tolist(),
    }


def _content(stats, **more):
    classes = len(stats["classes"]) if stats else 0
    colors = [(n % 256, 255 - n % 256, 7) for n in range(classes)]
    plain = Content("street", "", (), "", stats, (), colors, (), (), ())
    return plain._replace(**more)


def _names(classes):
    return [f"class {n}" for n in range(classes)]


def _picture(text="k", shares=(), images=True):
    image = _DOT if images else ""
    return Picture(text, text, text, 6, 8, image, _DOT, image, shares, [text])


def _sections(page):
    return [element.attributes["id"] for element in page.all("section")]


def _levels(uri):
    kind, data = uri.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize(("classes", "splits"), [(1, 1), (11, 2), (150, 5)])
def test_the_table_of_classes_has_the_exact_counts(classes, splits):
    stats = _stats(_names(classes), [f"split{n}" for n in range(splits)])
    page = html_pages.read(render(_content(stats)))
    rows = [r for r in page.by_id("classes").all("tr") if "data-class" in r.attributes]
    assert [row.attributes["data-class"] for row in rows] == stats["classes"]
    for what in ("class_pixels", "class_images"):
        found = {
            split: [
                int(cell.attributes["data-value"])
                for row in rows
                for cell in row.all("td")
                if cell.attributes.get("data-split") == split
                and cell.attributes["data-of"] == what
            ]
            for split in stats["splits"]
        }
        assert found == {s: of[what] for s, of in stats["splits"].items()}
    weights = [list(row.all("td"))[-1].attributes.get("data-value") for row in rows]
    assert weights == [
        None if weight is None else str(weight)
        for weight in stats["class_weights"]["median_frequency"]
    ]


def test_bars_of_shares_are_on_a_log_scale_and_all_can_be_seen():
    stats = _stats(_names(4), ["train"])
    pixels = stats["splits"]["train"]["class_pixels"] = [0, 1, 10**4, 10**8]
    table = charts.class_table(stats)
    assert (table.decades, table.least) == (6, "0.0001")
    shares = [cells[0].share for _, cells, _ in table.rows]
    assert [share.length for share in shares] == [0, 0.001, 0.333, 1]
    assert [s.value for s in shares] == [n / sum(pixels) for n in pixels]
    texts = [share.text for share in shares]
    assert texts == ["0 %", "< 0.0001 %", "0.0100 %", "> 99.9 %"]


def test_classes_have_their_colours():
    stats = _stats(_names(3))
    page = html_pages.read(
        render(_content(stats, colors=[(0, 0, 0), (255, 9, 16), (1, 2, 3)]))
    )
    wanted = {"class 0": "#000000", "class 1": "#ff0910", "class 2": "#010203"}
    rows = [r for r in page.by_id("classes").all("tr") if "data-class" in r.attributes]
    bars = {r.attributes["data-class"]: r.attributes["style"] for r in rows}
    assert bars == {name: f"--c:{color}" for name, color in wanted.items()}
    named = [e for e in page.every if e.attributes.get("class") == "named"]
    for element in named:
        (swatch, _) = element.all("span")
        assert swatch.attributes["style"] == f"--c:{wanted[element.text]}"
    assert len(named) == 3 + 3 + 2 + 3 + 3  # legend, table, maps, who meets whom


def test_heat_maps_are_the_shares():
    stats = _stats(_names(5))
    page = html_pages.read(render(_content(stats)))
    images = list(page.by_id("places").all("figure"))
    assert len(images) == 4
    for number, figure in enumerate(images, 1):
        (image,) = figure.all("img")
        pixels = np.array(stats["heat_maps"]["classes"][number]).reshape(16, 16)
        wanted = np.ceil(pixels / 1000 / (pixels.max() / 1000) * _SHADES)
        np.testing.assert_array_equal(_levels(image.attributes["src"]), wanted)
        assert image.attributes["alt"].startswith(f"class {number}: most at the ")
        assert charts.percent(pixels.max() / 1000) in figure.text
    assert "1 of 5 classes have no pixel" in page.by_id("places").text


def test_a_heat_map_says_where_a_class_is():
    stats = _stats(_names(2))
    for cell, place in ((0, "top left"), (7 * 16 + 8, "middle centre")):
        stats["heat_maps"]["classes"][1] = [int(n == cell) for n in range(256)]
        assert f'alt="class 1: most at the {place}"' in render(_content(stats))


def test_few_classes_meet_in_numbers():
    stats = _stats(_names(30))
    page = html_pages.read(render(_content(stats)))
    table = page.by_id("meetings")
    (body,) = table.all("tbody")
    both = np.array(stats["co_occurrence"])
    for number, row in enumerate(body.all("tr")):
        images, *cells = row.all("td")
        assert images.text == str(both[number, number])
        values = [int(cell.attributes["data-value"]) for cell in cells]
        assert values == both[number].tolist()
        texts = [cell.text for cell in cells]
        del texts[number]
        shares = np.delete(both[number], number) / max(1, both[number, number])
        percents = [charts.whole_percent(share) for share in shares]
        assert texts == ([""] * 29 if number == 0 else percents)
    assert page.by_id("pairs") is None


def test_many_classes_meet_in_a_picture():
    stats = _stats(_names(31))
    page = html_pages.read(render(_content(stats)))
    assert page.by_id("meetings") is None
    both = np.array(stats["co_occurrence"])
    (image, _) = page.by_id("together").all("img")
    images = both.diagonal()
    wanted = np.ceil(both / np.maximum(images, 1)[:, np.newaxis] * _SHADES)
    np.testing.assert_array_equal(_levels(image.attributes["src"]), wanted)
    (body,) = page.by_id("pairs").all("tbody")
    rows = list(body.all("tr"))
    most = np.sort(both[np.triu_indices(31, 1)])[::-1][:20]
    for count, row in zip(most, rows, strict=True):
        first, second, *texts = (cell.text for cell in row.all("td"))
        i, j = (int(name.split()[-1]) for name in (first, second))
        assert both[i, j] == count
        shares = [charts.percent(count / images[n]) for n in (i, j)]
        assert texts == [str(count), *shares]


def test_sizes_are_listed_or_grouped_by_area():
    stats = _stats(_names(2), sizes=[[6, 8, 70], [10, 20, 30]])
    (sizes, *_) = charts.histograms(stats)
    assert [(group, bars[0].value) for group, bars in sizes.rows] == [
        ("6 × 8", 70),
        ("10 × 20", 30),
    ]
    many = [[n, n, n] for n in range(10, 40)]
    (sizes, *_) = charts.histograms(_stats(_names(2), ["a"], sizes=many))
    groups = (100, 200), (200, 500), (500, 1000), (1000, 2000)
    assert [(group, bars[0].value) for group, bars in sizes.rows] == [
        (f"{low:,} to {high:,}", sum(n for n in range(10, 40) if low <= n * n < high))
        for low, high in groups
    ]
    assert "30 sizes" in sizes.note
    assert "39 × 39, of 39 rows" in sizes.note


def test_numbers_of_classes_are_grouped_when_they_are_many():
    stats = _stats(_names(100), ["a", "b"])
    counts = [0] * 5 + [2] * 61
    for split in stats["splits"].values():
        split["classes_in_rows"] = counts
    histogram = charts.histograms(stats)[1]
    assert histogram.rows[0][0] == "5 to 8"
    assert histogram.rows[-1][0] == "65 or more"
    for column in range(2):
        values = [bars[column].value or 0 for _, bars in histogram.rows]
        assert sum(values) == sum(counts)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.9999, "> 99.9 %"),
        (0.341, "34.1 %"),
        (0.0341, "3.4 %"),
        (0.000123, "0.012 %"),
        (1e-9, "< 0.0001 %"),
    ],
)
def test_shares_as_people_read_them(share, text):
    assert charts.percent(share) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (0.001, "<1"), (0.01, "1"), (0.507, "51"), (0.999, "99"), (1, "100")],
)
def test_whole_percents(share, text):
    assert charts.whole_percent(share) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9999, "9,999"),
        (12345, "12.3 k"),
        (999_600, "1 M"),
        (4_600_000, "4.6 M"),
        (10**18, "1e+03 P"),
    ],
)
def test_counts_as_people_read_them(count, text):
    assert charts.short(count) == text


def _hostile_content():
    stats = _stats(_HOSTILE, _HOSTILE)
    stats["warnings"] = [{"name": t, "split": t, "message": t} for t in _HOSTILE]
    stats |= {"rejected": 3, "rejections": dict.fromkeys(_HOSTILE, 1)}
    pairs = [(text, text) for text in _HOSTILE]
    pictures = [_picture(text, [(n, 0.1) for n in range(5)]) for text in _HOSTILE]
    return _content(
        stats,
        name=_HOSTILE[0],
        refused="\n".join(_HOSTILE),
        facts=pairs,
        command="\n".join(_HOSTILE),
        thresholds=pairs,
        pictures=pictures,
        rejected=pictures,
        reasons=[(3, text, text) for text in _HOSTILE],
    )


def test_names_are_text_wherever_they_are():
    text = render(_hostile_content())
    page = html_pages.read(text)
    assert not list(page.all("script", "link", "iframe", "object"))
    for element in page.every:
        assert not [name for name in element.attributes if name.startswith("on")]
        uri = element.attributes.get("src") or element.attributes.get("href") or "#"
        assert uri.startswith(("data:image/", "#"))
    assert all(line.isprintable() for line in text.split("\n"))
    # The third is escaped, and the others are as they were.
    shown = [*_HOSTILE[:2], r"a\x00b\x1b[2J\r\u202ec\udcff", *_HOSTILE[3:]]
    rows = [r for r in page.by_id("classes").all("tr") if "data-class" in r.attributes]
    assert [row.attributes["data-class"] for row in rows] == shown
    assert [next(iter(row.all("th"))).text.strip() for row in rows] == shown
    (title,) = page.all("title")
    assert title.text.startswith(_HOSTILE[0])


@pytest.mark.parametrize(
    "content",
    [
        _hostile_content(),
        _content(_stats(_names(11)), pictures=[_picture(), _picture(images=False)]),
        _content(_stats(_names(50)), command="maskbeam convert"),
        _content(None, refused="too many rows were rejected"),
    ],
    ids=["hostile", "few", "many", "refused"],
)
def test_the_page_can_be_read_by_all(content):
    text = render(content)
    page = html_pages.read(text)
    assert text.startswith("<!doctype html>")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert len(list(page.all("h1"))) == 1
    ids = [e.attributes["id"] for e in page.every if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    links = [e.attributes["href"].removeprefix("#") for e in page.all("a")]
    assert links == _sections(page)
    for cell in page.all("th"):
        assert cell.attributes["scope"]
        assert cell.text.strip()
    for image in page.all("img"):
        assert image.attributes["alt"]
    for table in page.all("table"):
        named = {"aria-label", "aria-labelledby"} & set(table.attributes)
        assert named or list(table.all("caption"))
    regions = [
        e for e in page.every if "region" in e.attributes.get("class", "").split()
    ]
    for region in regions:
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["role"] == "region"
        assert region.attributes["aria-label"]
    assert len(regions) == len(list(page.all("table")))
    for element in page.all("section", "ul", "dl", "tbody", "h2", "h3"):
        assert element.text.strip()


def test_all_parts_are_in_order():
    stats = _stats(_names(11)) | {"rejected": 2, "rejections": {"decode": 2}}
    reasons = [(2, "decode", "a.png: no picture")]
    content = _content(stats, pictures=[_picture()], reasons=reasons)
    page = html_pages.read(render(content))
    assert _sections(page) == [
        *("findings", "pictures", "rejected", "splits", "pixels"),
        *("rows", "places", "together"),
    ]
    assert "No finding." in page.by_id("findings").text
    assert "2 rejected: 2 at decode." in page.by_id("rejected").text
    assert "each 8th pixel" in page.text


def test_parts_that_are_missing_leave_no_trace():
    stats = _stats(_names(11))
    for part in ("heat_maps", "co_occurrence", "image_mean", "image_std"):
        del stats[part]
    for split in stats["splits"].values():
        del split["classes_in_rows"], split["ignored_shares"]
    page = html_pages.read(render(_content(stats)))
    assert _sections(page) == ["findings", "splits", "pixels", "rows"]
    assert [h.text for h in page.by_id("rows").all("h3")] == ["Sizes"]
    assert not list(page.all("img", "pre", "dl", "article"))
    assert "8th pixel" not in page.text


def test_one_class_meets_no_other():
    assert "together" not in _sections(
        html_pages.read(render(_content(_stats(["road"]))))
    )


def test_a_split_of_ignored_pixels_alone():
    stats = _stats(_names(3))
    empty = {"class_pixels": [0] * 3, "class_images": [0] * 3, "sizes": []}
    stats["splits"]["val"] |= empty | {"ignored_pixels": 480}
    table = charts.split_table(stats)
    assert table[1].ignored == charts.Bar(480, "100 %", 1)
    assert "pixels" in _sections(html_pages.read(render(_content(stats))))


def test_a_refused_run_says_why_and_of_which_classes():
    shares = [(1, 0.5), (-2, 0.3), (-1, 0.2)]
    page = html_pages.read(
        render(
            _content(
                None,
                refused="2 of 9 rows were rejected",
                classes=["road", "<sky>"],
                colors=[(0, 0, 0), (255, 0, 0)],
                rejected=[_picture(shares=shares)],
                reasons=[(2, "decode", "a.png: no picture")],
            )
        )
    )
    assert _sections(page) == ["rejected"]
    titles = [heading.text for heading in page.all("h2")]
    assert titles == ["No dataset was made", "Rejected rows"]
    assert "2 of 9 rows were rejected" in page.text
    (card,) = page.all("article")
    entries = [" ".join(entry.text.split()) for entry in card.all("li")]
    assert entries == ["<sky> 50.0 %", "unknown 30.0 %", "ignored 20.0 %"]


def test_a_picture_names_what_it_has_most_of():
    shares = [(n, 0.5 / (n + 1)) for n in range(9)]
    page = html_pages.read(
        render(_content(_stats(_names(9)), pictures=[_picture("k", shares)]))
    )
    (card,) = page.by_id("pictures").all("article")
    entries = [" ".join(entry.text.split()) for entry in card.all("li")]
    assert entries[0] == "class 0 50.0 %"
    assert entries[6:] == ["and 3 more"]
    captions = [caption.text for caption in card.all("figcaption")]
    assert captions == ["Image", "Label map", "Overlay"]


@pytest.mark.parametrize(
    ("classes", "most"), [(1, 40_000), (11, 100_000), (256, 600_000)]
)
def test_the_page_is_small(classes, most):
    stats = _stats(_names(classes), ["train", "val", "test"])
    page = render(_content(stats))
    assert len(page.encode()) < most
    assert not re.search(r"\n\s*\n\s*\n", page)


def test_of_very_many_classes_those_with_most_pixels_are_shown():
    stats = _stats(_names(65_000), splits=("train",))
    del stats["heat_maps"], stats["co_occurrence"]
    page = render(_content(stats))
    assert len(page) < 1_000_000
    table = html_pages.read(page).by_id("classes")
    shown = [row.attributes["data-class"] for row in table.all("tr") if row.attributes]
    assert len(shown) == charts.MOST_CLASSES
    pixels = stats["splits"]["train"]["class_pixels"]
    least = min(pixels[int(name.removeprefix("class "))] for name in shown)
    assert sum(one > least for one in pixels) < charts.MOST_CLASSES
    assert "64.5 k classes" in table.text

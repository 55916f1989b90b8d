"""What tests see of a page through a browser: each fault is found, and none made up."""

import io
import socket

import psutil
import pytest
from PIL import Image

from tests import browser

pytestmark = pytest.mark.engines

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A page</title>
<style>
  body {{ margin: 0; background: #fff; color: #222; }}
  @media (prefers-color-scheme: dark) {{ body {{ background: #000; color: #eee; }} }}
  @media print {{ body {{ background: #ff0; color: #000; }} }}
</style>
{head}
<main><h1>A page</h1>{body}</main>
</html>
"""
_DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNg"
    "AAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
)


@pytest.fixture(scope="module")
def chromium():
    with browser.browser() as running:
        yield running


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens a page that is made of its body."""

    def opened(body="", head="", **options):
        path = tmp_path / "a page #1 of 100%.html"
        path.write_text(_PAGE.format(head=head, body=body), encoding="utf-8")
        return chromium.open(path, **options)

    return opened


def _corner(png):
    return Image.open(io.BytesIO(png)).convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize("width", [380, 1024, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_found_on_a_page_without_faults(opened, width, dark):
    body = f'<img src="{_DOT}" alt="A dot"><p>Text</p>'
    with opened(body, head=_POLICY, width=width, dark=dark) as page:
        assert page.scroll_width == width
        assert page.axe() == []
        assert page.console == []


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("console.error('broken', 3)", "error: broken 3"),
        ("console.warn('doubtful')", "warning: doubtful"),
        ("console.assert(false, 'wrong')", "assert: wrong"),
        ("throw new Error('thrown')", "error: Error: thrown"),
        ("Promise.reject(new Error('refused'))", "error: Error: refused"),
        ("alert('hello')", "dialog: hello"),
    ],
)
def test_the_console(opened, script, wanted):
    with opened(f"<script>{script}</script>") as page:
        (line,) = page.console
        assert line.startswith(wanted)
        assert page.axe() == []
    with opened("<script>console.log('well'); console.info('fine')</script>") as page:
        assert page.console == []


def test_a_content_security_policy_stays_in_force(opened):
    body = "<script>document.title = 'Another'</script>"
    with opened(body, head=_POLICY) as page:
        (line,) = page.console
        assert "Content Security Policy" in line
        assert page.evaluate("document.title") == "A page"


@pytest.mark.parametrize(
    ("element", "url"),
    [
        ('<img alt="A" src="https://host.test/a.png">', "https://host.test/a.png"),
        (
            '<link rel="stylesheet" href="https://host.test/a.css">',
            "https://host.test/a.css",
        ),
        (
            "<script>fetch('https://host.test/a').catch(() => {})</script>",
            "https://host.test/a",
        ),
        ("<script>new WebSocket('wss://host.test/')</script>", "wss://host.test/"),
        ('<img alt="A" src="beside.png">', None),
        (
            '<iframe title="A" src="https://host.test/a.html"></iframe>',
            "https://host.test/a.html",
        ),
    ],
)
def test_each_request(opened, tmp_path, element, url):
    Image.new("L", (1, 1)).save(tmp_path / "beside.png")
    with opened(element) as page:
        requests = [line for line in page.console if line.startswith("request: ")]
    assert requests == [f"request: {url or (tmp_path / 'beside.png').as_uri()}"]


def test_no_request_is_sent(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.png"
        with opened(f'<img alt="A" src="{url}">') as page:
            assert f"request: {url}" in page.console
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (f'<img src="{_DOT}">', "image-alt"),
        ('<p style="color: #ccc">Pale</p>', "color-contrast"),
        # Older versions of axe-core know no such color, and then say nothing of any.
        ('<p style="color: oklch(0.9 0 0)">Pale</p>', "color-contrast"),
        (
            '<div style="overflow: auto; width: 5em"><pre>Longer than that</pre></div>',
            "scrollable-region-focusable",
        ),
    ],
)
def test_axe(opened, body, rule):
    with opened(body, head=_POLICY) as page:
        (line,) = page.axe()
        assert line.startswith(f"{rule}: ")
        assert page.axe() == [line]
        assert page.console == []


def test_axe_sees_the_color_scheme(opened):
    body = '<p style="color: #333">Dark in the dark</p>'
    with opened(body) as page:
        assert page.axe() == []
        page.emulate(1024, dark=True)
        assert [line.split(":")[0] for line in page.axe()] == ["color-contrast"]


def test_a_page_that_is_too_wide(opened):
    with opened('<div style="width: 500px">Wide</div>', width=380) as page:
        assert page.scroll_width == 500
        page.emulate(1024)
        assert page.scroll_width == 1024


def test_no_scroll_bar_takes_from_the_width(opened):
    with opened('<div style="height: 2000px"></div>') as page:
        assert page.scroll_width == 1024


def test_a_page_that_a_phone_shows_as_on_a_desk(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>No viewport</title><p>Text", "utf-8")
    with chromium.open(path, width=380) as page:
        assert page.scroll_width == 980


def test_colors_and_media(opened):
    white, black, yellow = (255, 255, 255), (0, 0, 0), (255, 255, 0)
    with opened(dark=True) as page:
        assert _corner(page.screenshot()) == black
        page.emulate(1024)
        assert _corner(page.screenshot()) == white
        page.emulate(1024, media="print")
        assert _corner(page.screenshot()) == yellow
    with opened(media="print") as page:
        assert _corner(page.screenshot()) == yellow


@pytest.mark.parametrize("width", [380, 1600])
def test_a_screenshot_is_of_the_whole_height(opened, width):
    # Taller than a texture may be.
    body = (
        '<div style="height: 20000px"></div>'
        '<div style="height: 10px; background: #00f"></div>'
    )
    with opened(body, width=width) as page:
        taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert taken.width == width
    assert taken.height > 20_010
    assert taken.getpixel((width - 1, taken.height - 1)) == (0, 0, 255)
    assert taken.getpixel((width - 1, taken.height - 11)) == (255, 255, 255)


def test_values(opened):
    with opened() as page:
        assert page.evaluate("[1, {a: 'b'}]") == [1, {"a": "b"}]
        assert page.evaluate("new Promise(done => setTimeout(done, 1, 5))") == 5
        with pytest.raises(AssertionError, match="ReferenceError: nothing"):
            page.evaluate("nothing.at.all")


def test_a_file_that_is_not_there(chromium, tmp_path):
    with (
        pytest.raises(AssertionError, match="ERR_FILE_NOT_FOUND"),
        chromium.open(tmp_path / "page.html"),
    ):
        pass


def test_pages_beside_each_other(opened):
    with opened() as one, opened("<script>console.error('b')</script>") as other:
        assert (one.console, other.console) == ([], ["error: b"])
        for _ in range(5):  # one tab hides the other
            assert one.screenshot() == other.screenshot()


def test_nothing_is_left(monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def running():
        commands = (one.info["cmdline"] for one in psutil.process_iter(["cmdline"]))
        return [
            line for line in commands if any(str(tmp_path) in a for a in line or ())
        ]

    with browser.browser():
        assert running()
        assert len(list(tmp_path.iterdir())) == 2
    assert running() == []
    assert list(tmp_path.rglob("*")) == [home]


def test_what_fails_ends_the_browser(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), browser.browser():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_is_not_there(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with (
        pytest.raises(AssertionError, match=r"no no-such-browser: .*setup_browser\.sh"),
        browser.browser(),
    ):
        pass


def test_a_browser_that_does_not_start(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "ls")
    with pytest.raises(AssertionError, match="user-data-dir"), browser.browser():
        pass

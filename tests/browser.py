"""A headless Chromium that looks at an HTML file as a person would, and listens.

    with browser.browser() as chromium, chromium.open(path, width=380) as page:
        assert page.scroll_width == 380
        assert page.axe() == []
        assert page.console == []

The page's own content security policy stays in force: the DevTools protocol evaluates
beside it, and what it forbids is in `console`.
"""

import base64
import contextlib
import functools
import importlib.resources
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import websockets.sync.client

_START = 120  # seconds: a machine may be busy with other tests
_ANSWER = 60
_BAD = ("error", "warning", "assert")  # of a console
_HEIGHT = 800  # pixels, of the window
_PHONE = 600  # pixels: narrower than this is a phone
_FLAGS = (
    "--headless",
    "--remote-debugging-port=0",  # any; it is then in a file of the profile
    # It opens the tests' own pages only, and in a container root has no sandbox.
    "--no-sandbox",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-gpu",
    # A scroll bar takes from the width, and hides that a page is too wide by as much.
    "--hide-scrollbars",
    # What a page asks of the network is seen, and never sent.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)


class _DevTools:
    """Chromium's DevTools protocol: commands, and the events between their answers."""

    def __init__(self, socket: websockets.sync.client.ClientConnection) -> None:
        self._socket = socket
        self._commands = 0
        self._events: dict[str | None, list[dict[str, Any]]] = {}

    def events(self, session: str) -> list[dict[str, Any]]:
        """What a session has told so far."""
        return self._events.setdefault(session, [])

    def call(
        self, method: str, session: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """Gives a command's result."""
        command = self._send(method, session, parameters)
        end = time.monotonic() + _ANSWER
        while True:
            message = self._receive(end, method)
            if message.get("id") == command:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    def wait_for(self, event: str, session: str) -> None:
        """Waits until a session has told of an event."""
        end = time.monotonic() + _ANSWER
        while all(one["method"] != event for one in self.events(session)):
            self._receive(end, event)

    def _send(self, method: str, session: str | None, parameters: dict) -> int:
        self._commands += 1
        command = {"id": self._commands, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        self._socket.send(json.dumps(command))
        return self._commands

    def _receive(self, end: float, awaited: str) -> dict[str, Any]:
        try:
            left = max(0, end - time.monotonic())
            message = json.loads(self._socket.recv(timeout=left))
        except TimeoutError as error:
            raise TimeoutError(f"no {awaited} in {_ANSWER} s") from error
        if "method" in message:
            session = message.get("sessionId")
            self._events.setdefault(session, []).append(message)
            if message["method"] == "Page.javascriptDialogOpening":
                # The page waits for a person, and answers nothing before.
                self._send("Page.handleJavaScriptDialog", session, {"accept": False})
        return message


class Page:
    """An HTML file that is open; `Browser.open` makes it.

    Args:
        tools: of the browser.
        session: with the tab.
        path: of the file.
        emulated: what `emulate` takes, for how it is loaded.
    """

    def __init__(
        self,
        tools: _DevTools,
        session: str,
        path: pathlib.Path,
        emulated: dict[str, Any],
    ) -> None:
        self._tools = tools
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self.emulate(**emulated)
        loaded = self._call("Page.navigate", url=path.resolve().as_uri())
        assert "errorText" not in loaded, f"{path}: {loaded['errorText']}"
        self._request = loaded["loaderId"]
        tools.wait_for("Page.loadEventFired", session)

    def emulate(self, width: int, dark: bool = False, media: str = "screen") -> None:
        """Shows the page otherwise, as it is open.

        Args:
            width: of the window in CSS pixels; less than 600 is a phone, on which a
                page without a viewport is as wide as on a desk.
            dark: whether the person prefers a dark color scheme.
            media: `screen` or `print`.
        """
        self._width = width
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=_HEIGHT,
            deviceScaleFactor=1,
            mobile=width < _PHONE,
        )
        scheme = {
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light",
        }
        self._call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    @property
    def console(self) -> list[str]:
        """What the page complained of so far, and what it asked of the network.

        Warnings and errors of its console, errors that no script caught, dialogs, and
        each request but that of the file itself and of `data:` URIs.
        """
        self.evaluate("0")  # what was told before its answer is here then
        lines = map(self._complaint, self._tools.events(self._session))
        return [line for line in lines if line is not None]

    @property
    def scroll_width(self) -> int:
        """The width of what the page shows; more than the window's is scrolled."""
        return self.evaluate("document.documentElement.scrollWidth")

    def evaluate(self, script: str) -> Any:
        """Gives the value of a JavaScript expression; waits for that of a promise."""
        done = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, _described(done["exceptionDetails"])
        return done["result"].get("value")

    def screenshot(self) -> bytes:
        """Gives a PNG as wide as the window and as high as the whole page."""
        self._call("Page.bringToFront")  # a tab behind another may never be drawn
        height = self._call("Page.getLayoutMetrics")["cssContentSize"]["height"]
        clip = {"x": 0, "y": 0, "width": self._width, "height": height, "scale": 1}
        taken = self._call(
            "Page.captureScreenshot", clip=clip, captureBeyondViewport=True
        )
        return base64.b64decode(taken["data"])

    def axe(self) -> list[str]:
        """Gives what axe-core finds serious or critical: rule, what, and where."""
        if not self.evaluate("'axe' in window"):
            self.evaluate(_axe() + "; 0")
        # It would fetch style sheets itself.
        found = self.evaluate("axe.run({preload: false})")
        assert found["passes"], "axe-core looked at nothing"
        return [
            f"{violation['id']}: {violation['help']}: {node['html']}"
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._tools.call(method, self._session, **parameters)

    def _complaint(self, event: dict[str, Any]) -> str | None:
        told = event["params"]
        match event["method"]:
            case "Runtime.consoleAPICalled" if told["type"] in _BAD:
                texts = (a.get("value", a.get("description")) for a in told["args"])
                return f"{told['type']}: {' '.join(map(str, texts))}"
            case "Runtime.exceptionThrown":
                return f"error: {_described(told['exceptionDetails'])}"
            case "Log.entryAdded" if told["entry"]["level"] in _BAD:
                return f"{told['entry']['level']}: {told['entry']['text']}"
            case "Page.javascriptDialogOpening":
                return f"dialog: {told['message']}"
            case "Network.webSocketCreated":
                return f"request: {told['url']}"
            case "Network.requestWillBeSent" if told["requestId"] != self._request:
                url = told["request"]["url"]
                return None if url.startswith("data:") else f"request: {url}"
        return None


class Browser:
    """A Chromium that runs; `browser` starts it."""

    def __init__(self, tools: _DevTools) -> None:
        self._tools = tools

    @contextlib.contextmanager
    def open(
        self,
        path: pathlib.Path,
        width: int = 1024,
        dark: bool = False,
        media: str = "screen",
    ) -> Iterator[Page]:
        """Opens an HTML file in a tab, until the end; `Page.emulate` has the rest."""
        call = self._tools.call
        tab = call("Target.createTarget", url="about:blank")["targetId"]
        session = call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        emulated = {"width": width, "dark": dark, "media": media}
        try:
            yield Page(self._tools, session, path, emulated)
        finally:
            call("Target.closeTarget", targetId=tab)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Runs a Chromium with a profile of its own, until the end.

    The environment's CHROMIUM names another one than `chromium`.
    """
    name = os.environ.get("CHROMIUM") or "chromium"
    program = shutil.which(name)
    assert program, f"no {name}: run launch_scripts/setup_browser.sh"
    # Its processes may write until they are gone, one after another.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        log = pathlib.Path(directory, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, f"--user-data-dir={directory}", *_FLAGS],
                stdout=output,
                stderr=output,
                env={**os.environ, "HOME": directory},
                start_new_session=True,
            )
        try:
            address = _address(process, pathlib.Path(directory), log)
            with websockets.sync.client.connect(
                address, max_size=None, proxy=None
            ) as socket:
                tools = _DevTools(socket)
                yield Browser(tools)
                tools.call("Browser.close")
            process.wait(_ANSWER)
        finally:
            # What is left of it after an error.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(
    process: subprocess.Popen, profile: pathlib.Path, log: pathlib.Path
) -> str:
    """Waits until Chromium has written where it listens."""
    end = time.monotonic() + _START
    while True:
        with contextlib.suppress(FileNotFoundError):
            written = (profile / "DevToolsActivePort").read_text()
            port, _, path = written.partition("\n")
            if path:
                return f"ws://127.0.0.1:{port}{path}"
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(0.05)


def _described(details: dict[str, Any]) -> str:
    return details.get("exception", {}).get("description") or details["text"]


@functools.cache
def _axe() -> str:
    package = importlib.resources.files("axe_playwright_python")
    return (package / "axe.min.js").read_text(encoding="utf-8")

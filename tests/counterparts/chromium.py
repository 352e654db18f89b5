"""Debian's Chromium, driven through the DevTools protocol: what a person's browser does.

One browser serves many tests, each with a context of its own: no cookie or storage of another's.
The protocol goes over a pipe (--remote-debugging-pipe), so there is neither a port nor a library,
and all that is asked of Chromium is in this file. Nothing here runs in the background: what a page
did is read when the next thing is asked.

A page is left in order only if nothing went wrong in it: no exception, no error in its console, no
dialog, no request to another machine, and no call of CANARY, which hostile texts try. Chromium
looks up no name; those that end in .test are this machine.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tests.counterparts.base import BUSY, PeerError

# Chromium without its windows: a third of the time until a page is there, and nothing beside it.
PROGRAM = "chromium-headless-shell"
CANARY = "__owned"  # a function that no page of ours calls
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE = 30.0 * BUSY  # seconds for what takes a moment on a quiet machine
_EVERY = 0.03
_FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
    "--remote-debugging-pipe",
)
_PIPE = 'exec 3<&"$0" 4>&"$0"; exec "$@"'  # where Chromium reads and writes
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, " ": 32}
# What is to be seen of the elements that match, and whose text holds what is asked for.
_SEEN = """const seen = (selector, text) => [...document.querySelectorAll(selector)].filter((e) =>
  e.checkVisibility({visibilityProperty: true}) && e.textContent.includes(text));"""


@dataclass(frozen=True)
class Viewport:
    """In CSS pixels. `mobile`: a touch screen, which takes the page's own word for its width."""

    width: int
    height: int
    mobile: bool = False


DESKTOP = Viewport(1280, 900)
PHONE = Viewport(360, 740, mobile=True)


class Chromium:
    """`with Chromium() as chromium`."""

    def __init__(self) -> None:
        if shutil.which(PROGRAM) is None:
            raise PeerError(f"{PROGRAM} is not installed: tools/need @test")
        self._directory = tempfile.mkdtemp(prefix="kwaainet-chromium-")
        self._sock, theirs = socket.socketpair()
        self._sock.settimeout(PATIENCE)
        with theirs, (Path(self._directory) / "log").open("wb") as log:
            theirs.set_inheritable(True)
            start = ["bash", "-c", _PIPE, str(theirs.fileno()), PROGRAM, *_FLAGS]
            self._process = subprocess.Popen(
                [*start, f"--user-data-dir={self._directory}/profile"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        self._received = bytearray()
        self._asked = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(PeerError, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._sock.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextlib.contextmanager
    def page(self, viewport: Viewport = DESKTOP, *, dark: bool = False) -> Iterator[Page]:
        """A page in a context of its own. Raises AssertionError if something went wrong in it."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            made = self.call("Target.createTarget", url="about:blank", browserContextId=context)
            target = made["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            session = attached["sessionId"]
            page = self._pages[session] = Page(self, session)
            page.prepare(viewport, dark)
            yield page
            page.check()
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def version(self) -> str:
        """Such as Chrome/156.0.8078.114."""
        return str(self.call("Browser.getVersion")["product"])

    def call(self, method: str, session: str = "", /, **params: object) -> dict[str, Any]:
        """The protocol's answer. Raises PeerError with the browser's words."""
        wanted = self.send(method, session, **params)
        while wanted not in self._answers:
            self._take()
        answer = self._answers.pop(wanted)
        if "error" in answer:
            raise PeerError(f"{method}: {answer['error'].get('message')}")
        return dict(answer["result"])

    def send(self, method: str, session: str = "", /, **params: object) -> int:
        """Ask without waiting; the number of the answer."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._sock.sendall(json.dumps(message).encode() + b"\0")
        return self._asked

    def _take(self) -> None:
        """Read one message: an answer, or something that happened in a page."""
        while b"\0" not in self._received:
            try:
                data = self._sock.recv(1 << 20)
            except TimeoutError:
                raise PeerError("Chromium does not answer") from None
            if not data:
                raise PeerError(f"Chromium ended\n{self._log()}")
            self._received += data
        line, _, rest = bytes(self._received).partition(b"\0")
        self._received[:] = rest
        message = json.loads(line)
        if "id" in message:
            self._answers[message["id"]] = message
        elif message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].happened(message["method"], message["params"])

    def _log(self) -> str:
        path = Path(self._directory) / "log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""


class Page:
    """A tab. Selectors are CSS; `text`: what the element's text must hold.

    What an action needs is waited for: an element that is there, seen, still and not covered.
    `requests`: what it asked for, in order: {"method", "url", "postData"?...} as the protocol says.
    """

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = False
        self.errors: list[str] = []
        self.requests: list[dict[str, Any]] = []

    # -- what one does with it

    def open(self, url: str) -> None:
        """Go there; returns when the page and what it names are loaded."""
        self._loaded = False
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise PeerError(f"{url}: {answer['errorText']}")
        self.until_loaded()

    def until_loaded(self) -> None:
        """After something that makes the page load anew; open() does it by itself."""
        self._wait(lambda: self._loaded, lambda: "the page is not loaded")
        self._loaded = False

    def click(self, selector: str, text: str = "") -> None:
        """Click into the middle of it."""
        x, y = self._point(selector, text)
        self._mouse("mouseMoved", x, y, 0)
        self._mouse("mousePressed", x, y, 1)
        self._mouse("mouseReleased", x, y, 1)

    def drag(self, start: str, end: str) -> None:
        """Press on `start`, move over to `end`, let go there."""
        x, y = self._point(start, "")
        self._mouse("mouseMoved", x, y, 0)
        self._mouse("mousePressed", x, y, 1)
        x, y = self._point(end, "", scroll=False)
        self._mouse("mouseMoved", x, y, 1)
        self._mouse("mouseReleased", x, y, 1)

    def type(self, selector: str, value: str) -> None:
        """Put `value` in the place of what stands in a field."""
        self.click(selector)
        self.evaluate(f"(s) => {{ {_SEEN} seen(s, '')[0].select(); }}", selector)
        if value:
            self.call("Input.insertText", text=value)
        else:
            self.key("Delete")

    def choose(self, selector: str, value: str) -> None:
        """Choose the option of a <select> that has this value."""
        self.evaluate(
            f"""(s, value) => {{ {_SEEN} const box = seen(s, '')[0];
            if (![...box.options].some((o) => o.value === value)) throw Error('no ' + value);
            box.value = value;
            for (const name of ['input', 'change'])
              box.dispatchEvent(new Event(name, {{bubbles: true}})); }}""",
            selector,
            value,
        )

    def key(self, name: str) -> None:
        """Press a key on what has the focus: `Enter`, `Escape`, `Tab`, or one character."""
        key: dict[str, Any] = {"key": name}
        key["windowsVirtualKeyCode"] = _KEYS.get(name, 46 if name == "Delete" else ord(name[0]))
        if name == "Enter":
            key["text"] = "\r"
        elif len(name) == 1:
            key["text"] = name
        self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    # -- what one sees

    def text(self, selector: str = "body") -> str:
        """The text of the first that is seen, as it is shown; waits for one."""
        asked = (
            f"(s) => {{ {_SEEN} const found = seen(s, '')[0]; return found && [found.innerText]; }}"
        )
        return str(self.wait(asked, selector)[0])

    def texts(self, selector: str) -> list[str]:
        """Those of all that are seen now."""
        asked = f"(s) => {{ {_SEEN} return seen(s, '').map((e) => e.innerText); }}"
        return list(self.evaluate(asked, selector))

    def attribute(self, selector: str, name: str) -> str | None:
        """Of the first that matches, seen or not; a property of that name goes before."""
        asked = """(s, name) => { const e = document.querySelector(s);
            return e && [name in e ? String(e[name]) : e.getAttribute(name)]; }"""
        found = self.wait(asked, selector, name)[0]
        return None if found is None else str(found)

    def count(self, selector: str) -> int:
        """How many are seen now."""
        return len(self.texts(selector))

    def until(self, selector: str, text: str = "") -> None:
        """Wait until such an element is seen."""
        self.wait(f"(s, text) => {{ {_SEEN} return seen(s, text).length > 0; }}", selector, text)

    def until_gone(self, selector: str, text: str = "") -> None:
        """Wait until no such element is seen."""
        self.wait(f"(s, text) => {{ {_SEEN} return !seen(s, text).length; }}", selector, text)

    def evaluate(self, function: str, *arguments: object) -> Any:
        """What a JavaScript function of the page returns, or what its promise brings."""
        given = ", ".join(json.dumps(argument) for argument in arguments)
        answer = self.call(
            "Runtime.evaluate",
            expression=f"({function})({given})",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]
            said = thrown.get("exception", {}).get("description", thrown["text"])
            raise PeerError(f"{function}: {said}")
        return answer["result"].get("value")

    def wait(self, function: str, *arguments: object) -> Any:
        """The first true value of a JavaScript function that is asked again and again."""

        def ask() -> Any:
            try:
                return self.evaluate(function, *arguments)
            except PeerError as error:
                if "context" in str(error):  # gone with the page that was left meanwhile
                    return None
                raise

        return self._wait(ask, lambda: f"{function} of {arguments}: never true of\n{self._shown()}")

    def screenshot(self, name: str, *, whole: bool = True, at: Path = SCREENSHOTS) -> Path:
        """Keep a picture as NAME.png; of the `whole` page, else of what fits the viewport."""
        at.mkdir(parents=True, exist_ok=True)
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path = at / f"{name}.png"
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def take_errors(self) -> list[str]:
        """What went wrong so far, which then does not count any more."""
        self.evaluate("() => 0")
        found, self.errors = self.errors, []
        return found

    def take_error(self, text: str) -> None:
        """Wait for what is meant to go wrong: its errors hold `text`, and do not count any more."""

        def heard() -> bool:
            return any(text in error for error in self.errors)

        self._wait(heard, lambda: f"no error with {text}")
        self.errors = [error for error in self.errors if text not in error]

    # -- how it is seen

    def resize(self, viewport: Viewport) -> None:
        """Show it on another screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=viewport.width,
            height=viewport.height,
            deviceScaleFactor=1,
            mobile=viewport.mobile,
            screenWidth=viewport.width,
            screenHeight=viewport.height,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=viewport.mobile)

    def prefer(self, *, dark: bool) -> None:
        """Prefer a dark or a light page, as the user's system does."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        features += [{"name": "prefers-reduced-motion", "value": "reduce"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def disable_scripts(self) -> None:
        """Run no script of the pages opened from now on; evaluate() goes on."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    def slow_down(self, times: float) -> None:
        """Have it run so many times slower than this machine."""
        self.call("Emulation.setCPUThrottlingRate", rate=times)

    # -- the protocol

    def call(self, method: str, /, **params: object) -> dict[str, Any]:
        """What Chromium answers for this page. Raises PeerError."""
        return self._browser.call(method, self._session, **params)

    def prepare(self, viewport: Viewport, dark: bool) -> None:
        """What comes before the first page."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Runtime.addBinding", name=CANARY)
        self.resize(viewport)
        self.prefer(dark=dark)

    def check(self) -> None:
        """Raises AssertionError with what went wrong in it."""
        found = self.take_errors()
        assert not found, "\n".join(found)

    def happened(self, method: str, params: dict[str, Any]) -> None:
        """Note what the protocol told of this page."""
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self._requested(params["request"])
        elif method == "Page.javascriptDialogOpening":
            self.errors.append(f"a dialog: {params['message']}")
            self._browser.send("Page.handleJavaScriptDialog", self._session, accept=False)
        elif method in _WRONG:
            self.errors.extend(_WRONG[method](params))

    def _requested(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        url = urlsplit(request["url"])
        host = url.hostname or ""
        ours = host in ("127.0.0.1", "::1", "localhost") or host.endswith(".test")
        if url.scheme not in ("data", "blob", "about") and not ours:
            self.errors.append(f"asked another machine: {request['url']}")

    def _point(self, selector: str, text: str, *, scroll: bool = True) -> tuple[float, float]:
        """The middle of an element that has come to rest there, with nothing above it."""
        asked = f"""(s, text, scroll) => {{ {_SEEN} const found = seen(s, text)[0];
            if (!found) return null;
            if (scroll) found.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = found.getBoundingClientRect();
            const at = [box.x + box.width / 2, box.y + box.height / 2];
            const top = document.elementFromPoint(...at);
            return top && (found.contains(top) || top.contains(found)) && at; }}"""
        before: list[float] = []
        while (found := self.wait(asked, selector, text, scroll)) != before:
            before = found
            time.sleep(_EVERY)
        return found[0], found[1]

    def _mouse(self, kind: str, x: float, y: float, pressed: int) -> None:
        button = "none" if kind == "mouseMoved" and not pressed else "left"
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=pressed if kind != "mouseReleased" else 0,
            clickCount=int(kind != "mouseMoved"),
        )

    def _wait(self, ask: Callable[[], Any], complaint: Callable[[], str]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := ask()):
            if time.monotonic() > deadline:
                self._give_up(complaint())
            time.sleep(_EVERY)
            self._browser.call("Browser.getVersion")  # hear what happened meanwhile
        return found

    def _give_up(self, why: str) -> NoReturn:
        self.screenshot("given-up")
        raise PeerError("\n".join([why, *self.errors]))

    def _shown(self) -> str:
        return str(self.evaluate("() => document.body && document.body.innerText"))[:1000]


def _of_exception(params: dict[str, Any]) -> list[str]:
    thrown = params["exceptionDetails"]
    return [f"an exception: {thrown.get('exception', {}).get('description', thrown['text'])}"]


def _of_console(params: dict[str, Any]) -> list[str]:
    if params["type"] not in ("error", "assert"):
        return []
    words = [str(each.get("value", each.get("description"))) for each in params["args"]]
    return [f"console: {' '.join(words)}"]


def _of_log(params: dict[str, Any]) -> list[str]:
    entry = params["entry"]
    if entry["level"] != "error" or entry.get("url", "").endswith("/favicon.ico"):
        return []
    return [f"{entry['source']}: {entry['text']} {entry.get('url', '')}"]


def _of_canary(params: dict[str, Any]) -> list[str]:
    return [f"a hostile text ran: {params['payload']}"]


_WRONG: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "Runtime.exceptionThrown": _of_exception,
    "Runtime.consoleAPICalled": _of_console,
    "Log.entryAdded": _of_log,
    "Runtime.bindingCalled": _of_canary,
}

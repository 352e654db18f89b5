"""A stand-in for a router with LuCI: rpcd's objects, sessions, and LuCI's page around a view.

The app's files come from openwrt/luci-app-kwaainet, and LuCI's own JavaScript from its stand-in in
standin/ or, given another directory, is the real one. A call goes the way it goes on a router:
JSON-RPC at /ubus (uhttpd.py), the session's rights by acl.d (rights.py), then `kwaainet` by the
exec plugin under busybox ash, `uci` by uci_config.py on the router's file, and some objects of
LuCI's by fixed answers.

What it does not do: log in, roll back by itself what nobody confirms, and restart a node on reload.
"""

import contextlib
import html
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from openwrt.package.recipe import HERE
from tests.counterparts.chromium import Page
from tests.luci.rights import APP, SESSIONS, Rights, rights_of
from tests.luci.uci_config import UciConfig, UciError
from tests.luci.uhttpd import TOKEN, Uhttpd
from tests.openwrt.router_root import RouterRoot

STANDIN = Path(__file__).parent / "standin"
PLUGIN = "/usr/libexec/rpcd/kwaainet"
OK, INVALID_ARGUMENT, DENIED = 0, 2, 6
# The view, its style and the first answers to its polls are there.
_DRAWN = """() => !document.querySelector('#view > .spinning') &&
    [...document.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet) &&
    (!window.L || L.Poll.queue.every((entry) => entry.ready ?? entry.r))"""
_ERRORS = {
    -32700: "Parse error",
    -32601: "Method not found",
    -32602: "Invalid parameters",
    -32000: "Object not found",
    -32002: "Access denied",
}
_ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("luci", "getFeatures"): {},
    ("system", "board"): {"hostname": "OpenWrt", "model": "A router"},
    ("luci-rpc", "getDHCPLeases"): {
        "dhcp_leases": [
            {
                "expires": 3600,
                "hostname": "nas",
                "macaddr": "00:16:3E:12:34:56",
                "ipaddr": "192.168.1.20",
            },
            {
                "expires": 900,
                "hostname": "desk",
                "macaddr": "00:16:3E:AB:CD:EF",
                "ipaddr": "192.168.1.21",
            },
        ],
        "dhcp6_leases": [],
    },
}
_PAGE = """<!DOCTYPE html>
<html lang="{language}" data-darkmode="">
<head>
<meta charset="utf-8">
<title>KwaaiNet - LuCI</title>
<meta name="viewport" content="initial-scale=1.0">
<script>
	var dark = window.matchMedia('(prefers-color-scheme: dark)');
	document.documentElement.setAttribute('data-darkmode', dark.matches);
</script>
{head}
</head>
<body class="lang_{language}">
<header><a class="brand" href="/">OpenWrt</a><ul class="nav" id="topmenu"></ul>
<div id="indicators" class="pull-right"></div></header>
<div id="maincontent" class="container">
<div id="tabmenu">{tabs}</div>
<div id="view"><div class="spinning">Loading view…</div></div>
</div>
<script>
	L.require('ui').then(function(ui) {{ ui.instantiateView('{view}'); }});
</script>
</body>
</html>
"""
_HEAD = """<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css">
<link rel="stylesheet" media="only screen and (max-device-width: 854px)"
 href="/luci-static/bootstrap/mobile.css">
<script src="/cgi-bin/luci/admin/translations/{language}"></script>
<script src="/luci-static/resources/cbi.js"></script>
<script src="/luci-static/resources/luci.js"></script>
<script>L = new LuCI({env});</script>"""


class Luci:
    """`with Luci(router) as luci`; then `luci.open(page, "overview")`.

    `answers`: by (object, method) what objects answer that are neither the app's nor uci; one for
    ("kwaainet", METHOD) takes the place of the plugin. `calls`: what was asked, as (object, method,
    arguments), in order. `views`: the sources of views that the app does not have, by name. `at`:
    LuCI's files, else the stand-in of them.
    """

    def __init__(self, router: RouterRoot, at: Path = STANDIN) -> None:
        self.router = router
        self.answers: dict[tuple[str, str], dict[str, Any]] = dict(_ANSWERS)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.views: dict[str, str] = {}
        self.uci = UciConfig(router.path("/etc/config/kwaainet"))
        self._roots = [
            APP / "htdocs",
            at,
            *at.glob("modules/*/htdocs"),
            *at.glob("themes/*/htdocs"),
        ]
        self._lock = threading.Lock()
        self._server = Uhttpd(self)

    def __enter__(self) -> "Luci":
        threading.Thread(target=self._server.serve_forever, args=[0.05]).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def config(self) -> str:
        """The text of /etc/config/kwaainet."""
        return self.uci.path.read_text()

    def configure(self, text: str) -> None:
        """Put `text` in the place of /etc/config/kwaainet, and forget what is staged."""
        self.uci.path.write_text(text)
        self.uci.revert()

    def open(self, page: Page, view: str, session: str = "owner", language: str = "en") -> None:
        """Show a view of the app to somebody: "owner", "reader" (no rights to write), "nobody".

        Returns when the view has drawn itself, or said that it may not.
        """
        cookie = {"name": "sysauth_http", "value": SESSIONS[session][0], "url": self.origin}
        page.call("Network.setCookie", **cookie)
        page.open(f"{self.origin}/cgi-bin/luci/admin/services/kwaainet/{view}?lang={language}")
        page.wait(_DRAWN)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Meanwhile no call goes on: those that were asked are answered, others wait."""
        with self._lock:
            yield

    # -- what the handler asks

    def page(self, sid: str, view: str, language: str) -> str | None:
        """LuCI's page around a view; None for a session that may not see it."""
        rights = rights_of(sid)
        if not rights.sees_the_app:
            return None
        env = {
            "media": "/luci-static/bootstrap",
            "resource": "/luci-static/resources",
            "scriptname": "/cgi-bin/luci",
            "pathinfo": f"/admin/services/kwaainet/{view}",
            "documentroot": "/www",
            "requestpath": ["admin", "services", "kwaainet", view],
            "dispatchpath": ["admin", "services", "kwaainet", view],
            "pollinterval": 5,
            "ubuspath": "/ubus/",
            "sessionid": sid,
            "token": TOKEN,
            "nodespec": {"satisfied": True, "readonly": not rights.write},
            "apply_rollback": 90,
            "apply_holdoff": 1,
            "apply_timeout": 5,
            "apply_display": 0.1,
        }
        head = _HEAD.format(language=language, env=json.dumps(env).replace("/", "\\/"))
        tabs = _tabs(view)
        return _PAGE.format(language=language, head=head, tabs=tabs, view=f"kwaainet/{view}")

    def file(self, path: str) -> bytes | None:
        """What is served at `path`: of the first directory that has it."""
        folder, _, name = path.removesuffix(".js").rpartition("/")
        if folder.endswith("/view/kwaainet") and name in self.views:
            return self.views[name].encode()
        for root in self._roots:
            found = (root / path.lstrip("/")).resolve()
            if found.is_file() and found.is_relative_to(root.resolve()):
                return found.read_bytes()
        return None

    def translations(self, language: str) -> str:
        """The app's texts of another language, for the stand-in's _()."""
        catalogue = APP / "po" / language / "kwaainet.po"
        found = _catalogue(catalogue.read_text()) if catalogue.exists() else {}
        return f"window.TR = {json.dumps(found)};"

    def rpc(self, asked: object) -> dict[str, Any]:
        """The answer to one JSON-RPC request."""
        if not isinstance(asked, dict):
            return _error(None, -32700)
        number, params = asked.get("id"), asked.get("params")
        if asked.get("method") == "list":
            return {"jsonrpc": "2.0", "id": number, "result": {}}
        if asked.get("method") != "call":
            return _error(number, -32601)
        if not (isinstance(params, list) and len(params) == 4 and isinstance(params[3], dict)):
            return _error(number, -32602)
        sid, name, method, arguments = params
        if name != "session" and not rights_of(sid).may("ubus", name, method):
            return _error(number, -32002)
        with self._lock:
            self.calls.append((name, method, arguments))
            result = self._call(sid, name, method, arguments)
        return _error(number, -32000) if result is None else _result(number, result)

    def apply(self) -> None:
        """Write what is staged, and have the service take it."""
        with self._lock, contextlib.suppress(UciError):
            self.uci.apply()
            self.router.service("reload")

    def revert(self) -> None:
        with self._lock:
            self.uci.revert()

    # -- ubus's objects

    def _call(self, sid: str, name: str, method: str, arguments: dict[str, Any]) -> Any:
        """[status, answer?]; None for an object that is not there."""
        if (name, method) in self.answers:
            return [OK, self.answers[name, method]]
        if name == "session" and method == "access":
            asked = [str(arguments.get(key, "")) for key in ("scope", "object", "function")]
            return [OK, {"access": rights_of(sid).may(*asked)}]
        if name == "uci":
            return self._uci(rights_of(sid), method, arguments)
        if name == "kwaainet" and self.router.path(PLUGIN).exists():
            return self._plugin(method, {**arguments, "ubus_rpc_session": sid})
        return None

    def _plugin(self, method: str, arguments: dict[str, Any]) -> list[Any]:
        """As rpcd runs an exec plugin: an output that is no JSON object says a wrong argument."""
        said = self.router.run(
            "/applets/ash", PLUGIN, "call", method, given=json.dumps(arguments)
        ).stdout
        try:
            answer = json.loads(said)
        except ValueError:
            return [INVALID_ARGUMENT]
        return [OK, answer] if isinstance(answer, dict) else [INVALID_ARGUMENT]

    def _uci(self, rights: Rights, method: str, given: dict[str, Any]) -> list[Any]:
        if method == "changes":
            seen = rights.may("uci", "kwaainet", "read") and self.uci.changed
            return [OK, {"changes": {"kwaainet": self.uci.changed} if seen else {}}]
        kind = "read" if method == "get" else "write"
        if given.get("config", "kwaainet") != "kwaainet":
            return [DENIED]
        if not rights.may("uci", "kwaainet", kind):
            return [DENIED]
        done: dict[str, Callable[[], object]] = {
            "get": lambda: {"values": self.uci.get()},
            "add": lambda: {
                "section": self.uci.add(given["type"], given.get("name"), given.get("values", {}))
            },
            "set": lambda: self.uci.set(given["section"], given["values"]),
            "delete": lambda: self.uci.delete(given["section"], _options(given)),
            "order": lambda: self.uci.order(given["sections"]),
            "revert": self.uci.revert,
            "apply": self.uci.apply,
            "confirm": lambda: None,
        }
        try:
            answer = done[method]()
        except UciError as error:
            return [error.status]
        except KeyError:
            return [INVALID_ARGUMENT]
        return [OK] if answer is None else [OK, answer]


@contextlib.contextmanager
def router_with_app(directory: Path) -> Iterator[RouterRoot]:
    """A router on which the app is installed; its files are in `directory`."""
    with RouterRoot(directory) as router:
        shutil.copytree(APP / "root", router.path("/"), dirs_exist_ok=True)
        yield router


def as_installed(router: RouterRoot) -> None:
    """Put the package's configuration back, and have the service never been started."""
    shutil.copy(HERE / "files/etc/config/kwaainet", router.path("/etc/config/kwaainet"))
    for path in ("/var/run/kwaainet", "/var/etc/kwaainet", "/etc/kwaainet/data"):
        shutil.rmtree(router.path(path), ignore_errors=True)
    for path in ("instance", "events", "triggers", "logread"):
        router.path(f"/tmp/procd/{path}").unlink(missing_ok=True)


def _options(given: dict[str, Any]) -> list[str] | None:
    if given.get("option"):
        return [given["option"]]
    found = given.get("options")
    return None if found is None else list(found)


def _error(number: object, code: int) -> dict[str, Any]:
    error = {"code": code, "message": _ERRORS[code]}
    return {"jsonrpc": "2.0", "id": number, "error": error}


def _result(number: object, result: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _tabs(view: str) -> str:
    """The app's views by menu.d, as a theme shows them."""
    menu = json.loads((APP / "root/usr/share/luci/menu.d/luci-app-kwaainet.json").read_text())
    views = {
        path: node for path, node in menu.items() if path.startswith("admin/services/kwaainet/")
    }
    lines = [
        f'<li class="tabmenu-item-{path.rpartition("/")[2]}'
        f'{" active" if path.endswith(f"/{view}") else ""}">'
        f'<a href="/cgi-bin/luci/{path}">{html.escape(node["title"])}</a></li>'
        for path, node in sorted(views.items(), key=lambda each: each[1]["order"])
    ]
    return f'<ul class="tabs">{"".join(lines)}</ul>'


def _catalogue(text: str) -> dict[str, str]:
    """The translations of a .po file."""
    found = {}
    for source, target in re.findall(r'msgid ((?:".*"\s*)+)msgstr ((?:".*"\s*)+)', text):
        words = [
            "".join(json.loads(line) for line in part.splitlines() if line)
            for part in (source, target)
        ]
        if all(words):
            found[words[0]] = words[1]
    return found

"""The HTTP of the stand-in: files, ubus over JSON-RPC, a few paths of LuCI's controllers."""

from __future__ import annotations

import json
import mimetypes
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.luci.rights import NOBODY, SESSIONS, rights_of

if TYPE_CHECKING:
    from tests.luci.server import Luci

TOKEN = "d" * 32  # LuCI's against requests from other pages
_MAX_BODY = 65536  # as uhttpd takes
_VIEW = re.compile(r"/cgi-bin/luci/admin/services/kwaainet/(\w+)")
_TRANSLATIONS = re.compile(r"/cgi-bin/luci/admin/translations/(\w+)")
_STAGED = "/cgi-bin/luci/admin/uci/"


class Uhttpd(ThreadingHTTPServer):
    """On a free port of the loopback."""

    daemon_threads = True

    def __init__(self, luci: Luci) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.luci = luci

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was left does not wait for its answers."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Uhttpd

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/luci-static/"):
            self._file(url.path)
        elif found := _TRANSLATIONS.fullmatch(url.path):
            self._say(200, "text/javascript", self.server.luci.translations(found[1]))
        elif found := _VIEW.fullmatch(url.path):
            self._view(found[1], {name: values[0] for name, values in parse_qs(url.query).items()})
        else:
            self._say(404, "text/plain", "not found")

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        path = url.path
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length <= _MAX_BODY else b""
        if path.startswith("/ubus"):
            self._ubus(body)
        elif path.startswith(_STAGED):
            given = parse_qs(url.query) | parse_qs(body.decode())  # later LuCI uses the former
            self._staged(path.removeprefix(_STAGED), given)
        else:
            self._say(404, "text/plain", "not found")

    def _view(self, name: str, query: dict[str, str]) -> None:
        known = SESSIONS.get(query.get("as", ""))
        language = re.sub(r"\W", "", query.get("lang", "en"))
        page = self.server.luci.page(known[0] if known else self._session(), name, language)
        self._say(403 if page is None else 200, "text/html", page or "Log in")

    def _ubus(self, body: bytes) -> None:
        """One request or a list of them; no header lets pages of other origins read on."""
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        rpc = self.server.luci.rpc
        answer = [rpc(each) for each in asked] if isinstance(asked, list) else rpc(asked)
        self._say(200, "application/json", json.dumps(answer))

    def _staged(self, action: str, form: dict[str, list[str]]) -> None:
        """What LuCI's controller does with staged changes."""
        if action == "confirm":
            self._say(200, "text/plain", "")
        elif form.get("token") != [TOKEN] or not rights_of(self._session()).write:
            self._say(403, "text/plain", "no rights")
        elif action == "revert":
            self.server.luci.revert()
            self._say(200, "text/plain", "")
        else:
            self.server.luci.apply()
            self._say(200, "application/json", json.dumps({"token": TOKEN}))

    def _session(self) -> str:
        found = re.search(r"sysauth_http=(\w+)", self.headers.get("Cookie", ""))
        return found[1] if found else NOBODY

    def _file(self, path: str) -> None:
        data = self.server.luci.file(path)
        if data is None:
            self._say(404, "text/plain", "not found")
        else:
            self._say(200, mimetypes.guess_type(path)[0] or "application/octet-stream", data)

    def _say(self, status: int, kind: str, body: str | bytes) -> None:
        data = body.encode() if isinstance(body, str) else body
        text = kind.startswith("text/") or kind.endswith("json")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""

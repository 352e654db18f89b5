"""The page of the setup access point, for owners without a cable: which network, and whose peers.

One request at a time, of at most 1 KB, which is served in the turns of the loop. Who has not owned
the device before may name its owner's peers; afterwards the page changes the network alone.
"""

import socket
import time

from micropython import const

_PORT = const(80)
_MAX_REQUEST = const(1024)  # bytes
_TIME = const(10_000)  # ms for a request
_PAGE = """<!doctype html><meta name=viewport content="width=device-width"><title>kwaainet</title>
<h1>kwaainet relay</h1><p>Peer id: <code>%s</code><p>%s<form method=post>
<p><label>Wi-Fi network <input name=ssid maxlength=32 required></label>
<p><label>Password <input name=password type=password maxlength=63></label>%s
<p><button>Save and start</button></form>"""
_OWN = "<p><label>Peer ids of your own nodes, one a line<br><textarea name=own></textarea></label>"


class Portal:
    """`save(form)`: told what was entered. It raises ValueError if that is wrong."""

    def __init__(self, peer, first, save, log=print, port=_PORT):
        self._peer = peer
        self._first = first
        self._save = save
        self._log = log
        self._client = None
        self._request = b""
        self._since = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        self._listener.listen(1)
        self._listener.setblocking(False)

    def turn(self, now):
        """True: the owner has saved something."""
        try:
            if self._client is None:
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._request, self._since = b"", now
            if time.ticks_diff(now, self._since) > _TIME:
                self._drop()
                return False
            part = self._client.read(256)
            if part == b"":
                self._drop()
            elif part:
                self._request += part
                if len(self._request) > _MAX_REQUEST:
                    self._answer("413 Content Too Large", "")
                elif _complete(self._request):
                    return self._serve()
        except OSError:
            pass  # nobody there, or not yet
        return False

    def close(self):
        self._drop()
        self._listener.close()

    def _serve(self):
        head, _, body = self._request.partition(b"\r\n\r\n")
        if not head.startswith(b"POST "):
            self._answer("200 OK", self._page(""))
            return False
        try:
            self._save(fields(body.decode()))
        except (ValueError, UnicodeError) as error:
            self._answer("400 Bad Request", self._page(_escaped(str(error))))
            return False
        self._answer("200 OK", "<p>Saved. The device starts again in your network.")
        return True

    def _page(self, text):
        return _PAGE % (self._peer, text, _OWN if self._first else "")

    def _answer(self, status, page):
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
        self._client.setblocking(True)
        self._client.settimeout(3)
        self._client.write(
            head + f"Content-Length: {len(page.encode())}\r\nConnection: close\r\n\r\n"
        )
        self._client.write(page)
        self._drop()

    def _drop(self):
        if self._client is not None:
            self._client.close()
        self._client, self._request = None, b""


def _complete(request):
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            try:
                return len(body) >= int(value)
            except ValueError:
                return True
    return True


def fields(text):
    """A form as browsers send it, taken apart. Raises ValueError, UnicodeError."""
    found = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        found[name] = _plain(value)
    return found


def _plain(text):
    parts = text.replace("+", " ").split("%")
    out = parts[0].encode()
    for part in parts[1:]:
        out += bytes((int(part[:2], 16),)) + part[2:].encode()
    return out.decode()


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")

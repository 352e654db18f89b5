"""The address of an origin: scheme, host, port and a path before all others."""

from __future__ import annotations

_PORTS = {"http": 80, "https": 443}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
_HEX = frozenset("0123456789abcdef:")
MAX_URL = 512


class Url:
    """`host`: in lower case, an IPv6 address without brackets. `path`: "", or /a/b without a slash
    at its end.
    """

    __slots__ = ("host", "path", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, path: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path

    @classmethod
    def parse(cls, text: str) -> Url:
        """Raises ValueError. Neither user, query nor fragment, nor dots for a directory."""
        scheme, mark, rest = text.partition("://")
        authority, slash, path = rest.partition("/")
        if scheme not in _PORTS or not mark or len(text) > MAX_URL:
            raise ValueError("neither http:// nor https://")
        host, port = host_and_port(authority, _PORTS[scheme])
        path = (slash + path).rstrip("/")
        parts = path.split("/")[1:]
        if not _PATH.issuperset(path) or any(part in ("", ".", "..") for part in parts):
            raise ValueError("not a plain path")
        return cls(scheme, host, port, path)

    @property
    def authority(self) -> str:
        """The host as in the header Host: the port only if it is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def root(self) -> str:
        """Scheme and authority."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.root + self.path


def host_and_port(text: str, port: int = 0) -> tuple[str, int]:
    """Of host, host:port, [IPv6] or [IPv6]:port; `port` where none is said. Raises ValueError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        good = bracket and ":" in host and _HEX.issuperset(host.lower())
        if not good or (rest and not rest.startswith(":")):
            raise ValueError("not an IPv6 address in brackets")
        number = rest[1:] if rest else ""
        missing = not rest
    else:
        host, colon, number = text.partition(":")
        missing = not colon
        if not host or len(host) > 253 or not _HOST.issuperset(host.lower()):
            raise ValueError("not a host")
    if missing:
        return host.lower(), port
    if not (number.isascii() and number.isdecimal() and 0 < len(number) < 6):
        raise ValueError("not a port")
    if not 0 < int(number) < 65536:
        raise ValueError("not a port")
    return host.lower(), int(number)

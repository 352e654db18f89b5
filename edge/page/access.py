"""Whose requests the page answers.

Without a token, only those that cannot have come from elsewhere: the page listens on loopback
addresses alone and has no names, the client is on such an address, calls it by one, and no proxy
has left a trace: one of its headers, or HTTP/1.0, which nginx speaks to what is behind it unless
told otherwise, and no browser does. All others bring the token once, and then a cookie made from
it.

No page of another site gets anything: browsers say whose page asks (Sec-Fetch-Site, Origin).

Wrong tokens are not counted. Nobody guesses 128 bits, and to count would shut out the owner: who
comes through a proxy or a container's bridge has one address with whoever else does, and a page
that is still open tries its old cookie again and again.

Source: RFC 6265 sections 4 and 5, W3C Fetch Metadata section 2
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edge.http.request import Request
    from edge.page.token import Token

_AGE = 180 * 86400  # seconds that a browser keeps the cookie
_PROXIED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Access:
    """`name`: of this node's cookie, as several nodes may have one host.

    `closed`: whether the token is needed in any case; `configure` decides it.
    """

    def __init__(self, token: Token, name: str) -> None:
        self.closed = True
        self._token = token
        self._name = name

    def configure(self, hosts: Sequence[str], names: Collection[str]) -> None:
        """`hosts`: the IP addresses that are listened at; `names`: by which it may be called."""
        self.closed = bool(names) or not all(is_loopback(host) for host in hosts)

    def admits(self, request: Request) -> bool:
        """Whether it may be answered. It is asked again while an answer goes on."""
        return self._is_local(request) or self._has_session(request)

    def is_right(self, text: str) -> bool:
        """Whether `text` is the token."""
        return self._token.is_right(text)

    def is_stale(self, request: Request) -> bool:
        """Whether a request that is not admitted has a cookie, from before."""
        return bool(self._cookies(request))

    def cookie(self) -> tuple[str, str]:
        """The header that makes a session."""
        value = f"{self._name}={self._token.session()}; Max-Age={_AGE}; HttpOnly; SameSite=Strict"
        return "Set-Cookie", value

    def _is_local(self, request: Request) -> bool:
        return (
            not self.closed
            and is_loopback(request.client[0])
            and is_loopback(_host(request.host))
            and request.version != "1.0"
            and not any(request.headers.get(name) is not None for name in _PROXIED)
        )

    def _has_session(self, request: Request) -> bool:
        return any(self._token.is_session(text) for text in self._cookies(request))

    def _cookies(self, request: Request) -> list[str]:
        """Values of the cookies of our name; a browser has one, whoever else sets what."""
        found = ";".join(request.headers.all("cookie")).split(";")
        pairs = [each.strip().partition("=") for each in found]
        return [value for name, _, value in pairs if name == self._name][:4]


def is_foreign(request: Request) -> bool:
    """Whether a page of another site asks, not somebody who follows a link to the page itself."""
    headers = request.headers
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        return True
    if headers.get("sec-fetch-site") in (None, "same-origin", "none"):
        return False
    mode, kind = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return request.path != "/" or mode != "navigate" or kind not in (None, "document")


def is_loopback(host: str) -> bool:
    """Whether that is an IP address of this machine alone, or its name."""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.count(".") == 3)


def _host(text: str) -> str:
    """Without its port and its brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".").lower()

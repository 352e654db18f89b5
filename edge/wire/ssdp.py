"""SSDP, as much as finds a gateway that speaks UPnP: a search, and where an answer points.

Source: UPnP Device Architecture 1.1, section 1.3 (search)
"""

from edge.wire.errors import RemoteProtocolError

GROUP, PORT = "239.255.255.250", 1900
MAX_ANSWER = 2048  # bytes; a datagram that is not fragmented has fewer
MAX_LOCATION = 256
GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"

_PREFIX = "http://"


def search() -> bytes:
    """The question who is a gateway; a gateway of version 2 answers it, too."""
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {GROUP}:{PORT}",
        'MAN: "ssdp:discover"',
        "MX: 1",
        f"ST: {GATEWAY}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def location(answer: bytes) -> str:
    """The URL of the description of the gateway that answers.

    Raises RemoteProtocolError where there is none, or not one by plain HTTP.
    """
    if len(answer) > MAX_ANSWER or not answer.startswith(b"HTTP/1.1 200"):
        raise RemoteProtocolError("no answer to a search")
    for line in str(answer, "latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        url = value.strip()
        if colon and name.strip().lower() == "location":
            host(url)
            return url
    raise RemoteProtocolError("an answer to a search without a location")


def host(url: str) -> str:
    """Whose URL it is: the host's name or address. Raises RemoteProtocolError."""
    if not url.startswith(_PREFIX) or len(url) > MAX_LOCATION or not _is_plain(url):
        raise RemoteProtocolError("no URL by plain HTTP")
    authority = url[len(_PREFIX) :].partition("/")[0]
    name = authority.partition(":")[0]
    if not name or "@" in authority:
        raise RemoteProtocolError("a URL without a host")
    return name


def _is_plain(url: str) -> bool:
    return all("!" <= char <= "~" and char not in '\\"<>' for char in url)

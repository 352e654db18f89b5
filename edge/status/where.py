"""Where the page is, for whoever is to open it: `kwaainet page`."""

import socket

from edge import process
from edge.config.schema import Node, Status
from edge.page.token import Token
from edge.status import client
from edge.status.errors import StatusError
from edge.swarm import interfaces
from edge.wire.ip import LINK_LOCAL, LOOPBACK, scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.config.load import Config

    Address = tuple[str, int]  # IP address and port

_EVERYWHERE = {"0.0.0.0": 4, "::": 16}  # and how many bytes an address has that is meant by it


def show(config: "Config", new: bool) -> int:
    """Print the addresses, with the token or, if it is to be `new`, another; the exit status."""
    token = Token(config[Node].data_dir)
    try:
        text = token.renew() if new else token.text()
    except OSError as error:
        process.complain(f"kwaainet: {token.path}: {error.strerror}")
        return client.FAILED
    where = _served(config)
    for host in dict.fromkeys(_hosts(where, config[Status].http_names)):
        print(f"http://{host}/?token={text}")
    if not where:
        process.complain("kwaainet: the page is off; set page = true under [status]")
    return 0 if where else client.FAILED


def _served(config: "Config") -> "Sequence[Address]":
    """Where the running node has the page; where none runs, where it would."""
    try:
        return [(ip, port) for ip, port in client.ask(config, "page")["listening"]]
    except StatusError:
        section = config[Status]
        words = [text.split("/") for text in section.http_listen if section.page]
        return [(each[2], int(each[4])) for each in words]


def _hosts(where: "Sequence[Address]", names: "Sequence[str]") -> "Iterator[str]":
    """As they stand in addresses of pages."""
    for ip, port in where:
        for host in _own(_EVERYWHERE[ip]) if ip in _EVERYWHERE else [ip]:
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        yield from [f"{name}:{port}" for name in names]


def _own(size: int) -> "Sequence[str]":
    """The addresses of this machine by which others reach it, of `size` bytes."""
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    found = [ip for ip, _ in interfaces.addresses() if len(ip) == size]
    return [socket.inet_ntop(family, ip) for ip in found if scope(ip) not in (LINK_LOCAL, LOOPBACK)]

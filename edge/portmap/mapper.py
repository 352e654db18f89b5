"""What the protocols by which a gateway is asked have in common."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Mapper(Protocol):
        """A protocol by which a gateway is asked."""

        NAME: str

        async def map(self, port: int, wanted: int) -> Grant:
            """Forward external port `wanted`, or another, to `port`. Raises PortMapError."""

        async def unmap(self, port: int, external_port: int) -> None:
            """Forward it no more. Raises PortMapError."""


LIFETIME = 3600  # seconds asked for: as long what a killed node has opened stays open


class PortMapError(Exception):
    """The gateway forwards no port. `rest`: seconds for which it wants not to be asked again."""

    def __init__(self, why: str, rest: float = 0.0) -> None:
        super().__init__(why)
        self.rest = rest


class Grant(NamedTuple):
    """What the gateway forwards: from where, 4 bytes and a port, and for how many seconds."""

    ip: bytes
    port: int
    lifetime: int

"""The cache as a service of the node: its store, its gateway, what peers are given of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status


class CacheService:
    """Opens the store when somebody needs it; off, it takes nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def configure(self, config: Config) -> None:
        """Follow [cache] and [[origin]]."""

    async def run(self) -> None:
        """Do the regular work."""

    async def stop(self) -> None:
        """Write what must last."""

    def report(self) -> Status:
        """What the store holds, and what it saved."""
        return {}

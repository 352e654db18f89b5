"""The cache as a service of the node: its store, its gateway, what peers are given of it.

Off, it takes nothing: what it is made of is loaded when it is first needed.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

from edge.cache.place import directory_of
from edge.config.schema import Cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from edge.cache.core import Core
    from edge.config.load import Config
    from edge.host import Host, Status

VERBS = ("ls", "add", "get", "job", "pin", "gc", "verify", "stats")  # of edge/cache/verbs.py
_TALLY = ("cache_bytes_served", "wan_bytes_saved", "fragments_served")


class CacheService:
    """`core`: the parts of it, while it is on."""

    def __init__(self, host: Host) -> None:
        self.core: Core | None = None
        self._host = host
        self._config = host.config
        self._changed = asyncio.Event()
        self._given = dict.fromkeys(_TALLY, 0)  # before it was last turned off
        host.tallies.append(self._tally)
        host.overviews.append(self._overview)
        host.roles["cache"] = lambda: self.core is not None and self.core.shares
        self._opening = asyncio.Lock()
        for verb in VERBS:
            host.answers[f"cache-{verb}"] = partial(self._answer, f"cache-{verb}")

    def configure(self, config: Config) -> None:
        """Follow [cache] and [[origin]], as soon as `run` comes to it."""
        self._config = config
        self._changed.set()

    async def run(self) -> None:
        """Open, change and close what the configuration asks for, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._follow(self._config)

    async def stop(self) -> None:
        """Write what must last."""
        core = self.core
        if core is not None:
            self._given, self.core = self._tally(), None
            await core.stop()

    def report(self) -> Status:
        """What the store holds, and what it saved."""
        return self.core.report() if self.core is not None else {}

    async def opened(self) -> Core:
        """The parts of it, made if they were not: somebody asks for something."""
        async with self._opening:
            return self.core or await self._open(self._config)

    async def _answer(self, verb: str, request: Status) -> Mapping[str, Any]:
        from edge.cache.verbs import verbs

        return await verbs(self)[verb](request)

    async def _follow(self, config: Config) -> None:
        async with self._opening:
            if is_needed(config):
                await self._open(config)
            else:
                await self.stop()

    async def _open(self, config: Config) -> Core:
        if self.core is None:
            from edge.cache.core import Core

            self.core = Core(self._host)
        await self.core.follow(config)
        return self.core

    def _overview(self) -> Status:
        return {"cache": self.core.overview()} if self.core is not None else {}

    def _tally(self) -> dict[str, int]:
        if self.core is None:
            return self._given
        now = zip(_TALLY, self.core.given, strict=True)
        return {name: self._given[name] + count for name, count in now}


def is_needed(config: Config) -> bool:
    """Whether there is a gateway, or something to give to peers."""
    section = config[Cache]
    if section.gateway or section.fragments == "yes":
        return True
    return section.fragments == "auto" and os.path.isdir(directory_of(config))

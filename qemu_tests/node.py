"""The node on an emulated router, asked from inside."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from qemu_tests.console import GuestError
from qemu_tests.malta import Malta
from tests.counterparts.base import until

MIB = 1 << 20
PATIENCE = 180.0  # seconds for what takes a few: the machine that emulates may be busy
_ASKED = 6  # times for its status


class Node:
    """That of `router`, started as a service."""

    def __init__(self, router: Malta) -> None:
        self._router = router
        self.peer_id = ""

    async def ready(self, times: int = 1) -> None:
        """Until it has said so for the `times`th time."""

        async def said() -> bool:
            log = await self.log()
            found = re.findall(r"^ready peer_id=(\S+)", log, re.MULTILINE)
            self.peer_id = found[-1] if found else ""
            return len(found) >= times

        try:
            await asyncio.wait_for(until(said, every=0.5), PATIENCE)
        except TimeoutError:
            raise GuestError(f"the node is not ready: {await self.log()}") from None

    async def log(self) -> str:
        return await self._router.run("cat /tmp/syslog /tmp/output 2>/dev/null || true")

    async def status(self) -> dict[str, Any]:
        """What it tells within 10 s: with a handshake to make, an emulated one may be slower."""
        for _ in range(_ASKED):
            try:
                return dict(json.loads(await self._router.run("kwaainet status --json")))
            except GuestError as error:
                if "no answer within" not in str(error):
                    raise
        raise GuestError(f"the node does not answer: {await self.log()}")

    async def memory(self) -> dict[str, int]:
        """Bytes by the names of proc(5)."""
        text = await self._router.run("cat /proc/$(cat /tmp/procd/pid)/status")
        return {name: int(kb) * 1024 for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}

    async def pid(self) -> str:
        return await self._router.run("cat /tmp/procd/pid")

    def at(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self._router.port}/p2p/{self.peer_id}"


async def never_out_of_memory(router: Malta) -> None:
    assert await router.run("dmesg | grep -ci 'out of memory' || true") == "0"


async def stops(router: Malta) -> None:
    await router.service("stop")

    async def gone() -> bool:
        return await router.run("ls /tmp/procd/pid 2>/dev/null || true") == ""

    await asyncio.wait_for(until(gone, every=0.5), PATIENCE)

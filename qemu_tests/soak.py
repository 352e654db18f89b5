"""python -m qemu_tests.soak [FILE SYSTEM]...: power failures of the emulated router's cache.

On each of ext4, vfat, jffs2, ubifs and ram: 16 clients of a file that is larger than the router's
memory (where the disk is), the power cut in the middle of downloads, and what is served after each
boot. On flash no more than the day's bytes are written; a RAM disk that is too small fills up.
Prints figures; a few minutes each.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from cross.targets import TARGETS
from openwrt.package import ipk, recipe
from qemu_tests.conftest import ROUTER
from qemu_tests.disks import AT, EXT4, JFFS2, UBIFS, VFAT, FileSystem
from qemu_tests.emulated import build
from qemu_tests.malta import Malta, image
from qemu_tests.node import MIB, never_out_of_memory
from qemu_tests.pulled import Origin, content, fetch
from qemu_tests.test_cache import CLIENTS, CONFIG, Lab, wait_for_bytes
from tests.counterparts.web import Fault

LARGE = 64 * MIB  # the router has 48 left of its memory
MANY = 1800.0  # seconds in which 16 clients have it: 180 on two processors
DISK, FLASH = 256 * MIB, 48 * MIB
FLASH_SIZE = 7 * MIB  # quota, and so the bytes of a day
BY_NAME = {each.name: each for each in (EXT4, VFAT, JFFS2, UBIFS)}
RAM = FileSystem("tmpfs", (), lambda *_: None, source="none", options="size=8m")


class Soak:
    """The boots of one router with one disk."""

    def __init__(self, system: FileSystem, package: ipk.Ipk, directory: Path) -> None:
        self._system = system
        self._directory = directory
        self._disk = directory / "disk"
        self.is_flash = system in (JFFS2, UBIFS)
        system.make(self._disk, FLASH if self.is_flash else DISK)
        size = FLASH_SIZE if self.is_flash else 200 * MIB
        config = CONFIG.replace("option size '100M'", f"option size '{size}'")
        self._image = image(package.content, config, system.names)
        self._new = True
        self._routers: list[Malta] = []
        self.written = 0

    async def boot(self, origin: Origin) -> tuple[Malta, Lab]:
        disks = [] if self._system is RAM else [self._disk]
        router = Malta(self._directory, self._image, disks, {80: origin.port})
        self._routers.append(await router.__aenter__())
        lab = Lab(router, origin, origin)
        await self._system.mount(router, self._new)
        self._new = False
        await router.service("start")
        await lab.node.ready()
        await lab.trouble()
        return router, lab

    async def close(self) -> None:
        """None goes on, also where something failed."""
        for router in self._routers:
            await router.__aexit__(None, None, None)

    async def settle(self, router: Malta) -> None:
        """What is whole is on the disk."""
        await router.run(self._system.settle)

    async def cut(self, router: Malta, lab: Lab) -> None:
        """Its power fails."""
        self.written += (await lab.node.status())["cache"]["flash_bytes_written"]
        await never_out_of_memory(router)
        await router.__aexit__(None, None, None)


async def survives(soak: Soak, origin: Origin) -> None:
    """What was whole before is kept; what was not is fetched; nothing is wrong."""
    router, lab = await soak.boot(origin)
    await lab.pull("/kept")
    await soak.settle(router)
    for name in ("/1", "/2"):
        origin.faults.append(Fault("origin", name, method="GET", pace=MIB // 8))
        half = asyncio.create_task(fetch(router.gateway_port, f"/plain{name}", origin.files[name]))
        await wait_for_bytes(origin, origin.sent + MIB)
        await soak.cut(router, lab)
        got = await half
        assert not got.wrong
        router, lab = await soak.boot(origin)
        before = origin.sent
        await lab.pull("/kept")
        assert origin.sent == before
        await lab.pull(name)
        print(f"  after a power failure {(origin.sent - before) / MIB:.1f} MiB were fetched again")
    for name in ("/3", "/4") * 3:  # asked for again, they are worth to be written
        await lab.pull(name)
    refused = (await lab.node.status())["refusals"].get("cache", {})
    await soak.cut(router, lab)
    print(f"  written: {soak.written / MIB:.2f} MiB, refused: {refused}")
    assert not soak.is_flash or (soak.written <= FLASH_SIZE and "store_write_limit" in refused)


async def serves_many(soak: Soak, origin: Origin) -> None:
    router, lab = await soak.boot(origin)
    memory = await lab.node.memory()
    print(f"  idle: {memory['VmRSS'] / MIB:.1f} MiB resident")
    before, start = origin.sent, time.monotonic()
    await asyncio.gather(*[lab.pull("/large", patience=MANY) for _ in range(CLIENTS)])
    memory, took = await lab.node.memory(), time.monotonic() - start
    times = (origin.sent - before) / LARGE
    print(
        f"  {CLIENTS} clients: {memory['VmHWM'] / MIB:.1f} MiB at most, the origin sent it ", end=""
    )
    print(f"{times:.3f} times, {took:.0f} s")
    assert times < 1.01
    assert memory["VmHWM"] <= (await lab.node.status())["memory"]["limit"]
    await soak.cut(router, lab)


async def fills_up(soak: Soak, origin: Origin) -> None:
    """A RAM disk of 8 MiB, of which the configuration says that 200 may be taken."""
    router, lab = await soak.boot(origin)
    for _ in range(2):
        for name in ("/kept", "/1", "/2", "/3", "/4"):
            await lab.pull(name)
    report = (await lab.node.status())["cache"]
    told = {name: report[name] for name in ("bytes", "trouble", "evicted_bytes", "passed_through")}
    print(f"  {told}; {await router.run(f'df -k {AT} | tail -n 1')}")
    assert report["bytes"] <= 8 * MIB
    await soak.cut(router, lab)


async def run(name: str, package: ipk.Ipk) -> None:
    print(f"{name}:", flush=True)
    files = {f"/{each}": content(2 * MIB, seed) for seed, each in enumerate("1234", 2)}
    files |= {"/kept": content(2 * MIB), "/large": content(LARGE)}
    with tempfile.TemporaryDirectory() as directory:
        soak = Soak(BY_NAME.get(name, RAM), package, Path(directory))
        async with Origin(files) as origin, contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(soak.close)
            if name == "ram":
                await fills_up(soak, origin)
                return
            await survives(soak, origin)
            if not soak.is_flash:
                await serves_many(soak, origin)


def main() -> None:
    package = ipk.build(recipe.read(build(TARGETS[ROUTER])), ROUTER)
    for name in sys.argv[1:] or [*BY_NAME, "ram"]:
        asyncio.run(run(name, package))


if __name__ == "__main__":
    main()

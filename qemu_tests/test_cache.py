"""The cache on an emulated router of 64 MB, with a FAT stick: pulled through, https, crashes.

One boot of a few stories; qemu_tests/soak.py has the longer ones, on more file systems.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import pytest

from openwrt.package import ipk
from qemu_tests.disks import AT, VFAT
from qemu_tests.malta import HOST, Malta, image
from qemu_tests.node import MIB, PATIENCE, Node, never_out_of_memory
from qemu_tests.pulled import Origin, content, fetch
from tests.counterparts.base import asynchronous, until
from tests.counterparts.web import Fault
from tests.http import authority

pytestmark = pytest.mark.slow

CLIENTS = 16
CONFIG = f"""
config kwaainet 'main'
	option enabled '1'

config cache 'cache'
	option gateway '1'
	option directory '{AT}/models'
	option size '100M'

config origin
	option name 'plain'
	option url 'http://{HOST}:80'

config origin
	option name 'secure'
	option url 'https://origin.test'
"""


class Lab:
    """A router with its node and its origins."""

    def __init__(self, router: Malta, origin: Origin, secure: Origin) -> None:
        self.router, self.origin, self.secure = router, origin, secure
        self.node = Node(router)

    async def pull(self, path: str, origin: str = "plain", patience: float = PATIENCE) -> None:
        """The file comes whole and right, within `patience` seconds."""
        server = self.origin if origin == "plain" else self.secure
        port = self.router.gateway_port
        got = await asyncio.wait_for(fetch(port, f"/{origin}{path}", server.files[path]), patience)
        assert (got.status, got.whole, got.wrong) == (200, True, False), got

    async def trouble(self, is_any: bool = False) -> None:
        """Wait until status tells of none, or of some."""

        async def told() -> bool:
            cache = (await self.node.status()).get("cache")
            return bool(cache and cache["listening"]) and bool(cache["trouble"]) is is_any

        await asyncio.wait_for(until(told, every=0.5), PATIENCE)


@asynchronous(600)
async def story(package: ipk.Ipk, directory: Path) -> None:
    root = authority.root()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*root.issue("origin.test").files(directory))
    files = {
        "etc/hosts": f"127.0.0.1 localhost\n{HOST} origin.test\n".encode(),
        "etc/ssl/certs/ca-certificates.crt": root.pem,
    }
    disk = directory / "disk"
    VFAT.make(disk, 128 * MIB)
    initial_root = image(package.content, CONFIG, VFAT.names, files)
    plain = {f"/{name}": content(4 * MIB, ord(name)) for name in "abcd"}
    async with (
        Origin(plain) as origin,
        Origin({"/a": content(MIB)}, context) as secure,
        Malta(directory, initial_root, [disk], {80: origin.port, 443: secure.port}) as router,
    ):
        lab = Lab(router, origin, secure)
        await VFAT.mount(router, new=True)
        await router.service("start")
        await lab.node.ready()
        await lab.trouble()
        await fetches_once_for_all(lab)
        await speaks_https_when_the_clock_is_right(lab)
        await is_killed_while_it_fetches(lab)
        await loses_its_disk(lab)
        await never_out_of_memory(router)


async def fetches_once_for_all(lab: Lab) -> None:
    await asyncio.gather(*[lab.pull("/a") for _ in range(CLIENTS)])
    await lab.pull("/a")
    assert lab.origin.sent == 4 * MIB
    memory, report = await lab.node.memory(), await lab.node.status()
    print(f"{CLIENTS} clients: {memory['VmHWM'] / MIB:.1f} MiB at most")
    assert memory["VmHWM"] <= report["memory"]["limit"]
    assert report["cache"]["bytes"] >= 4 * MIB


async def speaks_https_when_the_clock_is_right(lab: Lab) -> None:
    port = lab.router.gateway_port
    refused = await fetch(port, "/secure/a", b"")
    assert "clock" in refused.text, refused
    await lab.router.run(f"date -s @{int(time.time())}")
    await lab.pull("/a", "secure")


async def is_killed_while_it_fetches(lab: Lab) -> None:
    lab.origin.faults.append(Fault("origin", "/b", method="GET", pace=MIB))
    half = asyncio.create_task(fetch(lab.router.gateway_port, "/plain/b", lab.origin.files["/b"]))
    await wait_for_bytes(lab.origin, lab.origin.sent + 2 * MIB)
    await lab.router.run("kill -9 $(cat /tmp/procd/pid)")
    got = await half
    assert not got.whole
    assert not got.wrong
    await lab.node.ready(times=2)
    await lab.trouble()
    before = lab.origin.sent
    await lab.pull("/a")
    assert lab.origin.sent == before
    await lab.pull("/b")


async def wait_for_bytes(origin: Origin, count: int) -> None:
    async def sent() -> bool:
        return origin.sent >= count

    await asyncio.wait_for(until(sent, every=0.05), PATIENCE)


async def loses_its_disk(lab: Lab) -> None:
    """It is pulled, and another one has no name yet when it comes back."""
    router = lab.router
    await router.run("echo 1 >/sys/block/vda/device/../remove")
    await lab.pull("/c")
    assert "c" not in await router.run(f"umount -l {AT}; ls {AT}")
    await lab.pull("/c")
    await lab.trouble(is_any=True)  # else what is seen below may be the time before
    await router.run("echo 1 >/sys/bus/pci/rescan")
    await router.run(f"mount -t vfat -o {VFAT.options} /dev/vd? {AT}")
    await router.service("reload")
    await lab.trouble()
    before = lab.origin.sent
    await lab.pull("/a")
    assert lab.origin.sent == before
    await lab.pull("/d")


def test_a_router_with_a_stick_is_a_cache(package: ipk.Ipk, tmp_path: Path) -> None:
    story(package, tmp_path)

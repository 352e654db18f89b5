"""A home whose router relays: what its household's traffic gets.

    internet host 5.1.1.10 ----+
    dialers       5.1.1.20 ----+-- bridge
    router        5.1.1.30 ----+
                  192.168.7.1 ---- household 192.168.7.2

The node runs on the router. Its peers are on the internet and push circuits through it for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from tests.counterparts.base import Setup, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer

SERVER, ROUTER, HOUSEHOLD = RELAY, GATEWAY, PEER  # the lab's hosts as they serve here
MIB = 1 << 20
PORT = 4001
HOOKS = Path(__file__).parents[2] / "openwrt/files/etc/kwaainet/qos.d"
_FLOW = Path(__file__).parent / "flow.py"
_ENDLESS = 1 << 40
_DIALERS = 2


def router(
    lab: NetLab,
    options: Sequence[str] = (),
    make: Callable[[Setup, list[str]], EdgeNode] = EdgeNode,
) -> EdgeNode:
    """The node on the home's router, with the hooks that are shipped. `make`: from its options."""
    listen = f"/ip4/{ADDRESSES[ROUTER]}/tcp/{PORT}"
    setup = Setup(listen=[listen], within=lab.within(ROUTER))
    return make(setup, ["--qos-hooks", str(HOOKS), *options])


def count_code_points(lab: NetLab, *codes: int) -> Callable[[], list[int]]:
    """Has the server count the router's packets by DSCP; the result asks it how many there were."""
    lab.run(SERVER, "nft", "add", "table", "ip", "seen")
    chain = "{ type filter hook input priority 0; }"
    lab.run(SERVER, "nft", "add", "chain", "ip", "seen", "in", chain)
    for code in codes:
        rule = f"add rule ip seen in ip saddr {ADDRESSES[ROUTER]} tcp sport {PORT} ip dscp {code}"
        lab.run(SERVER, "nft", *rule.split(), "counter")

    def counted() -> list[int]:
        listed = lab.run(SERVER, "nft", "list", "chain", "ip", "seen", "in").splitlines()
        counters = [line for line in listed if "counter packets" in line]
        return [int(line.split("packets ")[1].split()[0]) for line in counters]

    return counted


def open_port(lab: NetLab) -> None:
    """The router's firewall lets the node's peers in, as the option of that name has it."""
    lab.open_port(ROUTER, PORT)


def give_internet(lab: NetLab) -> None:
    """The router's default route: the server plays its provider's gateway."""
    lab.run(ROUTER, "ip", "route", "replace", "default", "via", ADDRESSES[SERVER])


@contextlib.asynccontextmanager
async def saturated(lab: NetLab, relay: EdgeNode) -> AsyncIterator[None]:
    """Circuits through `relay` that carry as much as it lets them."""
    at = await relay.direct()
    async with contextlib.AsyncExitStack() as running:
        listening = Setup(listen=(), relays=[at], within=lab.within(SERVER))
        listener = await running.enter_async_context(OurPeer(listening))
        tasks = []
        for _ in range(_DIALERS):
            dialer = OurPeer(Setup(listen=(), within=lab.within(DIALER)))
            await running.enter_async_context(dialer)
            transfer = dialer.transfer(listener.circuit(at), _ENDLESS)
            tasks.append(asyncio.create_task(transfer))
        await until_relayed(relay, MIB)
        yield
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_hooked(relay: EdgeNode, calls: int) -> None:
    """Until so many calls of hooks have ended, all of them well."""

    async def hooked() -> bool:
        return bool((await relay.status())["qos"]["hooks"]["ran"] >= calls)

    await until(hooked)
    assert (await relay.status())["qos"]["hooks"] == {"ran": calls, "failed": 0}, relay.log()


async def until_relayed(relay: EdgeNode, count: int) -> None:
    async def relayed() -> bool:
        return bool((await relay.status())["bytes"]["relayed"] >= count)

    await until(relayed)


async def upload(lab: NetLab, port: int, seconds: float) -> float:
    """Bytes a second that one TCP flow from the household to the server gets."""
    return await _flow(lab, port, seconds, ("receive", "send"))


async def download(lab: NetLab, port: int, seconds: float) -> float:
    """And back."""
    return await _flow(lab, port, seconds, ("send", "receive"))


async def _flow(lab: NetLab, port: int, seconds: float, ways: tuple[str, str]) -> float:
    """`ways`: what the server does, what the household."""
    target = (ADDRESSES[SERVER], str(port), str(seconds))
    hosts = ((SERVER, "listen", ways[0]), (HOUSEHOLD, "connect", ways[1]))
    ends = []
    said = []
    for host, *words in hosts:
        command = (*lab.within(host), sys.executable, str(_FLOW), *words, *target)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        if "listen" in words:
            assert await process.stdout.readline() == b"ready\n"
        ends.append(process)
    for process in ends:
        out, _ = await process.communicate()
        assert process.returncode == 0
        said.append(out)
    return float(b"".join(said))

"""Nodes of hivemind's DHT in one process, each with a p2pd of its own, driven by JSON lines.

A node is what `hivemind.DHT` runs in a process of its own: hivemind.dht.DHTNode, unmodified. The
dialogue is in lines.py.

Run as `python -I peer.py PACKAGES HERE SETUP`: where hivemind is installed, this file's directory,
and a setup that is not used. It ends when its standard input does.
"""

import asyncio
import json
import logging
import multiprocessing.connection  # noqa: F401 - as torch does
import sys
import time
from typing import Any

sys.path[:0] = sys.argv[1:3]

import standin  # type: ignore[import-not-found]  # noqa: E402 - found only now

standin.install()

from hivemind.dht.node import DHTNode  # noqa: E402
from hivemind.dht.routing import DHTID  # noqa: E402
from hivemind.p2p import P2P, PeerID  # noqa: E402

nodes: dict[str, DHTNode] = {}


async def start(name: str, initial_peers: list[str], strict: bool) -> dict[str, Any]:
    """A node that joins through `initial_peers`.

    `strict`: it fails unless an initial peer can dial it back.
    """
    p2p = await P2P.create(initial_peers=initial_peers, tls=False)
    nodes[name] = node = await DHTNode.create(
        p2p, initial_peers=initial_peers, strict=strict, ensure_bootstrap_success=strict
    )
    addrs = [str(addr) for addr in await p2p.get_visible_maddrs()]
    return {"peer_id": node.peer_id.to_base58(), "addrs": addrs, "node_id": f"{node.node_id:040x}"}


async def stop(name: str) -> None:
    node = nodes.pop(name)
    await node.shutdown()
    await node.p2p.shutdown()


async def store(
    name: str, keys: list[str], value: Any, ttl: float, subkey: str | None = None
) -> list[bool]:
    subkeys = [subkey] * len(keys)
    until = time.time() + ttl
    done = await nodes[name].store_many(keys, [value] * len(keys), until, subkeys=subkeys)
    return list(done.values())


async def get(name: str, keys: list[str]) -> list[Any]:
    """Values as others have them: plain ones, dictionaries by subkey, None where there is none."""
    node = nodes[name]
    found = await node.get_many_by_id([DHTID.generate(key) for key in keys])
    return [_plain(found[DHTID.generate(key)]) for key in keys]


def _plain(found: Any) -> Any:
    if found is None:
        return None
    value = found.value
    if isinstance(value, dict):
        return {str(subkey): each.value for subkey, each in value.items()}
    return value


async def forget(name: str) -> None:
    """What it holds itself, so that it has to ask."""
    protocol = nodes[name].protocol
    for kept in (protocol.storage, protocol.cache):
        for key in list(kept.data):
            del kept[key]


async def ping(name: str, peer: str, validate: bool) -> str | None:
    """The node id that `peer` answers with."""
    protocol = nodes[name].protocol
    found = await protocol.call_ping(PeerID.from_base58(peer), validate=validate, strict=validate)
    return None if found is None else f"{found:040x}"


async def table(name: str) -> list[str]:
    """The peers in its routing table."""
    return [peer.to_base58() for peer in nodes[name].protocol.routing_table.uid_to_peer_id.values()]


async def crowd(name: str, peers: list[str]) -> None:
    """Have these peers in its routing table, under random ids."""
    for peer in peers:
        nodes[name].protocol.routing_table.add_or_update_node(
            DHTID.generate(), PeerID.from_base58(peer)
        )


WHAT = {each.__name__: each for each in (start, stop, store, get, forget, ping, table, crowd)}


async def answer(request: dict[str, Any]) -> None:
    number, what = request.pop("id"), request.pop("do")
    try:
        say({"id": number, "ok": await WHAT[what](**request)})
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        say({"id": number, "error": f"{type(error).__name__}: {error}"})


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main() -> None:
    logging.basicConfig(stream=sys.stderr)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    say({"id": 0, "ok": {"peer_id": ""}})
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*[stop(name) for name in list(nodes)], return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())

"""A relay that says what its leases are and what Python has really allocated, for test_leases.

Run as `python -m tests.survival.measured_node DIR MEMORY_LIMIT`. Prints a line of JSON when it is
ready and one for each line on its standard input; it ends when that does.
"""

import asyncio
import gc
import json
import sys
import tracemalloc

from edge.config.load import load
from edge.node import Node


def look(node: Node) -> dict[str, object]:
    gc.collect()
    swarm = node.host.swarm
    return {
        "at": f"{swarm.listening[0]}/p2p/{swarm.peer_id}",
        "traced": tracemalloc.get_traced_memory()[0],
        "leased": {name: pool.used for name, pool in node.host.budget.pools.items()},
        "status": node.status.report(),
        "streams": sum(len(c.session.streams) for c in swarm.all_connections()),
        "identified": sum(c.info is not None for c in swarm.all_connections()),
        "handlers": len(swarm._tasks),
    }


async def main(directory: str, limit: str) -> None:
    flags = {
        "data-dir": [directory],
        "listen": ["/ip4/127.0.0.1/tcp/0"],
        "log-level": ["error"],
        "memory-limit": [limit],
        "relay-service": ["yes"],
        "relay-client": ["no"],
        "max-pending-handshakes": ["4096"],
        "handshake-timeout": ["120"],
        "keepalive-interval": ["3600"],
    }
    node = Node(load(None, {"KWAAINET_CONFIG": "/dev/null"}, flags))
    await node.start()
    print(json.dumps(look(node)), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        print(json.dumps(look(node)), flush=True)
    await node.stop()


tracemalloc.start()
asyncio.run(main(*sys.argv[1:]))

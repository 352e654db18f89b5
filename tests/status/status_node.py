"""A process that serves the status socket.

`python status_node.py DATA_DIR asyncio|uvloop SECONDS`, the last for the server's time-out.
"""

import asyncio
import contextlib
import os
import resource
import sys

import examples

from edge.status.errors import StatusError
from edge.status.server import StatusServer


async def echo(request):
    return request


async def slow(request):
    await asyncio.sleep(request["seconds"])
    return {}


async def refuse(request):
    raise StatusError("that \x1b[2J is refused")


async def big(request):
    return {"text": "x" * request["size"]}


async def status(request):
    return examples.STATUS


async def peers(request):
    return examples.PEERS


async def overview(request):
    return examples.OVERVIEW


async def connect(request):
    if request["address"] == "nonsense":
        raise StatusError("not an address: 'nonsense'")
    return examples.CONNECTED


pings = iter(examples.PINGS)


async def ping(request):
    if request["address"] == "/ip4/192.0.2.9/tcp/4001":
        return {"results": [{"error": "Connection refused"}]}
    return {"results": [next(pings)]}


async def modules(request):
    return {"loaded": [name for name in request["names"] if name in before]}


async def exhaust(request):
    """Open files until there is no descriptor left."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    return {"taken": len(taken)}


async def read(request):
    """Take the file that came with the request."""
    descriptor = request.pop("descriptor")
    try:
        return {"text": os.pread(descriptor, 1000, 0).decode()}
    finally:
        os.close(descriptor)


async def opened(request):
    return {"count": len(os.listdir("/proc/self/fd"))}


taken: list[int] = []
before: set[str] = set()


async def main(data_dir, seconds):
    os.umask(0)  # the socket's mode must not depend on it
    verbs = {verb.__name__: verb for verb in (echo, slow, refuse, big, modules, exhaust)}
    verbs |= {verb.__name__: verb for verb in (read, opened)}
    verbs |= {verb.__name__: verb for verb in (status, overview, peers, connect, ping)}
    server = StatusServer(data_dir, verbs, seconds)
    try:
        await server.start()
    except StatusError as error:
        print(type(error).__name__, error, flush=True)
        return
    before.update(sys.modules)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await server.stop()
    print("stopped", *os.listdir(data_dir), flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        from uvloop import run
    else:
        run = asyncio.run
    run(main(sys.argv[1], float(sys.argv[3])))

"""python -m bench.page: what a browser sees of the node's page, and what ten cost the node.

First paint: in Chromium, as fast as this machine is and slowed down THROTTLE times, as a Raspberry
Pi's browser is; each time without anything cached, beside a line of text of the same server, as a
machine that does other work makes both slow. Cost: processor time and resident
memory of the node while nobody looks, while ten listen to the events, and when they have left.
Prints tables as Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import statistics
import urllib.request
from pathlib import Path

from tests.counterparts.base import Setup, free_port
from tests.counterparts.chromium import Chromium
from tests.counterparts.edge_node import EdgeNode

GOAL = 300  # ms until the first paint
THROTTLE = 4.0
BROWSERS = 10
_PARTS = ("", "page.js", "icon.svg")
_PAINTED = (
    """() => performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)[0]"""
)
_REQUEST = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def sizes(url: str) -> str:
    """A table of what is sent, as it is and as gzip would have it."""
    lines = ["| part | bytes | gzip |", "|---|---|---|"]
    total = [0, 0]
    for part in _PARTS:
        with urllib.request.urlopen(url + part) as answer:
            data = answer.read()
        each = [len(data), len(gzip.compress(data))]
        total = [one + other for one, other in zip(total, each, strict=True)]
        lines.append(f"| {part or 'the page'} | {each[0]} | {each[1]} |")
    return "\n".join([*lines, f"| all | {total[0]} | {total[1]} |"])


def paints(url: str, count: int, throttle: float) -> list[float]:
    """Milliseconds from the start of each of `count` visits to the first paint."""
    found = []
    with Chromium() as chromium:
        for _ in range(count):
            with chromium.page() as page:
                page.slow_down(throttle)
                page.open(url)
                found.append(float(page.wait(_PAINTED)))
                page.open("about:blank")
                page.take_errors()  # what is a line of text is an error 404
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time so far (proc(5): utime and stime)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def over(pid: int, seconds: float) -> str:
    """The cells of a row: what the node takes in the next `seconds`."""
    before = cpu(pid)
    await asyncio.sleep(seconds)
    return f"{100 * (cpu(pid) - before) / seconds:.2f} | {resident(pid):.1f}"


async def costs(pid: int, port: int, seconds: float) -> str:
    """A table of the node's processor time and memory."""
    lines = ["| browsers | % of a core | MiB resident |", "|---|---|---|"]
    lines.append(f"| none | {await over(pid, seconds)} |")
    links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(BROWSERS)]
    for _, writer in links:
        writer.write(_REQUEST)
    reading = [asyncio.create_task(reader.read()) for reader, _ in links]
    await asyncio.sleep(1)
    lines.append(f"| {BROWSERS} | {await over(pid, seconds)} |")
    for _, writer in links:
        writer.close()
    await asyncio.gather(*reading, return_exceptions=True)
    await asyncio.sleep(1)
    lines.append(f"| none any more | {await over(pid, seconds)} |")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--throttle", type=float, default=THROTTLE)
    given = parser.parse_args()
    port = free_port()
    options = ["--status-page", "yes", "--status-http-listen", f"/ip4/127.0.0.1/tcp/{port}"]
    async with EdgeNode(Setup(), options) as node:
        url = f"http://127.0.0.1:{port}/"
        print(await asyncio.to_thread(sizes, url))
        print(f"\nFirst paint, goal {GOAL} ms:\n\n| processor | what | median ms | most |")
        print("|---|---|---|---|")
        for throttle in (1.0, given.throttle):
            for name, at in (("a line of text", url + "none"), ("the page", url)):
                found = await asyncio.to_thread(paints, at, given.visits, throttle)
                cells = f"{statistics.median(found):.0f} | {max(found):.0f}"
                print(f"| {throttle:g} times slower | {name} | {cells} |")
        print()
        assert node.process is not None
        print(await costs(node.process.pid, port, given.seconds))


if __name__ == "__main__":
    asyncio.run(main())

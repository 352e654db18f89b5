"""Ten browsers at once look at a real node: when they are gone, nothing of them is left.

What they cost while they look is counted by `python -m bench`; here it is what remains.
"""

import contextlib
import os
import time

from tests.counterparts.chromium import PATIENCE, Chromium, Page
from tests.luci.answers import POLL
from tests.luci.nodes import running
from tests.luci.server import Luci

BROWSERS = 10
MOST_GROWTH = 4 << 20  # bytes; a node that has just started still takes some of its own


def _processes(luci: Luci) -> dict[int, str]:
    """Those of the router, by their number: the command."""
    namespace = luci.router.path("/").parts[2]  # /proc/PID/root/...
    wanted = os.readlink(f"/proc/{namespace}/ns/mnt")
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/mnt") == wanted:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    found[int(name)] = file.read().replace(b"\0", b" ").decode()
    return found


def _memory(pid: int) -> int:
    """Resident bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def _look(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    page.until(".kn-state", "Running")
    page.evaluate(POLL)


def test_ten_browsers_leave_nothing_behind(chromium: Chromium, luci: Luci) -> None:
    with running(luci):
        with chromium.page() as page:  # the first has it make what it keeps for all
            _look(page, luci)
        before = _processes(luci)
        (node,) = [pid for pid, command in before.items() if " run " in command]
        files, memory = len(os.listdir(f"/proc/{node}/fd")), _memory(node)
        with contextlib.ExitStack() as stack:
            for page in [stack.enter_context(chromium.page()) for _ in range(BROWSERS)]:
                _look(page, luci)
        with luci.quiet():
            deadline = time.monotonic() + PATIENCE
            while len(os.listdir(f"/proc/{node}/fd")) > files and time.monotonic() < deadline:
                time.sleep(0.1)  # the node has files of its own open for a moment now and then
            assert _processes(luci).keys() <= before.keys()
            assert len(os.listdir(f"/proc/{node}/fd")) <= files
            assert _memory(node) < memory + MOST_GROWTH

"""What the mode controller costs on this machine: CPU time of a look, as a share of a core.

`python -m tests.tiers.cost`
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from edge.tiers.schedule import Timetable, Window
from edge.tiers.service import TICK, ModeService
from edge.zone import Zone
from tests.hosts import NoLine, configured, host

_ROUNDS = 4000
_WINDOWS = [Window(("mon",), 60 * hour, 60 * hour + 30) for hour in range(20)]


async def main() -> None:
    zone = Zone.from_string("CET-1CEST,M3.5.0,M10.5.0/3")
    directory = Path(tempfile.mkdtemp())
    async with host(configured(directory)) as one:
        service = ModeService(one, NoLine())
        service._schedule = Timetable(_WINDOWS, zone)
        before = time.process_time()
        for _ in range(_ROUNDS):
            service.look()
        each = (time.process_time() - before) / _ROUNDS
    print(f"{each * 1e6:.0f} microseconds of CPU a look, one every {TICK:g} s:", end=" ")
    print(f"{each / TICK:.4%} of a core")


if __name__ == "__main__":
    asyncio.run(main())

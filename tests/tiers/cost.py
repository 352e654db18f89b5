"""What the mode controller costs on this machine: CPU time of a look, as a share of a core.

`python -m tests.tiers.cost`
"""

from __future__ import annotations

import tempfile
import time

from edge.tiers.controller import Hold, Settings
from edge.tiers.ledger import Ledger
from edge.tiers.modes import RELAY
from edge.tiers.schedule import Schedule, Window
from edge.tiers.sensors import Sensors
from edge.tiers.service import TICK, ModeService
from edge.zone import Zone

_ROUNDS = 4000
_WINDOWS = [Window(("mon",), 60 * hour, 60 * hour + 30) for hour in range(20)]


def main() -> None:
    zone = Zone.from_string("CET-1CEST,M3.5.0,M10.5.0/3")
    with tempfile.TemporaryDirectory() as directory:
        service = ModeService(
            Hold("machine", "a router", RELAY),
            Schedule(_WINDOWS, zone),
            Settings(),
            Sensors(),
            Ledger(directory),
            time.time,
            lambda _: None,
        )
        before = time.process_time()
        for _ in range(_ROUNDS):
            service.look()
        each = (time.process_time() - before) / _ROUNDS
    print(f"{each * 1e6:.0f} microseconds of CPU a look, one every {TICK:g} s:", end=" ")
    print(f"{each / TICK:.4%} of a core")


if __name__ == "__main__":
    main()

"""One circuit for half an hour, its listener's reservation renewed all the while.

    python -m tests.soak.circuit [MINUTES]

A relay that grants reservations of 20 s, our listener, a p2pd dialer; every ten seconds 1 MiB each
way over the same circuit. Prints a line a minute and a last one; ends with 1 if anything failed.
"""

import asyncio
import sys
import time

from tests.counterparts.base import Setup
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer

_MIB = 1 << 20
_PAUSE = 10.0


async def main(minutes: float) -> int:
    end = time.monotonic() + minutes * 60
    async with EdgeNode(options=["--relay-reservation-ttl", "20"]) as relay:
        at = await relay.direct()
        async with (
            OurPeer(Setup(listen=(), relays=[at])) as listener,
            P2pd(Setup(listen=())) as dialer,
        ):
            transfers = 0
            while time.monotonic() < end:
                await dialer.transfer(listener.circuit(at), _MIB)
                transfers += 1
                if transfers % 6 == 1:
                    report = await relay.status()
                    print(
                        f"transfers={transfers} circuits={report['circuits']['total']}"
                        f" held={report['reservations']['held']}"
                        f" rss={report['memory']['rss']} left={int(end - time.monotonic())}s",
                        flush=True,
                    )
                await asyncio.sleep(_PAUSE)
            report = await relay.status()
    good = report["circuits"]["total"] == 1 and report["reservations"]["held"] == 1
    print(f"{minutes:g} minutes, {transfers} transfers, {'one circuit' if good else report}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30)))

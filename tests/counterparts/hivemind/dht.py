"""hivemind.DHT as its users have it, with torch: two of them join through one peer.

Run as `python -I dht.py PACKAGES INITIAL_PEER`, by the Python of Debian, which has torch and scipy
(python3-torch, python3-scipy); PACKAGES: where the rest is installed. The first stores, the second
finds; prints what came of it as JSON.
"""

import json
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

import hivemind
import torch


def main() -> None:
    one, two = [hivemind.DHT(initial_peers=[sys.argv[2]], start=True) for _ in range(2)]
    until = hivemind.utils.timed_storage.get_dht_time() + 300
    stored = [
        one.store("plain", [1, "x"], until),
        *[one.store("dict", subkey * 2, until, subkey=subkey) for subkey in ("a", "b")],
    ]
    found: dict[str, Any] = {"plain": two.get("plain").value}
    found["dict"] = {name: each.value for name, each in two.get("dict").value.items()}
    peers = [each.peer_id.to_base58() for each in (one, two)]
    print(
        json.dumps({"torch": torch.__version__, "peers": peers, "stored": stored, "found": found})
    )
    for each in (two, one):
        each.shutdown()


if __name__ == "__main__":
    main()

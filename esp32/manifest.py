"""What is on a device: the one list of its modules, and where each comes from.

Modules of edge/ are there unchanged, under the same names, but for edge.crypto: esp32/crypto.py.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

WIRE = (
    "base58",
    "circuit",
    "delimited",
    "envelope",
    "errors",
    "identify",
    "ip",
    "multiaddr",
    "multibase",
    "multistream",
    "noise",
    "peerid",
    "protobuf",
    "upgrade",
    "varint",
    "yamux",
)
CRYPTO = ("errors", "publickeys")
KW = tuple(sorted(path.stem for path in (ROOT / "esp32" / "kw").glob("*.py")))


BOOT = ("main", "kwboot")  # beside the slots of an update; what it brings is `modules()`


def boot() -> dict[str, Path]:
    """The files at the root of a device, which choose a slot and start it."""
    return {f"{name}.py": ROOT / "esp32" / "boot" / f"{name}.py" for name in BOOT}


def modules() -> dict[str, Path]:
    """The files on the device, as paths below its root, and their sources."""
    found = {f"edge/{name}.py": ROOT / "edge" / f"{name}.py" for name in ("__init__", "version")}
    wire = ("__init__", *WIRE)
    found |= {f"edge/wire/{name}.py": ROOT / "edge" / "wire" / f"{name}.py" for name in wire}
    found["edge/crypto/__init__.py"] = ROOT / "esp32" / "crypto.py"
    found |= {f"edge/crypto/{name}.py": ROOT / "edge" / "crypto" / f"{name}.py" for name in CRYPTO}
    found |= {f"kw/{name}.py": ROOT / "esp32" / "kw" / f"{name}.py" for name in KW}
    return found

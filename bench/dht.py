"""python -m bench.dht: what the records of the DHT cost, in memory and in time.

Prints a table, and writes bench/results/dht-VERSION.json. Each shape is measured in a process of
its own: resident bytes that RECORDS records add, what of that was leased, after storing and after
all were announced again; keys stored and found a second of processor time by the storage alone,
without the network.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench import builds
from edge.version import VERSION

RECORDS = 20_000
SIZES = (256, 567, 681)  # bytes of KwaaiNet's records: bare, with signed addresses, with a VPK
OWNERS, BLOCKS = 8, 32  # of a model
LIFE = 360.0  # seconds
GOAL, MUST = 10, 14  # MB for the records of models
RESULTS = builds.HERE / "results"

Row = dict[str, Any]
Record = tuple[bytes, bytes, bytes, bool, int]  # key, subkey, value, whether cached, writer


def models() -> Iterator[Record]:
    """8 owners of 32 blocks a model; a node has the same value under each of its blocks."""
    for number in range(RECORDS):
        model, rest = divmod(number, OWNERS * BLOCKS)
        owner, block = divmod(rest, BLOCKS)
        writer = model * OWNERS + owner
        yield _key(model, block), _peer_subkey(writer), _value(writer, writer), False, writer


def distinct() -> Iterator[Record]:
    """The same with another value under each key."""
    for number, (key, subkey, _, cached, writer) in enumerate(models()):
        yield key, subkey, _value(writer, number), cached, writer


def plain() -> Iterator[Record]:
    """Plain values, each under a key of its own, by 20 writers."""
    for number in range(RECORDS):
        yield _key(number, 0), b"\xc0", _value(number, number), False, number % 20


SHAPES = {"models": models, "distinct": distinct, "plain": plain}


def measure(shape: str) -> Row:
    """The figures of one shape, in this process."""
    from edge.budget import Budget
    from edge.dht.storage import Storage
    from edge.machine import resident

    peers = [_peer(number) for number in range(RECORDS // BLOCKS + 1)]
    pool = Budget(1 << 30, 0).pool("dht", 1.0)
    storage = Storage(pool, time.time)
    for record in SHAPES[shape]():
        _ = record  # what making them takes is not of the storage
    gc.collect()
    before = resident()
    row: Row = {"records": RECORDS}
    expiration = time.time() + LIFE
    for turn in ("stored", "announced again"):
        stored = 0
        busy = 0.0
        for key, subkey, value, cached, writer in SHAPES[shape]():
            (until,) = struct.unpack("d", struct.pack("d", expiration))  # one each, as on the wire
            began = time.process_time()
            stored += storage.store(key, subkey, value, until, cached, peers[writer])
            busy += time.process_time() - began
        if stored != RECORDS:
            raise SystemExit(f"{shape}: {stored} of {RECORDS} stored: {storage.refusals}")
        gc.collect()
        row[turn] = {
            "rss": resident() - before,
            "leased": pool.used,
            "keys_per_second": round(RECORDS / busy),
        }
        expiration += 1
    keys = list(dict.fromkeys(record[0] for record in SHAPES[shape]()))
    began = time.process_time()
    found = sum([len(answer.value) for key in keys if (answer := storage.find(key))])
    busy = time.process_time() - began
    row["found"] = {"keys": len(keys), "bytes": found, "keys_per_second": round(len(keys) / busy)}
    return row


def imported() -> int:
    """Resident bytes that importing the MessagePack library adds to a node's modules."""
    import edge.node  # noqa: F401 - what a node has anyway
    from edge.machine import resident

    before = resident()
    import msgpack  # noqa: F401

    return resident() - before


def table(rows: dict[str, Row]) -> str:
    form = "{:<10} {:>8} {:>10} {:>10} {:>12} {:>12} {:>12}"
    lines = [form.format("shape", "MB", "MB leased", "MB again", "stores/s", "again/s", "finds/s")]
    for name, row in rows.items():
        first, again = row["stored"], row["announced again"]
        lines.append(
            form.format(
                name,
                f"{first['rss'] / 1e6:.1f}",
                f"{first['leased'] / 1e6:.1f}",
                f"{again['rss'] / 1e6:.1f}",
                first["keys_per_second"],
                again["keys_per_second"],
                row["found"]["keys_per_second"],
            )
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dht", description=__doc__)
    parser.add_argument("--shape", choices=[*SHAPES, "import"], help="measure it, print JSON")
    shape = parser.parse_args().shape
    if shape is not None:
        print(json.dumps(imported() if shape == "import" else measure(shape)))
        return
    rows = {name: _in_a_process(name) for name in SHAPES}
    msgpack = _in_a_process("import")
    print(table(rows))
    used = max(rows["models"][turn]["rss"] for turn in ("stored", "announced again")) / 1e6
    print(f"\nmodels: {used:.1f} MB; goal {GOAL}, must {MUST}")
    print(f"importing msgpack: {msgpack / 1e6:.2f} MB")
    path = RESULTS / f"dht-{VERSION}.json"
    path.write_text(json.dumps({"storage": rows, "import_msgpack": msgpack}, indent=1) + "\n")
    print(f"written to {path}")


def _in_a_process(shape: str) -> Any:
    command = [sys.executable, "-m", "bench.dht", "--shape", shape]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _peer(number: int) -> Any:
    from edge.wire.peerid import ED25519, PublicKey

    return PublicKey(type=ED25519, data=number.to_bytes(32, "big")).peer_id()


def _peer_subkey(number: int) -> bytes:
    from edge.wire import packed

    return packed.dumps(str(_peer(number)))


def _key(model: int, block: int) -> bytes:
    return hashlib.sha1(b"%d.%d" % (model, block), usedforsecurity=False).digest()


def _value(writer: int, number: int) -> bytes:
    """Bytes of the size of a record of `writer`'s, others for each `number`."""
    size = SIZES[writer % len(SIZES)]
    return (b"%d " % number).ljust(size, b"x")


if __name__ == "__main__":
    main()

"""The tables of bench.footprint and bench.modules: what they are read from, and their shape."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench import builds, footprint, linkmap, modules, others, relays
from cross import contents

# Lines as lld 20 prints them for mipsel_24kc, without the symbols' lines but one.
MAP = """\
     VMA      LMA     Size Align Out     In      Symbol
   10150    10150       18     4 .reginfo
   10150    10150       18     4         <internal>:(.reginfo)
   28400    28400    ce1c0     1         modules.o:(.rodata.image_modules_bin)
  148ae0   148ae0     3bc2     1         /tmp/a/edge.build/constants_data.o:(.rodata.constants)
  1504f0   1504f0       20    16         /tmp/a/lib/libpython3.13.a(ceval.o):(.text._PyEval_Vector)
  1504f0   1504f0       20     1                 _PyEval_Vector
  279c20   279c20      120     4         edge.wire.yamux.o:(.text.__pyx_pw)
  27a000   27a000       40     4         /tmp/a/edge.build/module.edge.cli.o:(.text.impl)
  27d000   27d000       10     4         /tmp/z/libc.a(/tmp/z/memcpy.o):(.text)
  2a0000   2a0000      500     8         /tmp/a/lib/libpython3.13.a(gc.o):(.bss.state)
      40       40       40     4         edge.wire.yamux.o:(.pdr)
"""


def test_the_map_says_whose_bytes_they_are() -> None:
    found = [(footprint.origin(piece), piece.size) for piece in linkmap.pieces(MAP)]
    assert found == [
        ("texts that the linker merged, of all", 0x18),
        ("image: modules as bytecode, packed", 0xCE1C0),
        ("Nuitka: constants_data", 0x3BC2),
        ("CPython", 0x20),
        ("Cython: edge.wire.yamux", 0x120),
        ("Nuitka: edge.cli", 0x40),
        ("musl", 0x10),
    ]


def test_an_executables_bytes_by_address() -> None:
    data = Path("/bin/sh").resolve().read_bytes()
    elf = linkmap.Elf(data)
    assert elf.at(0, 64) == data[:64]  # position-independent: its first segment starts at 0
    with pytest.raises(ValueError, match="not in the file"):
        elf.at(1 << 40, 1)


def test_constants_of_nuitka_by_module() -> None:
    parts = [("edge.cli", b"12345"), ("edge", b""), (".bytecode", b"\0\0")]
    data = b"".join(
        name.encode() + b"\0" + struct.pack("<I", len(text)) + text for name, text in parts
    )
    assert list(modules.blobs(data)) == parts


def test_a_split_compiles_modules_of_the_binary_once() -> None:
    files = contents.application()
    for name, split in modules.splits().items():
        compiled = [*split.nuitka, *split.cython]
        assert len(compiled) == len(set(compiled)), name
        assert set(compiled) <= set(files)
        assert split.nuitka[:1] in {(), ("edge",)}
        assert not [each for each in split.cython if files[each].name == "__init__.py"]


def test_entry_and_data_path_are_compiled_in_what_ships() -> None:
    split = contents.shipped()
    compiled = {*split.nuitka, *split.cython}
    assert {"edge.cli", "edge.node", "edge.relay.circuit", "edge.swarm.connection"} <= compiled
    assert {"edge.wire.yamux", "edge.wire.noise", "edge.wire.connection"} <= compiled


def test_the_table_names_what_cannot_be_had() -> None:
    def get() -> Path:
        raise builds.MissingTool("cargo is missing; needed: cargo 1.85")

    rows = {
        "kwaainet, x86_64": {"file": 5_070_912, "gzip": 2_200_000, "idle": 13_800_000},
        "rust": footprint.beside(others.Other("rust", get), None),
    }
    assert footprint.table(rows).splitlines() == [
        "| | file MB | gzip -9 MB | idle RSS MB | with 200 peers | start CPU-s |",
        "|---|---|---|---|---|---|",
        "| kwaainet, x86_64 | 5.07 | 2.20 | 13.8 | - | - |",
        "| rust: not had, cargo is missing; needed: cargo 1.85 | - | - | - | - | - |",
    ]


def test_the_table_of_modules() -> None:
    rows = {
        "edge.cli": {
            "bytecode": 6_000,
            "cython": {"file": 90_000, "gzip": 30_000},
            "nuitka": {"file": 120_000, "gzip": 33_000},
        },
        "edge.budget": {"bytecode": 5_000, "cython": None, "nuitka": None},
    }
    assert modules.modules_table(rows).splitlines()[2:] == [
        "| edge.cli | 6.0 | 90.0 | 30.0 | 120.0 | 33.0 |",
        "| edge.budget | 5.0 | - | - | - | - |",
        "| all | 11.0 | 95.0 | 35.0 | 125.0 | 38.0 |",
    ]


def test_the_table_of_builds() -> None:
    rows = {
        "as shipped": {"file": 6_094_716, "gzip": 2_570_000, "idle": 13_800_000, "start": 0.0512},
        "all": {"missing": "edge/budget.py:240: refused"},
    }
    lines = modules.builds_table(rows).splitlines()
    assert lines[2] == "| as shipped | 6.09 | 2.57 | - | 13.8 | 51 | - | - | - |"
    assert lines[3].startswith("| all: edge/budget.py:240: refused | - |")
    assert len({line.count("|") for line in lines}) == 1


def test_a_program_is_measured_with_its_children(tmp_path: Path) -> None:
    script = 'sleep 600 & echo ready; trap "kill $!" TERM; wait'
    relay = relays.Relay(["sh", "-c", script], relays.Place(tmp_path, relays.Cores().relay))
    try:
        relay.await_said("ready")
        alone = resident(relay.pid)
        assert len(relay.family()) == 2
        assert relay.memory()["rss"] > alone
        assert 0 < relay.cpu_seconds() < 60
    finally:
        relay.stop()
    assert relay.family() == [relay.pid]


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096

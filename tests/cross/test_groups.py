"""The image's modules: how they are grouped, packed and unpacked."""

from __future__ import annotations

import ctypes
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from cross import contents, order
from cross import lzma as sdk
from cross.hosted import bytecode

UNPACKED, DAMAGED = 0, 1
PLAIN = b"".join(path.read_bytes() for path in sorted((contents.ROOT / "edge").glob("*.py")))
FILTER = {"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 0, "dict_size": 1 << 20}


@pytest.fixture(scope="module")
def packer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pack.c, by the compiler of this machine."""
    made = tmp_path_factory.mktemp("packer") / "pack"
    files = [sdk.PACK, *(sdk.folder() / f"{name}.c" for name in sdk.ENCODER)]
    command = ["cc", "-O2", "-DZ7_ST", f"-I{sdk.folder()}", *map(str, files), "-o", str(made)]
    subprocess.run(command, check=True)
    return made


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """unpack.c, with the checks of the compiler for undefined behaviour."""
    made = tmp_path_factory.mktemp("unpack") / "unpack.so"
    files = [contents.IMAGE / "unpack.c", *(sdk.folder() / f"{name}.c" for name in sdk.DECODER)]
    command = ["cc", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover", "-shared", "-fPIC"]
    command += [f"-I{sdk.folder()}", *map(str, files), "-o", str(made)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(made))


def unpacked(library: ctypes.CDLL, packed: bytes, size: int) -> tuple[int, bytes]:
    """The answer of unpack(), and the bytes; none is written behind them."""
    space = ctypes.create_string_buffer(b"\xa5" * (size + 64), size + 64)
    result = library.unpack(packed, ctypes.c_size_t(len(packed)), space, ctypes.c_size_t(size))
    assert space.raw[size:] == b"\xa5" * 64
    return result, space.raw[:size]


@pytest.mark.parametrize("plain", [b"", b"x", bytes(100_000), PLAIN], ids=len)
def test_what_is_packed_is_unpacked(plain: bytes, packer: Path, library: ctypes.CDLL) -> None:
    packed = bytecode.packed(plain, str(packer))
    assert unpacked(library, packed, len(plain)) == (UNPACKED, plain)
    assert lzma.decompress(packed, lzma.FORMAT_RAW, filters=[FILTER]) == plain


def test_another_encoder_s_is_unpacked(library: ctypes.CDLL) -> None:
    packed = lzma.compress(PLAIN, lzma.FORMAT_RAW, filters=[FILTER])
    assert unpacked(library, packed, len(PLAIN)) == (UNPACKED, PLAIN)


def test_what_is_damaged_stays_within_its_bounds(packer: Path, library: ctypes.CDLL) -> None:
    """And is seen, as a rule: there is no checksum, and another letter at the start is none."""
    plain = PLAIN[:3000]
    packed = bytecode.packed(plain, str(packer))
    seen = 0
    for number in range(len(packed)):
        damaged = bytearray(packed)
        damaged[number] ^= 0xFF
        result, _ = unpacked(library, bytes(damaged), len(plain))
        assert result in (UNPACKED, DAMAGED)
        seen += result
    assert seen > len(packed) * 0.9


def test_what_is_too_short_or_too_long_is_damaged(packer: Path, library: ctypes.CDLL) -> None:
    plain = PLAIN[:3000]
    packed = bytecode.packed(plain, str(packer))
    for number in range(len(packed)):
        assert unpacked(library, packed[:number], len(plain))[0] == DAMAGED
    assert unpacked(library, packed + b"\0", len(plain))[0] == DAMAGED
    assert unpacked(library, packed, len(plain) - 1)[0] == DAMAGED
    assert unpacked(library, packed, len(plain) + 1)[0] == DAMAGED


def test_more_than_a_dictionary_is_not_packed(packer: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        bytecode.packed(bytes((1 << 20) + 1), str(packer))


def test_listed_modules_come_first_and_vectors_last() -> None:
    names = ["new", "check_it", "b", "a", "other"]
    assert bytecode.arranged(names, ["gone", "b", "a", "check_it"], ["check_it"]) == [
        *("b", "a"),
        *("new", "other"),
        "check_it",
    ]


def test_a_group_ends_where_the_next_module_would_be_too_much() -> None:
    sizes = {"a": 60, "b": 40, "c": 1, "d": 150, "e": 100}
    assert bytecode.groups(list(sizes), sizes, 100) == [["a", "b"], ["c"], ["d"], ["e"]]


def test_modules_of_all_uses_come_first_then_as_a_node_imports_them() -> None:
    full, node, status = ["a", "z", "b", "y"], ["b", "y", "a"], ["y", "x", "a"]
    assert order.ordered([full, node, status], [["w", "z"]]) == ["a", "y", "b", "z", "x", "w"]


def test_a_package_is_left_out_with_all_that_is_in_it() -> None:
    for router, left_out in (
        (False, ("inference", "page")),
        (True, ("inference", "page", "update")),
    ):
        inside = contents.application(router)
        assert len(inside) > 300
        for name in inside:
            assert name.split(".")[1:2] not in [[each] for each in left_out], name


def test_the_list_has_the_modules_of_a_start() -> None:
    """Those that it lacks are unpacked with many that nobody wants."""
    inside = {*contents.application(), *contents.stdlib_names()} - {*contents.FROZEN}
    inside -= {*contents.shipped().nuitka, *contents.shipped().cython}
    command = ["from edge import cli, node, run; import sys; print(*sys.modules)"]
    done = subprocess.run(
        [sys.executable, "-c", *command], capture_output=True, text=True, check=True
    )
    wanted = inside & set(done.stdout.split())
    missing = wanted - set(contents.order())
    assert len(wanted) > 100
    assert len(missing) <= len(wanted) / 10, sorted(missing)


def test_the_list_names_each_module_once() -> None:
    assert len(contents.order()) == len(set(contents.order()))

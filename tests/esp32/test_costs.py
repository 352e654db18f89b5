"""What the ciphers take on an ESP32: instructions, counted as they are executed, and native code.

The counts are of the kernels' machine code alone (tests/esp32/xtensa.py), and the same in each run.
"""

from __future__ import annotations

import sys

import pytest
from devices import CRYPTO, Xtensa

sys.path.append(str(CRYPTO))
import crypto_vectors

KIB = 1024
STEP = 500_000  # 2.7 ms


def unhex(vector: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(part) for part in vector]


def steps(xtensa: Xtensa, module: str, name: str, *operands: bytes | bool) -> list[int]:
    """The instructions of each step of a computation; the last operand is its result."""
    *operands, expected = operands
    xtensa.count()
    work = getattr(xtensa.module(module), name)(*operands)
    counts = []
    done = False
    while not done:
        done = work.step()
        counts.append(xtensa.count())
    assert (work.ok if name == "Verify" else work.result()) == expected
    counts[-1] += xtensa.count()
    return counts


@pytest.fixture(scope="module")
def xtensa(tmp_path_factory: pytest.TempPathFactory) -> Xtensa:
    return Xtensa(tmp_path_factory.mktemp("xtensa"))


def test_native_code(xtensa: Xtensa) -> None:
    assert xtensa.size <= 16 * KIB


def test_seal_and_open_of_1_kib(xtensa: Xtensa) -> None:
    operands = (bytes(32), b"\1", b"")
    sealed = xtensa("seal", *operands, bytes(KIB), bytes([128] * 8), b"\0")[:-1]
    assert xtensa("open", *operands, sealed, bytes([128] * 8), b"\0")[-1] == 1
    assert xtensa.count() / KIB <= 450


def test_x25519(xtensa: Xtensa) -> None:
    first, second = [
        steps(xtensa, "x25519", "X25519", scalar, point, shared)
        for scalar, point, shared in map(unhex, crypto_vectors.X25519[:2])
    ]
    assert sum(first) <= 15_000_000
    assert max(first) <= STEP
    assert first == second  # whatever the numbers


def test_ed25519_verification(xtensa: Xtensa) -> None:
    _, public, message, signature = unhex(crypto_vectors.ED25519[1])
    counts = steps(xtensa, "ed25519", "Verify", public, message, signature, True)
    assert sum(counts) <= 28_000_000
    assert max(counts) <= STEP

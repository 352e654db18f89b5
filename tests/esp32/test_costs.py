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


def unhex(vector: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(part) for part in vector]


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
    counts = set()
    for scalar, point, shared in map(unhex, crypto_vectors.X25519[:2]):
        assert xtensa("x25519", scalar, point) == shared
        counts.add(xtensa.count())
    assert max(counts) <= 15_000_000
    assert len(counts) == 1  # whatever the numbers


def test_ed25519_verification(xtensa: Xtensa) -> None:
    _, public, message, signature = unhex(crypto_vectors.ED25519[1])
    assert xtensa("verify", public, message, signature) == b"\1"
    assert xtensa.count() <= 28_000_000

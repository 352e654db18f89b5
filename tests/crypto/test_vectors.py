"""The specifications' vectors against all backends, and the pure one under MicroPython too."""

import os
import subprocess
import sys
from pathlib import Path

import crypto_vectors
import pytest
from backends import BACKENDS

from edge.crypto import native
from edge.crypto.pure import chacha20poly1305
from edge.crypto.pure.sha512 import _Sha512

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHECKS = [pytest.param(check, id=check.__name__) for check in crypto_vectors.CHECKS]


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("check", CHECKS)
def test_vectors(backend, check):
    check(backend)


def test_there_are_checks():
    assert len(CHECKS) >= 19


def test_x25519_iterated_1000_times():
    expected = bytes.fromhex(crypto_vectors.X25519_ITERATED[1000])
    assert crypto_vectors.x25519_iterated(native, 1000) == expected


def test_chacha20_block_rfc8439_2_3_2():
    stream = chacha20poly1305._keystream(
        bytes(range(32)), bytes.fromhex("000000090000004a00000000"), 1, 1
    )
    assert stream.hex() == (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )


def test_chacha20_lanes_are_the_blocks_one_by_one():
    key, nonce = bytes(range(32)), bytes(range(12))
    together = chacha20poly1305._keystream(key, nonce, 7, 64)
    apart = [chacha20poly1305._keystream(key, nonce, 7 + i, 1) for i in range(64)]
    assert together == b"".join(apart)


@pytest.mark.parametrize("size", [0, 1, 111, 112, 127, 128, 129, 1000])
def test_pure_sha512_is_sha512(size):
    import hashlib

    data = bytes(i & 0xFF for i in range(size))
    assert _Sha512()(data) == hashlib.sha512(data).digest()


def test_pure_backend_under_micropython():
    micropython = Path(sys.executable).parent / "micropython"
    path = {**os.environ, "MICROPYPATH": f"{ROOT}:{HERE}"}
    run = subprocess.run(
        [micropython, HERE / "crypto_vectors.py"],
        env=path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stderr == ""
    assert run.stdout == f"micropython {len(CHECKS)} checks passed\n"

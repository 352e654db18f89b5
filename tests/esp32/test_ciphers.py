"""The device's ciphers: the vectors of all backends, and PyCA's verdict on whatever else.

They run under MicroPython with words of 64 bits and of 32 bits, on RISC-V, with the AEAD in C, and
as the very machine code that an ESP32 executes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.poly1305 import Poly1305
from devices import (
    CRYPTO,
    HERE,
    INTERPRETERS,
    Call,
    Xtensa,
    in_c,
    under_micropython,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.crypto.pure import hkdf
from esp32 import build, kernels
from esp32.kernels.__main__ import FILES, KW

IN_C = {"64 bits in C": "x64", "RISC-V in C": "rv32imc"}
KEY = st.binary(min_size=32, max_size=32)
EXTREMES = [bytes(32), b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"), b"\xff" * 31 + b"\x7f"]


@pytest.fixture(scope="session", params=INTERPRETERS)
def curves(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Call]:
    """The device, for what takes an emulated ESP32 too long: test_costs.py has its vectors."""
    folder = tmp_path_factory.mktemp("device")
    with under_micropython(INTERPRETERS[request.param](), build.stage(folder)) as call:
        yield call


@pytest.fixture(scope="session")
def xtensa(tmp_path_factory: pytest.TempPathFactory) -> Xtensa:
    return Xtensa(tmp_path_factory.mktemp("xtensa"))


@pytest.fixture(scope="session", params=[*INTERPRETERS, *IN_C, "xtensa"])
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Call]:
    if request.param == "xtensa":
        yield request.getfixturevalue("xtensa")
        return
    folder = build.stage(tmp_path_factory.mktemp("device"))
    if request.param in IN_C:
        in_c(IN_C[request.param], folder)
    interpreter = INTERPRETERS[request.param.removesuffix(" in C")]
    with under_micropython(interpreter(), folder) as call:
        yield call


def run(interpreter: list[str | Path], device: Path, script: str) -> str:
    done = subprocess.run(
        [*interpreter, HERE / "device" / script],
        env={**os.environ, "MICROPYPATH": f"{device}:{CRYPTO}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_vectors_of_all_backends(interpreter: str, tmp_path: Path) -> None:
    device = build.stage(tmp_path)
    assert run(INTERPRETERS[interpreter](), device, "check_vectors.py") == "viper 20\n"


def test_the_wire_over_the_devices_ciphers(tmp_path: Path) -> None:
    """As tests/wire/test_portable.py runs it over edge.crypto."""
    device = build.stage(tmp_path)
    for module in ("noise", "upgrade", "envelope"):
        run(INTERPRETERS["64 bits"](), device, f"../../wire/portable/check_{module}.py")


@pytest.mark.parametrize("name", FILES)
def test_generated_files_are_what_is_generated(name: str) -> None:
    assert (KW / name).read_text() == FILES[name](), f"run: python -m {kernels.__name__}"


@st.composite
def frames(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A text, and the sizes of the pieces it comes in."""
    sizes = draw(
        st.lists(st.one_of(st.integers(0, 255), st.sampled_from([64, 128, 192])), max_size=8)
    )
    fill = draw(st.sampled_from([None, 0, 0xFF]))
    size = sum(sizes)
    text = draw(st.binary(min_size=size, max_size=size)) if fill is None else bytes([fill]) * size
    return text, bytes(sizes)


AEAD = {
    "key": st.one_of(KEY, st.sampled_from(EXTREMES)),
    "counter": st.one_of(st.integers(0, 2**64 - 2), st.integers(0, 2**33)),
    "ad": st.binary(max_size=40),
    "frame": frames(),
    "shift": st.integers(0, 7),
}


def pyca(key: bytes, counter: int, ad: bytes, text: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(bytes(4) + counter.to_bytes(8, "little"), text, ad)


@settings(max_examples=60)
@given(**AEAD)
def test_seals_as_pyca_in_any_pieces(device: Call, key, counter, ad, frame, shift) -> None:
    text, sizes = frame
    sealed = pyca(key, counter, ad, text)
    number = counter.to_bytes(8, "big")
    got = device("seal", key, number, ad, text, sizes, bytes([shift]))
    assert got == b"\x55" * shift + sealed + b"\x55"
    got = device("open", key, number, ad, sealed, sizes, bytes([shift]))
    assert got == b"\x55" * shift + text + sealed[-16:] + b"\x55\x01"


@settings(max_examples=40)
@given(data=st.data(), **AEAD)
def test_notices_any_flipped_bit(device: Call, data, key, counter, ad, frame, shift) -> None:
    text, sizes = frame
    sealed = bytearray(pyca(key, counter, ad, text))
    flipped = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[flipped >> 3] ^= 1 << (flipped & 7)
    number = counter.to_bytes(8, "big")
    assert device("open", key, number, ad, sealed, sizes, bytes([shift]))[-1] == 0


def test_a_frame_of_64_kib_and_bytes_of_it(device: Call) -> None:
    """Whatever byte is changed, the tag is another one."""
    size = 65519 if not isinstance(device, Xtensa) else 2000
    text, sizes = bytes(range(256)) * 256, bytes([192]) * (size // 192) + bytes([size % 192])
    sealed = pyca(bytes(32), 7, b"", text[:size])
    number = (7).to_bytes(8, "big")
    assert device("open", bytes(32), number, b"", sealed, sizes, b"\0")[:size] == text[:size]
    for at in range(0, len(sealed), 16127):
        broken = bytearray(sealed)
        broken[at] ^= 0x80
        assert device("open", bytes(32), number, b"", broken, sizes, b"\0")[-1] == 0


# Sums that reach 2^130 - 5, carries through all limbs: RFC 8439, A.3, has such ones.
WRAPS = ("ff" * 16, "fb" + "fe" * 15, "01" * 16, "fd" + "ff" * 15, "00" * 16, "f0" + "ff" * 15)
R = ("01" + "00" * 15, "02" + "00" * 15, "ff" * 16, "01" + "00" * 7 + "04" + "00" * 7)


@settings(max_examples=60)
@given(
    r=st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from(R).map(bytes.fromhex)),
    s=st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from(WRAPS).map(bytes.fromhex)),
    blocks=st.lists(
        st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from(WRAPS).map(bytes.fromhex)),
        max_size=6,
    ),
)
def test_poly1305_where_it_wraps(device: Call, r: bytes, s: bytes, blocks: list[bytes]) -> None:
    message = b"".join(blocks)
    assert device("poly", r + s, message) == Poly1305.generate_tag(r + s, message)


@settings(max_examples=25)
@given(
    scalar=st.one_of(KEY, st.sampled_from(EXTREMES)),
    point=st.one_of(
        KEY, st.sampled_from(EXTREMES), st.integers(0, 40).map(lambda n: n.to_bytes(32, "little"))
    ),
)
def test_x25519_as_pyca(curves: Call, scalar: bytes, point: bytes) -> None:
    try:
        private = X25519PrivateKey.from_private_bytes(scalar)
        expected = private.exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError:
        expected = bytes(32)  # of small order
    assert curves("x25519", scalar, point) == expected


@settings(max_examples=20)
@given(seed=KEY, message=st.binary(max_size=200), data=st.data())
def test_ed25519_as_pyca(curves: Call, seed: bytes, message: bytes, data) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert curves("verify", public, message, signature) == b"\1"
    parts = [bytearray(public), bytearray(message), bytearray(signature)]
    broken = data.draw(st.sampled_from([part for part in parts if part]))
    flipped = data.draw(st.integers(0, 8 * len(broken) - 1))
    broken[flipped >> 3] ^= 1 << (flipped & 7)
    try:
        Ed25519PublicKey.from_public_bytes(bytes(parts[0])).verify(bytes(parts[2]), bytes(parts[1]))
        expected = b"\1"
    except (InvalidSignature, ValueError):
        expected = b"\0"
    assert curves("verify", *parts) == expected


def test_signs_as_pyca(curves: Call) -> None:
    for number in range(2):
        seed = bytes([number]) * 32
        key = Ed25519PrivateKey.from_private_bytes(seed)
        assert curves("ed25519", seed) == key.public_key().public_bytes_raw()
        assert curves("sign", seed, b"payload" * number) == key.sign(b"payload" * number)


def test_sha512_pads_every_length(device: Call) -> None:
    for size in range(130):
        data = bytes(size)
        assert device("sha512", data) == hashlib.sha512(data).digest(), size


@settings(max_examples=30)
@given(st.binary(max_size=400))
def test_sha512_and_hkdf(device: Call, data: bytes) -> None:
    assert device("sha512", data) == hashlib.sha512(data).digest()
    assert device("hkdf", data[:64], data) == b"".join(hkdf.hkdf2(data[:64], data))

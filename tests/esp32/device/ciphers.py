"""The device's ciphers for a program on the other side of a pipe.

Each line is the name of an operation and its operands in hexadecimal; so is each answer. The same
operations run under CPython, over kernels on the machine of tests/esp32/xtensa.py.
"""

import sys

from kw import _poly1305 as poly1305
from kw import ed25519, x25519
from kw.aead import TAG, Aead
from kw.hkdf import hkdf2
from kw.sha import sha512


def _pieces(aead, buffer, start, sizes):
    at = start
    for size in sizes:
        aead.update(buffer, at, at + size)
        at += size


def _parts(counter, key, ad, sealing):
    aead = Aead(key)
    aead.begin(int.from_bytes(counter, "big"), sealing, ad)
    return aead


def seal(key, counter, ad, text, sizes, shift):
    """In pieces of `sizes`, `shift` bytes behind the start of a buffer, which is returned."""
    start = shift[0]
    buffer = bytearray(b"\x55" * start + text + b"\x55" * (TAG + 1))
    aead = _parts(counter, key, ad, True)
    _pieces(aead, buffer, start, sizes)
    aead.tag(buffer, start + len(text))
    return buffer


def open(key, counter, ad, sealed, sizes, shift):
    """As seal(); with one byte more, whether the tag is right."""
    start = shift[0]
    buffer = bytearray(b"\x55" * start + sealed + b"\x55")
    aead = _parts(counter, key, ad, False)
    _pieces(aead, buffer, start, sizes)
    right = aead.check(buffer, start + len(sealed) - TAG)
    return bytes(buffer) + bytes([right])


def poly(key, message):
    """Poly1305 alone, of a message of whole blocks."""
    state, tag = bytearray(4 * poly1305.WORDS), bytearray(TAG)
    poly1305.start(state, key)
    poly1305.absorb(0, 0, state, message, 0, len(message))
    poly1305.finish(state, tag, 0)
    return tag


def verify(public, message, signature):
    return bytes([ed25519.verify(public, message, signature)])


def hkdf(chaining_key, material):
    return b"".join(hkdf2(chaining_key, material))


OPERATIONS = {
    "seal": seal,
    "open": open,
    "poly": poly,
    "verify": verify,
    "sign": ed25519.sign,
    "ed25519": ed25519.public,
    "x25519": x25519.shared,
    "sha512": sha512,
    "hkdf": hkdf,
}

if __name__ == "__main__":
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        name, *operands = line.rstrip("\n").split(" ")
        print(OPERATIONS[name](*[bytes.fromhex(operand) for operand in operands]).hex())

"""ChaCha20-Poly1305 (RFC 8439, 2.8) under Noise's counter nonce, in place and in pieces.

A frame is up to 64 KiB long and a device has buffers of 1 KiB: so it is processed as it comes, in
pieces of any length, and the tag is compared at the end. Whoever acts on a piece before that has to
know what may be done with unverified plaintext.

Pieces are fastest whose start, and whose length but for the last, is a multiple of 64 bytes from a
multiple of four in memory; all others are right, too. Nothing is allocated but by __init__().
"""

from struct import pack_into

from kw import _chacha20 as chacha20
from kw import _poly1305 as poly1305

TAG = 16
_scratch = bytearray(64)
_zeros = bytes(64)


class Aead:
    """One direction of a channel: begin(), update() any number of times, then tag() or check()."""

    __slots__ = ("_ad", "_mac", "_seal", "_size", "_stream")

    def __init__(self, key):
        if len(key) != 32:
            raise ValueError("a key is 32 bytes")
        self._stream = bytearray(4 * chacha20.WORDS)
        self._stream[:16] = b"expand 32-byte k"
        self.key = key
        self._mac = bytearray(4 * poly1305.WORDS)
        self._seal = False
        self._ad = self._size = 0

    @property
    def key(self):
        """The 32 bytes; another key may take their place between two messages."""
        return bytes(self._stream[16:48])

    @key.setter
    def key(self, key):
        self._stream[16:48] = key

    def begin(self, counter, seal, ad=b""):
        """Start the message number `counter`, to be sealed or opened; `ad` is authenticated too."""
        stream = self._stream
        pack_into("<QQ", stream, 48, 0, counter)
        pack_into("<I", stream, 4 * chacha20.USED, 64)
        _scratch[:] = _zeros
        chacha20.xor(0, 0, stream, _scratch, 0, 64)
        poly1305.start(self._mac, _scratch)
        self._seal = seal
        self._ad, self._size = len(ad), 0
        if ad:
            poly1305.absorb(0, 0, self._mac, ad, 0, len(ad))
            poly1305.absorb(0, 0, self._mac, _zeros, 0, -len(ad) & 15)

    def update(self, buf, start, end):
        """Seal or open buf[start:end] in place; `buf` is writable."""
        if not 0 <= start <= end <= len(buf):
            raise ValueError("the piece is not in the buffer")
        if self._seal:
            chacha20.xor(0, 0, self._stream, buf, start, end)
            poly1305.absorb(0, 0, self._mac, buf, start, end)
        else:
            poly1305.absorb(0, 0, self._mac, buf, start, end)
            chacha20.xor(0, 0, self._stream, buf, start, end)
        self._size += end - start

    def tag(self, into, at):
        """End the message, and write its tag into into[at : at + 16]."""
        if not 0 <= at <= len(into) - TAG:
            raise ValueError("the tag does not fit")
        poly1305.absorb(0, 0, self._mac, _zeros, 0, -self._size & 15)
        pack_into("<QQ", _scratch, 0, self._ad, self._size)
        poly1305.absorb(0, 0, self._mac, _scratch, 0, 16)
        poly1305.finish(self._mac, into, at)

    def check(self, buf, at):
        """End the message: whether buf[at : at + 16] is its tag. The time tells no more."""
        if not 0 <= at <= len(buf) - TAG:
            raise ValueError("the tag is not in the buffer")
        self.tag(_scratch, 16)
        _scratch[:TAG] = _scratch[TAG : 2 * TAG]
        return poly1305.differ(_scratch, buf, at, TAG) == 0

"""The two multibases used by peers: base32 (CIDs of peer ids) and base64url (certhashes).

Both are RFC 4648's encodings without padding. The caller removes the multibase prefix.

Source: https://github.com/multiformats/multibase
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import AddressError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.types import Buffer

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(data: "Buffer", alphabet: str) -> str:
    """Encode `data` in `alphabet`, BASE32 or BASE64URL."""
    width = _width(alphabet)
    out = []
    held = bits = 0
    for byte in bytes(data):
        held = held << 8 | byte
        bits += 8
        while bits >= width:
            bits -= width
            out.append(alphabet[held >> bits])
            held &= (1 << bits) - 1
    if bits:
        out.append(alphabet[held << width - bits])
    return "".join(out)


def decode(text: str, alphabet: str) -> bytes:
    """Decode `text`, whose length the caller has bounded.

    Raises AddressError unless encode() of the result is `text`.
    """
    width = _width(alphabet)
    out = bytearray()
    held = bits = 0
    for char in text:
        digit = alphabet.find(char)
        if digit < 0:
            raise AddressError(f"{char!r} is not a base{len(alphabet)} character")
        held = held << width | digit
        bits += width
        if bits >= 8:
            bits -= 8
            out.append(held >> bits)
            held &= (1 << bits) - 1
    if held or bits >= width:
        raise AddressError(f"base{len(alphabet)} text is cut short")
    return bytes(out)


def _width(alphabet: str) -> int:
    return 5 if len(alphabet) == 32 else 6

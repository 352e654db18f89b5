"""Base58 with Bitcoin's alphabet, the text form of peer ids. Bounded: the work grows quadratically.

Source: https://datatracker.ietf.org/doc/html/draft-msporny-base58
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import AddressError, LocalProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.types import Buffer

MAX_BYTES = 96  # a peer id has at most 44, a CID of one 46
MAX_TEXT = 132  # 96 bytes in base 58

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def encode(data: "Buffer") -> str:
    """Encode `data` (at most MAX_BYTES); every leading zero byte becomes a 1."""
    if len(data) > MAX_BYTES:
        raise LocalProtocolError(f"base58 of {len(data)} bytes, at most {MAX_BYTES} are allowed")
    body = bytes(data).lstrip(b"\0")
    number = int.from_bytes(body, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    digits.reverse()
    return "1" * (len(data) - len(body)) + "".join(digits)


def decode(text: str) -> bytes:
    """Decode `text` (at most MAX_TEXT characters). Raises AddressError."""
    if len(text) > MAX_TEXT:
        raise AddressError(f"base58 of {len(text)} characters, at most {MAX_TEXT} are allowed")
    body = text.lstrip("1")
    number = 0
    for char in body:
        digit = _ALPHABET.find(char)
        if digit < 0:
            raise AddressError(f"{char!r} is not a base58 character")
        number = number * 58 + digit
    return b"\0" * (len(text) - len(body)) + number.to_bytes(len(body), "big").lstrip(b"\0")

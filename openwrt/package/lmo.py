"""Catalogues as LuCI reads them: .lmo files, as its po2lmo makes them.

Source: the behaviour of luci-base's lmo.c and po2lmo.c; there is no other specification. The texts,
each padded to four bytes; an index of four words per text, big-endian and sorted: the hash of what
is translated, the number of forms, offset, length; and the offset of the index. The hash is Paul
Hsieh's SuperFastHash with the length as its seed. The rule of the plural forms has the hash 0.
"""

import struct

from openwrt.package.po import Message

_MASK = 0xFFFFFFFF
_CONTEXT, _FORM = "\1", "\2"  # behind the context; before the number of a plural form
_RULE = "Plural-Forms: "


def compiled(header: list[str], messages: list[Message]) -> bytes:
    """A catalogue. Messages without a translation are not in it."""
    texts = bytearray()
    index = []

    def put(key: int, forms: int, text: str) -> None:
        data = text.encode()
        index.append((key, forms, len(texts), len(data)))
        texts.extend(data + bytes(-len(data) % 4))

    for line in header:
        if line.startswith(_RULE):
            put(0, 0, line.removeprefix(_RULE))
    for message in messages:
        for form, text in enumerate(message.texts):
            key = superfast_hash(_key(message, form))
            if text and key != superfast_hash(text.encode()):
                put(key, len(message.texts), text)
    entries = b"".join([struct.pack(">4I", *entry) for entry in sorted(index)])
    return bytes(texts) + entries + struct.pack(">I", len(texts))


def superfast_hash(data: bytes) -> int:
    value = len(data)
    whole = len(data) & ~3
    for low, high in struct.iter_unpack("<HH", data[:whole]):
        value = (value + low) & _MASK
        value = (value << 16 ^ high << 11 ^ value) & _MASK
        value = (value + (value >> 11)) & _MASK
    return _settled(_with_rest(value, data[whole:]))


def _with_rest(value: int, rest: bytes) -> int:
    """The last one to three bytes, of which an odd one is a signed number."""
    if not rest:
        return value
    odd = (rest[-1] ^ 0x80) - 0x80
    if len(rest) == 1:
        value = (value + odd) & _MASK
        value = (value ^ value << 10) & _MASK
        return (value + (value >> 1)) & _MASK
    value = (value + int.from_bytes(rest[:2], "little")) & _MASK
    if len(rest) == 2:
        value = (value ^ value << 11) & _MASK
        return (value + (value >> 17)) & _MASK
    value = (value ^ value << 16) & _MASK
    value = (value ^ odd << 18) & _MASK
    return (value + (value >> 11)) & _MASK


def _settled(value: int) -> int:
    """The last bits spread over all."""
    for left, right in ((3, 5), (4, 17), (25, 6)):
        value = (value ^ value << left) & _MASK
        value = (value + (value >> right)) & _MASK
    return value


def _key(message: Message, form: int) -> bytes:
    context = f"{message.context}{_CONTEXT}" if message.context else ""
    number = f"{_FORM}{form}" if message.plural else ""
    return f"{context}{message.id}{number}".encode()

"""Length-delimited messages: an unsigned varint and the body, as libp2p frames them on a stream.

Sans-IO. Data after a message is left to the caller: after a circuit's last handshake message the
stream belongs to the circuit.

Portable: runs under CPython and MicroPython.
"""

from edge.wire import varint
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.types import Buffer


class DelimitedReader:
    """Splits a stream into messages of at most `limit` bytes.

    Holds the received part of one message, and never allocates by the announced length.
    """

    __slots__ = ("_body", "_head", "_limit", "_wanted")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = b""  # of an incomplete length
        self._body = bytearray()
        self._wanted = -1  # length of the current message, -1 while unknown

    @property
    def partial(self) -> bool:
        """Whether a message is incomplete; the end of the stream is then an error."""
        return self._wanted >= 0 or bool(self._head)

    def feed(self, data: "Buffer") -> "tuple[bytes | bytearray | None, int]":
        """The next message, or None if `data` does not complete it, and the number of bytes used.

        Without a message all of `data` is used; with one, feed the rest again. A message may be
        empty. Raises RemoteProtocolError if the length is malformed or over the limit.
        """
        view = memoryview(data)
        pos = 0
        if self._wanted < 0:
            pos = self._read_length(view)
            if self._wanted < 0:
                return None, len(view)
        end = min(len(view), pos + self._wanted - len(self._body))
        if not self._body and end - pos == self._wanted:
            self._wanted = -1
            return bytes(view[pos:end]), end
        self._body += view[pos:end]
        if len(self._body) < self._wanted:
            return None, end
        message = self._body
        self._body = bytearray()
        self._wanted = -1
        return message, end

    def _read_length(self, view: memoryview) -> int:
        """The position in `view` behind the length, if it is complete."""
        held = len(self._head)
        head = self._head + bytes(view[: varint.MAX_BYTES])
        found = varint.decode(head)
        if found is None:
            self._head = head
            return len(view)
        length, stop = found
        if length > self._limit:
            raise RemoteProtocolError(f"message of {length} bytes, at most {self._limit} allowed")
        self._head = b""
        self._wanted = length
        return stop - held

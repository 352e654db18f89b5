"""What a peer is sent: frames of Noise, sealed in one buffer that all connections share.

Behind a frame that the kernel did not take nothing is sealed for its connection. The rest of that
frame is kept in small pieces, for a heap is short of large ones; then whoever has data for the
connection waits, so it is one frame at most.
"""

from micropython import const

from edge.wire import yamux
from edge.wire.errors import RemoteProtocolError
from kw.aead import Aead

CHUNK = 1024  # bytes of plaintext at once
TAG = 16
SEND_BUFFER = 4 + yamux.HEADER + CHUNK + 2 * TAG
MAX_QUEUED = 24  # writes that wait for the window or the socket
MAX_WAITING = 2 * CHUNK  # bytes of those, and of frames of yamux itself
_PIECE = const(224)
_CROWDED = const(256)  # bytes of yamux's frames
_START = const(4)  # of the plaintext in the buffer: aligned, as ciphers like it
_tx = bytearray(SEND_BUFFER)
_view = memoryview(_tx)
_aead = Aead(bytes(32))  # of all, with the key of whose frame it seals: each begins and ends one


class Outbox:
    """Of `connection`; `use` begins its channel when the handshake is over."""

    def __init__(self, connection):
        self._key = None
        self._counter = 0
        self.sealing = False  # a frame is begun: if it does not end, the counters differ
        self.moved_at = connection.host.now  # when the kernel took something
        self._connection = connection
        self._queue = []
        self._queued = 0
        self._rest = []  # sealed, and not taken by the kernel
        self._rest_at = 0

    def use(self, cipher):
        """Seal as `cipher` (edge.crypto.CipherState) would go on to."""
        self._key, self._counter = cipher.aead.key, cipher.counter

    @property
    def pending(self):
        """Whether the kernel has not taken all that is sealed."""
        return bool(self._rest)

    @property
    def crowded(self):
        """Whether so much waits that the peer should not cause more."""
        return bool(self._rest) and (bool(self._queue) or len(self._connection.mux.out) > _CROWDED)

    def ready(self):
        """Whether a frame can be sealed: all before it has been taken by the kernel."""
        if self._connection.mux.out or self._queue:
            self.flush()
        return not self._rest and not self._connection.mux.out and self._connection.closing is None

    def forward(self, stream, source, at, count):
        """Send source[at : at + count] on `stream`, a circuit's, when `ready()` has been seen."""
        taken = 0
        if not self._waits(stream):
            taken = min(count, stream.send_window)
        if taken:
            self._send_data(stream, source, at, taken)
        if taken < count:  # what the ends have said to the relay itself has cost their windows
            self.write(stream, bytes(source[at + taken : at + count]))

    def write(self, stream, data, last=False):
        """Queue `data` and, if it is the `last`, the end of the stream."""
        self._queued += len(data)
        if len(self._queue) >= MAX_QUEUED or self._queued > MAX_WAITING:
            self._connection.fail("does not read")
            return
        self._queue.append([stream, data, 0, last])

    def finish(self, stream):
        """Half-close, behind what is queued."""
        if self._waits(stream):
            self.write(stream, b"", True)
        else:
            self._connection.mux.finish(stream)

    def waiting(self, stream):
        """Bytes queued for `stream`."""
        return sum([len(entry[1]) - entry[2] for entry in self._queue if entry[0] is stream])

    def flush(self):
        """Seal and send what waits, as far as the kernel takes it."""
        if self._rest:
            self.drain()
        connection, mux = self._connection, self._connection.mux
        while mux is not None and not self._rest and connection.closing is None:
            out = mux.out
            if out:
                count = min(len(out), CHUNK)
                _tx[_START : _START + count] = memoryview(out)[:count]
                mux.out = out[count:]
                self._seal(count)
            elif not self._send_queued():
                break
        if mux is not None and len(mux.out) > MAX_WAITING:
            connection.fail("does not read")

    def drain(self):
        """Give the kernel what is sealed."""
        while self._rest:
            piece = self._rest[0]
            taken = self._write(piece, self._rest_at, len(piece))
            self._rest_at += taken
            if self._rest_at < len(piece):
                return
            self._rest.pop(0)
            self._rest_at = 0

    def say_goodbye(self, reason):
        """A go-away, if the kernel takes it."""
        if self._connection.mux is not None and not self._rest and not self.sealing:
            self._connection.closing = None
            self._connection.mux.go_away(reason)
            self.flush()

    def _waits(self, stream):
        return any(entry[0] is stream for entry in self._queue)

    def _send_queued(self):
        """Send the first entry that can be; False if none can."""
        for index, entry in enumerate(self._queue):
            stream, data, at, last = entry
            gone = self._connection.mux.streams.get(stream.id) is not stream or stream.local_closed
            count = 0 if gone else min(len(data) - at, CHUNK, stream.send_window)
            if count:
                self._send_data(stream, data, at, count)
                entry[2] = at = at + count
            if gone or at == len(data):
                self._queue.pop(index)
                self._queued -= len(data)
                if last and not gone:
                    self._connection.mux.finish(stream)
            if gone or count or at == len(data):
                return True
        return False

    def _send_data(self, stream, source, at, count):
        self._connection.mux.write_header(stream, count, _tx, _START)
        start = _START + yamux.HEADER
        _tx[start : start + count] = memoryview(source)[at : at + count]
        self._seal(yamux.HEADER + count)

    def _seal(self, size):
        end = _START + size
        self.sealing = True
        _aead.key = self._key
        _aead.begin(self._counter, True)
        self._counter += 1
        _aead.update(_tx, _START, end)
        _aead.tag(_tx, end)
        _tx[_START - 2] = (size + TAG) >> 8
        _tx[_START - 1] = (size + TAG) & 0xFF
        self._send(_START - 2, end + TAG)
        self.sealing = False

    def send_plain(self, data):
        """Of the handshake, whose messages fit the buffer, one at a time."""
        if self._rest or len(data) > SEND_BUFFER:
            raise RemoteProtocolError("the peer does not read its handshake")
        _tx[: len(data)] = data
        self._send(0, len(data))

    def _send(self, start, end):
        """Give the kernel tx[start:end]; keep what it does not take."""
        self.moved_at = self._connection.host.now
        start += self._write(_tx, start, end)
        while start < end:
            stop = min(end, start + _PIECE)
            self._rest.append(bytes(_view[start:stop]))
            start = stop

    def _write(self, data, start, end):
        """How much the kernel took."""
        connection = self._connection
        try:
            taken = connection.sock.write(data, start, end - start)
        except OSError as error:
            connection.fail(f"lost: {error}")
            return end - start
        if taken:
            self.moved_at = connection.host.now
        return taken or 0

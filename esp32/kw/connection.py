"""What a peer sends: frames of Noise through a buffer of about 1 KB, and yamux in them.

A frame of Noise is up to 64 KiB long, and its tag comes last. What is done with its plaintext
before that is the one rule that this module is about:

- Of a frame of at most CHUNK bytes nothing is acted on before its tag.
- Of a longer one the data of established circuits goes on as it comes: it is end-to-end ciphertext,
  and whom it reaches checks it again. All else of it is held until the tag, and is at most HELD
  bytes; more ends the connection.
- A wrong tag ends the connection, and with it every circuit over it.

Nothing is received beyond the end of a frame, so what has not been read waits in the kernel, and
TCP holds the peer back. A connection is not read while a connection that its circuits lead to has
sealed bytes which the kernel did not take (kw.outbox): those are at most one frame of ours.

This module reads a socket that does not block, and knows neither poll nor a clock but the time of
the turn in `host.now`. `host` is the relay (kw.relay), which also serves the streams.
"""

from struct import unpack_from

from micropython import const

from edge.wire import yamux
from edge.wire.errors import RemoteProtocolError
from edge.wire.upgrade import Upgrade
from kw.mux import Mux
from kw.outbox import CHUNK, TAG, Outbox

HELD = 512  # bytes of a long frame that wait for its tag
RECEIVE_BUFFER = CHUNK + 2 * TAG  # an incomplete header in front, a tag behind
MAX_STREAMS = 12  # of a peer at a time
_ROOM = const(1040)  # of rx, for plaintext: CHUNK and what a header can lie in front
_SLICE = const(240)  # given to yamux at once: what it answers stays small

_HEAD = const(0)
_BODY = const(1)
_TAG = const(2)
_ACT = const(3)


class ConnectionLost(Exception):
    """The peer has closed the connection."""


class Connection:
    """A connection accepted at `host.now`; `rx`, a memoryview, is its own until it is closed.

    `peer` is None until the handshake is over. `closing`: why it is to be closed, which the loop
    does, so that nobody finds a connection gone in the middle of a step.
    """

    # Of MicroPython's dictionaries, 29 is the last size below 256 bytes.
    __slots__ = (
        "_body_left",
        "_ended",
        "_fill",
        "_kept",
        "_left",
        "_long",
        "_mark",
        "_opening",
        "_phase",
        "_receive",
        "_stuck",
        "_through",
        "_through_ends",
        "circuits",
        "closing",
        "flags",
        "host",
        "message_ready",
        "mux",
        "out",
        "peer",
        "pinged",
        "received_at",
        "remote",
        "reserved_at",
        "rx",
        "sock",
        "upgrade",
        "useful_at",
    )

    def __init__(self, host, sock, remote, rx):
        self.host = host
        self.sock = sock
        self.remote = remote  # a multiaddr, as bytes
        self.rx = rx
        self.out = Outbox(self)
        self.useful_at = self.received_at = host.now
        self.upgrade = Upgrade(host.identity, False)
        self.message_ready = False  # of the handshake: whose turn it is, the loop says
        self.mux = self.peer = self.reserved_at = self.closing = None
        self.circuits = 0
        self.pinged = False
        self.flags = 0  # as they are registered with poll
        self._receive = None  # the cipher state
        self._phase = _HEAD
        self._mark = 0  # where a head or a tag is being read
        self._fill = 0  # end of what there is in rx
        self._kept = 0  # end of what yamux will get, behind the tag
        self._left = 0  # bytes of the frame's plaintext that have not come
        self._long = False
        self._through = None  # whose circuit a body goes to; False: nowhere, None: it is kept
        self._body_left = 0  # of a frame of yamux
        self._through_ends = False
        self._ended = []  # streams whose FIN waits for the tag
        self._opening = 0  # the first stream that what is kept opens
        self._stuck = False  # a target was not ready

    # --- state ---

    def fail(self, reason):
        """Close at the end of the turn."""
        if self.closing is None:
            self.closing = reason

    @property
    def blocked(self):
        """Whether reading from it has to wait: for whom it would write to, or for the loop."""
        if self.closing is not None or self.message_ready:
            return True
        if self.mux is None:
            return False
        if self.out.crowded:
            return True
        if self.circuits:
            for stream in self.mux.streams.values():
                other = stream.owner.other
                if other is not None and other.connection.out.pending:
                    return True
        return False

    @property
    def unfinished(self):
        """Whether received bytes wait for a target to be ready."""
        return self._stuck

    def unread(self, leg):
        """Bytes of `leg`'s stream that were announced and have not been passed on."""
        through = self._body_left if self._through is leg else 0
        return through + self.mux.unread(leg.stream)

    # --- receiving ---

    def read(self):
        """Do what one turn allows: at most a chunk, at most one frame.

        Raises WireError, CryptoError, OSError, ConnectionLost: the connection is over.
        """
        if self.mux is None:
            self._read_upgrade()
            return
        if self._stuck:
            self.resume()
            return
        if self._phase == _HEAD:
            if not self._more(self._mark + 2):
                return
            self._begin_frame()
        if self._phase == _BODY and not self._read_body():
            return
        if not self._more(self._mark + TAG):
            return
        self._fill = self._mark
        if not self._receive.aead.check(self.rx, self._mark):
            self.host.count("forged")
            raise RemoteProtocolError("noise message does not decrypt")
        self._phase = _ACT
        self._act()

    def resume(self):
        """Go on with what was received: a target has become ready."""
        if self._phase == _ACT:
            self._act()
        else:
            self._walk()

    def _more(self, end):
        """Read until rx is filled up to `end`; True when it is."""
        if self._fill < end:
            count = self.sock.readinto(self.rx[self._fill : end])
            if count is None:
                return False
            if count == 0:
                raise ConnectionLost("closed by its peer")
            self._fill += count
            self.received_at = self.host.now
            self.pinged = False
        return self._fill == end

    def _read_upgrade(self):
        """Read one line or frame exactly. It is processed in `step_upgrade`, in its turn."""
        rx, framed = self.rx, self.upgrade.framed
        size = 2 if framed else 1
        if self._fill >= size or self._more(size):
            size += rx[0] << 8 | rx[1] if framed else rx[0]
            if size > CHUNK or (not framed and rx[0] > 0x7F):
                raise RemoteProtocolError(f"handshake longer than {CHUNK} bytes")
            self.message_ready = self._more(size)

    def step_upgrade(self):
        """Process the line or frame that has been read. Takes long: ciphers call crypto.pause."""
        upgrade = self.upgrade
        size, self._fill = self._fill, 0
        answer = upgrade.receive(self.rx[:size])
        self.message_ready = False
        if self.closing is not None:  # while others had their turns
            return
        if answer:
            self.out.send_plain(answer)
        if upgrade.done:
            self._upgraded(upgrade)

    def _upgraded(self, upgrade):
        channel, held = upgrade.channel, upgrade.plaintext
        self._receive = channel._receive
        self.out.use(channel._send)
        self.peer = upgrade.remote_peer
        self.mux = Mux(False, MAX_STREAMS)
        self.upgrade = None
        self.host.upgraded(self)
        if held:
            self.rx[: len(held)] = held
            self._fill = len(held)
            self._phase = _ACT
            self._act()

    def _begin_frame(self):
        self._fill = self._mark
        length = self.rx[self._fill] << 8 | self.rx[self._fill + 1]
        if length < TAG:
            raise RemoteProtocolError(f"noise message of {length} bytes")
        self._left = length - TAG
        if not self._left:
            self.mux.penalize(1)  # it costs a tag, and says nothing
        self._long = self._left > CHUNK
        self._receive.begin(False)
        self._phase = _BODY

    def _read_body(self):
        """Take what has come of the plaintext; True when all of it has."""
        before = self._fill
        if self._left:
            self._more(min(before + self._left, _ROOM))
            if self._fill == before:
                return False
            self._receive.aead.update(self.rx, before, self._fill)
            self._left -= self._fill - before
            if self._long:
                self._walk()
                if self._kept > HELD:
                    raise RemoteProtocolError("too much beside circuits in a long frame")
        if self._left or self._stuck:
            return False
        self._mark = self._fill
        self._phase = _TAG
        return True

    def _walk(self):
        """Pass on the data of circuits; keep the rest, in its order. False: a target is not ready.

        rx[:kept] is kept, rx[kept:fill] is what has not been looked at: less than a header when
        True is returned.
        """
        rx, at, fill = self.rx, self._kept, self._fill
        going = True
        while at < fill and going:
            if self._body_left:
                count = min(self._body_left, fill - at)
                if self._through is None:
                    self._keep(at, count)
                    self._body_left -= count
                else:
                    count = self._pass_on(at, count)
                    going = count > 0
                at += count
            elif fill - at < yamux.HEADER:
                break
            else:
                self._look_at_header(at)
                at += yamux.HEADER
        if at > self._kept:
            rest = fill - at
            rx[self._kept : self._kept + rest] = rx[at:fill]
            self._fill = self._kept + rest
        self._stuck = not going
        return going

    def _keep(self, at, count):
        if at > self._kept:
            self.rx[self._kept : self._kept + count] = self.rx[at : at + count]
        self._kept += count

    def _look_at_header(self, at):
        """Decide about the frame of yamux whose header is at rx[at]."""
        version, kind, flags, stream_id, length = unpack_from(">BBHII", self.rx, at)
        if kind == yamux.DATA and not version:
            stream = self.mux.streams.get(stream_id)
            circuit = stream is not None and stream.owner.other is not None
            if circuit and length and not flags & (yamux.SYN | yamux.RST):
                self.mux.admit(stream, flags, length)
                self._through, self._body_left = stream.owner, length
                self._through_ends = bool(flags & yamux.FIN)
                return
            new = stream_id & 1 and 0 < self._opening <= stream_id
            if stream is None and not new and not flags & yamux.SYN and self.mux.late(length):
                self._through, self._body_left = False, length
                self._through_ends = False
                return
            self._body_left = length
        if flags & yamux.SYN and not self._opening:
            self._opening = stream_id
        self._keep(at, yamux.HEADER)

    def _pass_on(self, at, count):
        """Give rx[at : at + count] to the other end of its circuit; how much was taken."""
        leg = self._through
        other = leg and leg.other
        if other:  # else its circuit has ended
            if not other.connection.out.ready():
                return 0
            other.connection.out.forward(other.stream, self.rx, at, count)
            self.host.relayed += count
        self._body_left -= count
        if not self._body_left:
            self._through = None
            if self._through_ends:
                self._ended.append(leg.stream)
        return count

    def _act(self):
        """The frame is authentic: do what it says."""
        if not self._walk():
            return
        start, kept = 0, self._kept
        while start < kept and self.closing is None:
            events, start = self.mux.receive(self.rx, start, min(start + _SLICE, kept))
            for kind, stream, first, last in events:
                self.host.event(self, kind, stream, first, last)
            self.out.flush()
        while self._ended:
            for kind, stream, first, last in self.mux.ended(self._ended.pop()):
                self.host.event(self, kind, stream, first, last)
        rest = self._fill - kept
        self.rx[:rest] = self.rx[kept : self._fill]
        self._fill = self._mark = rest
        self._kept = self._opening = 0
        if self._through is None:
            self._body_left = self.mux.unread_body
        self._phase = _HEAD

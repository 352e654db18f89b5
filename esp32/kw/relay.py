"""The relay of a device: who holds a reservation, which circuits there are, and what was counted.

A reservation is a connection's. It ends with its time, or with the connection; a peer that reserves
over another connection moves it there. Peers of the owner's list get one at any time, others share
what `others` leaves them. No table grows: there are eight connections, and all else hangs on one.

Source: libp2p/specs relay/circuit-v2.md; names as in edge.relay
"""

import gc
import time

from micropython import const

from edge.wire import yamux
from kw import identify
from kw.streams import PROTOCOLS, Streams

PEERS = 8
_MAX_CIRCUITS = const(8)
_MAX_CIRCUITS_PER_PEER = const(4)
_MOST_KEPT = const(3)  # places that strangers cannot have
_GRACE = const(3000)  # ms that a peer has to become useful, whoever wants its place
_LEAST_HEAP = const(12 * 1024)  # bytes; with less nothing new is begun
_RESERVATION_TTL = const(3600)  # seconds
_FAR_AWAY = const(
    4_102_444_800
)  # the year 2100: the end of a reservation while the clock is not set
_RECENT = const(1_700_000_000)  # no clock that is set shows less
_COUNTERS = (
    "accepted",
    "handshakes",
    "reservations",
    "circuits",
    "closed",
    "turned_away",
    "no_memory",
    "memory_errors",
    "forged",
    "faults",
)


class Settings:
    """What the owner has decided.

    `addresses`: multiaddrs as bytes, at which others find the device. `own`: peer ids as bytes.
    `others`: how many of the reservations peers may hold that are not on that list.
    """

    def __init__(self, port=4001, addresses=(), own=(), others=PEERS // 2):
        self.port = port
        self.addresses = list(addresses)
        self.own = set(own)
        self.others = others
        self.ttl = _RESERVATION_TTL


class Relay:
    """What all connections share. `identity`: edge.wire.noise.Identity. `now`: ms, of the turn."""

    def __init__(self, identity, settings, log=print):
        self.identity = identity
        self.settings = settings
        self.now = time.ticks_ms()
        self.uptime = 0  # seconds, counted by the loop: ticks go round within days
        self.connections = []
        self.counters = dict.fromkeys(_COUNTERS, 0)
        self.relayed = 0
        self.circuits = 0
        self.log = log
        self.peer_id = identity.peer_id
        self.identify = b""
        self.told = []  # addresses, with the peer id behind
        self.streams = Streams(self)
        self.waker = None  # kw.wake.Waker, if there is somebody to wake
        self.move_to(settings.addresses)

    def move_to(self, addresses):
        """From now on others find the device at `addresses`, multiaddrs as bytes."""
        suffix = b"\xa5\x03" + bytes((len(self.peer_id.bytes),)) + self.peer_id.bytes
        self.told = [bytes(address) + suffix for address in addresses]
        key = self.identity.public_key.encode()
        self.identify = identify.own(key, list(addresses), PROTOCOLS)

    # --- what connections tell ---

    def count(self, name):
        self.counters[name] = self.counters.get(name, 0) + 1

    def since(self, moment):
        """Milliseconds from `moment` to now; the counter of ticks goes round."""
        return time.ticks_diff(self.now, moment)

    def later(self, milliseconds):
        """The moment so long from now."""
        return time.ticks_add(self.now, milliseconds)

    def upgraded(self, connection):
        """Its handshake is over."""
        connection.useful_at = self.now
        self.count("handshakes")
        own = self.is_own(connection)
        self.log(f"peer={connection.peer} own={own}")
        if not own and self._strangers() > PEERS - min(len(self.settings.own), _MOST_KEPT):
            connection.fail("no place for strangers")

    def make_room(self):
        """Let go of the stranger that has been useless longest, if there is one for long enough.

        Useless is who has neither a reservation nor a circuit, or has not finished its handshake.
        """
        longest, found = _GRACE, None
        for each in self.connections:
            used = each.circuits or each.reserved_at is not None or each.message_ready
            if used or each.closing is not None or (each.mux is not None and self.is_own(each)):
                continue
            if self.since(each.useful_at) >= longest:
                longest, found = self.since(each.useful_at), each
        if found is not None:
            found.fail("gives its place to another")
        return found is not None

    def is_own(self, connection):
        """Whether its peer is on the owner's list."""
        return connection.peer.bytes in self.settings.own

    def event(self, connection, kind, stream, start, end):
        """One of yamux."""
        streams = self.streams
        if kind == yamux.STREAM_OPENED:
            streams.opened(connection, stream)
        elif kind == yamux.SESSION_GO_AWAY:
            self._forget(connection, "goes away")
        elif stream is None:
            return
        elif kind == yamux.STREAM_DATA:
            streams.received(stream.owner, connection.rx, start, end)
        elif kind == yamux.STREAM_WRITABLE:
            streams.credited(stream.owner)
        elif kind == yamux.STREAM_FINISHED:
            streams.finished(stream.owner)
        elif kind == yamux.STREAM_RESET:
            streams.was_reset(stream.owner)

    def closed(self, connection):
        """It is over, with all that hangs on it."""
        self.count("closed")
        self._forget(connection, connection.closing)
        if connection.mux is not None:
            for stream in list(connection.mux.streams.values()):
                if stream.owner is not None:
                    self.streams.was_reset(stream.owner)

    def sweep(self):
        """End what has lasted too long."""
        if self.waker is not None:
            self.waker.sweep(self.now)
        for connection in self.connections:
            if connection.mux is None or connection.closing is not None:
                continue
            if self._expired(connection):
                self._forget(connection, "expired")
            for stream in list(connection.mux.streams.values()):
                self.streams.sweep(stream.owner)

    # --- memory ---

    def has_memory(self):
        """Whether there is heap for something new."""
        if gc.mem_free() >= _LEAST_HEAP:
            return True
        gc.collect()
        return gc.mem_free() >= _LEAST_HEAP

    # --- reservations ---

    def reserve(self, connection):
        """Grant or renew; False: others have had their share, or heap is short."""
        if connection.reserved_at is None:
            if (
                not self.is_own(connection)
                and self._others(connection.peer) >= self.settings.others
            ):
                return False
            if not self.has_memory():
                return False
        for each in self.connections:
            if each.peer == connection.peer:
                each.reserved_at = None
        connection.reserved_at = self.now
        self.count("reservations")
        self.log(f"reservation peer={connection.peer}")
        if self.waker is not None:
            self.waker.came(connection.peer.bytes, self.now)
        return True

    def reserved(self, peer):
        """The connection of `peer` over which it can be reached; None if it has no reservation."""
        for connection in self.connections:
            usable = connection.reserved_at is not None and connection.closing is None
            if usable and connection.peer == peer:
                return connection
        return None

    def called(self, peer, connection):
        """Until when `connection` may wait for `peer`, who is not here; None if not at all."""
        if self.waker is None:
            return None
        return self.waker.call(peer.bytes, self.is_own(connection), self.now)

    def expiry(self):
        """When a reservation of now ends, in UNIX seconds."""
        now = self._clock()
        return _FAR_AWAY if now is None else now + self.settings.ttl

    def _expired(self, connection):
        """While the clock is not set a reservation lasts as long as its peer stays."""
        since = connection.reserved_at
        if since is None or self._clock() is None:
            return False
        return self.since(since) >= self.settings.ttl * 1000

    def _strangers(self):
        """Connections of peers that are not on the owner's list."""
        there = [each for each in self.connections if each.mux is not None and not each.closing]
        return sum([not self.is_own(each) for each in there])

    def _others(self, but):
        held = 0
        for each in self.connections:
            held += each.reserved_at is not None and not self.is_own(each) and each.peer != but
        return held

    def _forget(self, connection, why):
        if connection.reserved_at is not None:
            connection.reserved_at = None
            connection.useful_at = self.now
            self.log(f"reservation ended peer={connection.peer}: {why}")

    def _clock(self):
        """UNIX seconds, None while the clock is not set: boards begin in 2000 or 1970."""
        now = int(time.time())
        if time.gmtime(0)[0] == 2000:  # the epoch of most boards
            now += 946_684_800
        return now if now > _RECENT else None

    # --- circuits ---

    def has_room(self, source, target):
        """Whether there may be one more circuit between the two; those being opened count."""
        legs = 0
        for each in self.connections:
            count = _legs(each)
            legs += count
            if count >= _MAX_CIRCUITS_PER_PEER and each in (source, target):
                return False
        return legs < 2 * _MAX_CIRCUITS and not target.mux.going_away and self.has_memory()

    def circuit_began(self, hop, stop):
        for leg in (hop, stop):
            leg.connection.circuits += 1
        self.circuits += 1
        self.count("circuits")
        self.log(f"circuit from={hop.connection.peer} to={stop.connection.peer}")

    def circuit_ended(self, leg, other):
        for each in (leg, other):
            each.connection.circuits -= 1
            each.connection.useful_at = self.now
            each.deadline = self.now  # what is left of its stream
        self.circuits -= 1

    # --- status ---

    def status(self):
        """Lines of `name value`, for the owner: each a small string, some hundred bytes in all."""
        gc.collect()  # so that `free` is what can be had
        held = sum([each.reserved_at is not None for each in self.connections])
        yield f"uptime {self.uptime}\npeers {len(self.connections)}\n"
        yield f"held {held}\nopen {self.circuits}\nrelayed {self.relayed}\n"
        yield f"free {gc.mem_free()}\n"
        for name in sorted(self.counters):
            yield f"{name.lower()} {self.counters[name]}\n"


def _legs(connection):
    """How many of its streams belong to a circuit, or to one that is being opened."""
    if connection.mux is None:
        return 0
    count = 0
    for stream in connection.mux.streams.values():
        leg = stream.owner
        count += leg is not None and (leg.other or leg.partner) is not None
    return count

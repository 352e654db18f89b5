"""The one loop of a device: it polls, gives every connection its turn, and ends what is overdue.

There are no tasks. Handshakes are processed one at a time; their ciphers call `pause` every few
milliseconds, which is another turn of this loop for all that is not a handshake, so circuits go on
moving. Keys for handshakes are made when there is nothing else to do.

Of ten sockets one listens, eight are peers', and one is there to turn the ninth peer away: it is
told that Noise is not available now, and closed. The watchdog is fed here and nowhere else.
"""

import gc
import os
import select
import socket
import sys
import time
from errno import EAGAIN

from micropython import const

from edge import crypto
from edge.wire import multistream, yamux
from edge.wire.errors import WireError
from kw import identify
from kw.connection import RECEIVE_BUFFER, Connection, ConnectionLost
from kw.relay import PEERS

_HANDSHAKE_TIME = const(15_000)  # ms
_STALL_TIME = const(30_000)  # ms in which a peer takes nothing of what is sealed for it
_IDLE_TIME = const(60_000)  # ms without a reservation or a circuit
_SILENCE = const(30_000)  # ms after which a peer is asked whether it is there
_SILENCES = const(3)  # after which it is gone
_REFUSAL_TIME = const(1000)  # ms for the ninth peer to say something
_SWEEP = const(250)  # ms
_IN, _OUT = select.POLLIN, select.POLLOUT
_ENDS = (WireError, crypto.CryptoError, OSError, ConnectionLost)


class Loop:
    """Serves `relay` on its port until `stopped`. `feed`: the watchdog's, called every turn."""

    def __init__(self, relay, feed=None):
        self.relay = relay
        self.stopped = False
        self._feed = feed
        self._poll = select.poll()
        self._buffers = [memoryview(bytearray(RECEIVE_BUFFER)) for _ in range(PEERS)]
        self._spare = None  # the socket of a peer that is turned away
        self._spare_until = 0
        self._listens = False
        self._swept_at = self._forgiven_at = relay.now
        self._key = None  # made ahead, for the next handshake
        self._upgrading = None
        crypto.pause = self._pause
        crypto.x25519_keypair = self._take_key
        self._listener = self._listen()

    # --- running ---

    def run(self):
        """Turn until `stopped`."""
        while not self.stopped:
            try:
                self._once()
            except MemoryError:
                self._out_of_memory(None)

    def close(self):
        """Let go of all sockets."""
        for connection in list(self.relay.connections):
            connection.fail("the device stops")
        self._reap()
        self._let_go()
        self._listener.close()

    def _once(self):
        waits = self._next_handshake() is None
        busy = self._turn(_SWEEP if waits else 0)
        connection = self._next_handshake()
        if connection is not None:
            self._upgrading = connection
            self._guarded(connection, connection.step_upgrade)
            self._upgrading = None
            gc.collect()
        elif not busy and self._key is None:
            self._key = crypto.x25519_from_seed(os.urandom(32))

    def _pause(self):
        self._turn(0)

    def _turn(self, wait):
        """Serve whoever is ready, waiting `wait` ms at most. False: nobody was."""
        relay = self.relay
        if self._feed is not None:
            self._feed()
        self._register()
        busy = False
        for sock, flags in self._poll.ipoll(wait):
            relay.now = time.ticks_ms()
            busy = True
            if sock is self._listener:
                self._accept()
            elif sock is self._spare:
                self._refuse()
            else:
                self._serve(sock, flags)
        relay.now = time.ticks_ms()
        self._go_on()
        if relay.since(self._swept_at) >= _SWEEP:
            self._sweep()
        self._reap()
        return busy

    def _register(self):
        """Tell poll what is waited for."""
        for connection in self.relay.connections:
            flags = _OUT if connection.out.pending else 0
            if not connection.blocked:
                flags |= _IN
            if flags != connection.flags:
                connection.flags = flags
                self._poll.modify(connection.sock, flags)
        listens = self._spare is None
        if listens != self._listens:
            self._listens = listens
            self._poll.modify(self._listener, _IN if listens else 0)

    def _serve(self, sock, flags):
        for connection in self.relay.connections:
            if connection.sock is sock:
                break
        else:
            return
        if flags & _OUT:
            self._guarded(connection, connection.out.flush)
        if flags & _IN:
            if not connection.blocked:
                self._guarded(connection, connection.read)
        elif flags & ~_OUT:
            connection.fail("lost")

    def _go_on(self):
        """Send what was caused, and go on with what waited for somebody who is ready now."""
        for connection in self.relay.connections:
            if connection.mux is None or connection.closing is not None:
                continue
            if connection.unfinished and not connection.blocked:
                self._guarded(connection, connection.resume)
            self._guarded(connection, connection.out.flush)

    def _guarded(self, connection, step):
        """Do `step`; whatever it raises ends the connection, and nothing else."""
        try:
            step()
        except MemoryError:
            self._out_of_memory(connection)
        except _ENDS as error:
            connection.fail(str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a fault of ours ends one connection, not all
            self.relay.count("faults")
            sys.print_exception(error, sys.stderr)
            connection.fail(f"fault: {error}")

    def _out_of_memory(self, connection):
        """Close `connection`, and all that were being written to: their counters are uncertain."""
        relay = self.relay
        relay.counters["memory_errors"] += 1
        for each in relay.connections:
            if each is connection or each.out.sealing:
                each.fail("no memory")
        gc.collect()

    # --- handshakes ---

    def _next_handshake(self):
        """The connection whose message has waited longest; there is one at a time."""
        if self._upgrading is not None:
            return None
        for connection in self.relay.connections:
            if connection.message_ready and connection.closing is None:
                return connection
        return None

    def _take_key(self):
        key, self._key = self._key, None
        return key or crypto.x25519_from_seed(os.urandom(32))

    # --- coming and going ---

    def _listen(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(socket.getaddrinfo("0.0.0.0", self.relay.settings.port)[0][-1])
        sock.listen(2)
        sock.setblocking(False)
        self._poll.register(sock, 0)
        return sock

    def _accept(self):
        relay = self.relay
        if not self._buffers and relay.make_room():
            return  # it is accepted in the next turn
        try:
            sock, remote = self._listener.accept()
            sock.setblocking(False)
        except OSError as error:
            if error.errno != EAGAIN:  # it left again
                relay.count("turned_away")
            return
        relay.count("accepted")
        try:
            if not self._buffers or not relay.has_memory():
                raise MemoryError
            self._enter(sock, remote)
        except MemoryError:
            relay.count("turned_away")
            self._spare = sock
            self._spare_until = time.ticks_add(relay.now, _REFUSAL_TIME)
            self._poll.register(sock, _IN)

    def _enter(self, sock, remote):
        relay = self.relay
        connection = Connection(relay, sock, _multiaddr(remote), self._buffers[-1])
        relay.connections.append(connection)
        self._buffers.pop()
        self._poll.register(sock, 0)

    def _refuse(self):
        """Tell the ninth peer, which has said something or left."""
        try:
            self._spare.read(256)
            self._spare.write(multistream.HEADER + multistream.NA)
        except OSError:
            pass  # it has left
        self._let_go()

    def _let_go(self):
        if self._spare is not None:
            self._poll.unregister(self._spare)
            self._spare.close()
            self._spare = None

    def _sweep(self):
        relay = self.relay
        self._swept_at = relay.now
        for connection in relay.connections:
            why = self._overdue(connection)
            if why is not None:
                connection.fail(why)
        relay.sweep()
        seconds = relay.since(self._forgiven_at) // 1000
        if seconds:
            self._forgiven_at = time.ticks_add(self._forgiven_at, seconds * 1000)
            relay.uptime += seconds
            for connection in relay.connections:
                if connection.mux is not None and connection.closing is None:
                    connection.mux.pass_time(seconds)
        if self._spare is not None and relay.since(self._spare_until) >= 0:
            self._refuse()

    def _overdue(self, connection):
        """Why the connection has to end, or None."""
        since = self.relay.since
        if connection.mux is None:
            return "handshake" if since(connection.useful_at) >= _HANDSHAKE_TIME else None
        if connection.out.pending and since(connection.out.moved_at) >= _STALL_TIME:
            return "stalled"
        used = connection.circuits or connection.reserved_at is not None
        if not used and since(connection.useful_at) >= _IDLE_TIME:
            return "idle"
        silent = since(connection.received_at)
        if silent >= _SILENCES * _SILENCE and not connection.blocked:
            return "silent"
        if silent >= _SILENCE and not connection.pinged:
            connection.pinged = True
            connection.mux.ping(1)
        return None

    def _reap(self):
        """Close what has failed. What there is no memory for is tried again in the next turn."""
        relay = self.relay
        for connection in [each for each in relay.connections if each.closing is not None]:
            if connection is self._upgrading:
                continue  # it is in the middle of a step
            try:
                self._close(connection)
            except MemoryError:
                self._out_of_memory(connection)

    def _close(self, connection):
        relay, reason = self.relay, connection.closing
        connection.out.say_goodbye(yamux.GO_AWAY_NORMAL)
        connection.closing = reason
        relay.closed(connection)
        relay.log(f"closed peer={connection.peer}: {reason}")
        self._poll.unregister(connection.sock)
        connection.sock.close()
        relay.connections.remove(connection)
        self._buffers.append(connection.rx)
        gc.collect()


def _multiaddr(remote):
    """The address of an accepted connection: boards have a pair, the unix port what C has."""
    if isinstance(remote, tuple):
        ip = bytes([int(part) for part in remote[0].split(".")])
        return identify.tcp(ip, remote[1])
    return identify.tcp(remote[4:8], remote[2] << 8 | remote[3])

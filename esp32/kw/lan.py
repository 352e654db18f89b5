"""What a device says by datagrams: mDNS, a port from the gateway by NAT-PMP, packets that wake.

All go through one socket, that of mDNS. It is the eleventh of ten: while many peers are connected
it is closed, and nobody finds the device by mDNS, until one of them has gone.

Of mDNS there is one answer: this peer, and where it is. Whoever asks for libp2p's peers gets it,
as often as once a second; it is sent unasked after each change of address.

Sources: RFC 6762, libp2p/specs discovery/mdns.md; RFC 6886 (NAT-PMP); AMD, Magic Packet Technology
"""

import os
import select
import socket
import struct
import time

from micropython import const

from kw import identify

_PORT = const(5353)
_GATEWAY = const(5351)
_TTL = const(120)  # seconds
_SECOND = const(1000)  # ms
_RECEIVED = const(256)  # bytes of a datagram that are looked at: questions come first
_A_TURN = const(4)  # datagrams
_LIFETIME = const(7200)  # seconds of a mapping; it is renewed after half of them
_ASK_AGAIN = const(300_000)  # ms after a gateway that did not answer
_WAKE_PORT = const(9)
_GROUP = "224.0.0.251"
_BROADCAST = "255.255.255.255"
_SERVICE = b"\x04_p2p\x04_udp\x05local\x00"
# MicroPython's ESP32 has names for them, and its unix port has not.
_IPPROTO_IP = const(0)
_ON_BOARD = hasattr(socket, "IP_ADD_MEMBERSHIP")  # a host has interfaces to choose from
_IP_ADD_MEMBERSHIP = getattr(socket, "IP_ADD_MEMBERSHIP", 35)
_IP_MULTICAST_IF = const(32)
_UNWANTED = ("10.", "127.", "169.254.", "192.168.", "0.")


class Lan:
    """`mapped(multiaddr or None)`: told where the gateway lets others in, as bytes."""

    def __init__(self, peer, port, mapped, log=print):
        self.answers = 0
        self._peer = str(peer)
        self._port = port
        self._mapped = mapped
        self._log = log
        self._sock = None
        self._poll = select.poll()  # recvfrom() allocates before it finds that there is nothing
        self._ip = self._gateway = None
        self._name = "".join([f"{byte:02x}" for byte in os.urandom(16)])
        self._answer = b""
        now = time.ticks_ms()
        self._told_at = self._asked_at = now
        self._tell = False
        self._wait = 0  # ms from asked_at until the gateway is asked again
        self._external_ip = None
        self._external_port = 0

    def move_to(self, ip, gateway, now):
        """The device has another address, or none."""
        self.close()
        self._ip, self._gateway = ip, gateway
        self._external_ip, self._external_port = None, 0
        self._mapped(None)
        if ip is not None:
            self._answer = answer(self._name, self._peer, ip, self._port)
            self._tell = True
            self._asked_at, self._wait = now, 0

    def turn(self, now, crowded):
        """`crowded`: another socket would be one too many."""
        # Ticks go round within days: what is long past, or due, is said to be so before that.
        if self._told_at is not None and time.ticks_diff(now, self._told_at) >= _SECOND:
            self._told_at = None
        due = time.ticks_diff(now, self._asked_at) >= self._wait
        if due:
            self._asked_at, self._wait = now, 0
        if crowded or self._ip is None:
            self.close()
            return
        if self._sock is None:
            self._open()
        for _ in range(_A_TURN):
            if not self._receive():
                break
        if self._tell and self._told_at is None:
            self._tell = False
            self._told_at = now
            self.answers += 1
            self._send(self._answer, _GROUP, _PORT)
        if due:
            self._wait = _ASK_AGAIN
            self._send(b"\0\0", self._gateway, _GATEWAY)
            request = struct.pack(">BBHHHI", 0, 2, 0, self._port, self._port, _LIFETIME)
            self._send(request, self._gateway, _GATEWAY)

    def wake(self, mac):
        """Send the machine `mac`, six bytes, its packet."""
        opened = self._sock is None
        try:
            if opened:
                self._open()
        except OSError as error:  # all sockets are in use
            self._log(f"magic packet not sent: {error}")
            return
        self._send(b"\xff" * 6 + mac * 16, _BROADCAST, _WAKE_PORT)
        if opened:
            self.close()

    def close(self):
        if self._sock is not None:
            self._poll.unregister(self._sock)
            self._sock.close()
            self._sock = None

    # --- the socket ---

    def _open(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(_address("0.0.0.0", _PORT))
            interface = _packed(self._ip or "0.0.0.0")
            sock.setsockopt(_IPPROTO_IP, _IP_ADD_MEMBERSHIP, _packed(_GROUP) + interface)
            if not _ON_BOARD:
                sock.setsockopt(_IPPROTO_IP, _IP_MULTICAST_IF, interface)
        except OSError as error:  # the firmware's own responder may have the port for itself
            self._log(f"mdns only speaks: {error}")
        self._poll.register(sock, select.POLLIN)
        self._sock = sock

    def _send(self, data, host, port):
        try:
            self._sock.sendto(data, _address(host, port))
        except OSError as error:
            self._log(f"datagram to {host} not sent: {error}")

    def _receive(self):
        """Look at one datagram; False: there was none."""
        for _ in self._poll.ipoll(0):
            break
        else:
            return False
        try:
            data, source = self._sock.recvfrom(_RECEIVED)
        except OSError:
            return False
        port = _port_of(source)
        if port == _GATEWAY and self._is_gateway(source):
            self._granted(data)
        elif asks(data):
            self._tell = True
        return True

    # --- the gateway ---

    def _is_gateway(self, source):
        return _ip_of(source) == _packed(self._gateway)

    def _granted(self, data):
        """An answer of NAT-PMP: the public address, or the port."""
        if len(data) == 12 and data[:4] == b"\x00\x80\x00\x00":
            self._external_ip = bytes(data[8:12])
        elif len(data) == 16 and data[:4] == b"\x00\x82\x00\x00":
            internal, external, lifetime = struct.unpack_from(">HHI", data, 8)
            if internal != self._port or not external or not lifetime:
                return
            self._external_port = external
            self._wait = min(lifetime, _LIFETIME) * 500
        else:
            return
        if self._external_ip is not None and self._external_port:
            dotted = ".".join([str(byte) for byte in self._external_ip])
            if not dotted.startswith(_UNWANTED):
                self._mapped(identify.tcp(self._external_ip, self._external_port))


def asks(data):
    """Whether a datagram is a question for libp2p's peers; what else it asks does not matter."""
    return len(data) >= 12 and not data[2] & 0xF8 and data[5] != 0 and data.find(_SERVICE, 12) >= 0


def answer(name, peer, ip, port):
    """The one answer: which peer this is, under the random `name`, and where."""
    text = f"dnsaddr=/ip4/{ip}/tcp/{port}/p2p/{peer}".encode()
    label = bytes((len(name),)) + name.encode()
    instance = label + b"\xc0\x0c"  # a pointer to the service behind the header
    head = struct.pack(">HHHHHH", 0, 0x8400, 0, 1, 0, 1)
    pointer = _SERVICE + struct.pack(">HHIH", 12, 1, _TTL, len(instance)) + instance
    at = 12 + len(pointer) - len(instance)
    strings = bytes((len(text),)) + text
    txt = struct.pack(">HHHIH", 0xC000 | at, 16, 0x8001, _TTL, len(strings)) + strings
    return head + pointer + txt


def _packed(ip):
    return bytes([int(part) for part in ip.split(".")])


def _address(host, port):
    return socket.getaddrinfo(host, port)[0][-1]


def _port_of(source):
    return source[1] if isinstance(source, tuple) else source[2] << 8 | source[3]


def _ip_of(source):
    return _packed(source[0]) if isinstance(source, tuple) else bytes(source[4:8])

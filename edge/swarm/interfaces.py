"""The IP addresses of this machine, and when they change, as the kernel tells by rtnetlink.

Left out are addresses that nobody should be told of: those still being checked for duplicates or
found to be one (tentative, dadfailed), those about to go (deprecated), and IPv6's temporary ones
(RFC 8981), which change daily beside a stable one. What remains is in the kernel's order, of every
interface, up or down, and of every scope: whom it concerns is the caller's to say.

Where netlink is refused (a strict seccomp filter), the addresses are unknown, and the log says so.

Source: rtnetlink(7), linux/if_addr.h
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct

from edge import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    Address = tuple[bytes, str]  # 4 or 16 bytes, interface
    Network = tuple[bytes, str, int]  # the same, and the bits of it that the network shares

DEBOUNCE = 1.0  # seconds from the first sign of a change to reading what there is
MAX_ADDRESSES = 1024

_BUFFER = 32768  # the kernel's dumps come in messages of at most this
_TIMEOUT = 1.0  # seconds; a dump is there at once
_MAX_MESSAGES = 256  # of one dump, and read after one event
_DUMP_ATTEMPTS = 4

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_NLMSG_ERROR, _NLMSG_DONE, _NLMSG_OVERRUN = 2, 3, 4
_NLM_F_REQUEST, _NLM_F_DUMP_INTR, _NLM_F_DUMP = 0x1, 0x10, 0x300
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x10, 0x100
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_TEMPORARY = 0x01  # of IPv6; IPv4 has "secondary" there
_UNFIT = 0x08 | 0x20 | 0x40  # IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE
_SIZES = {socket.AF_INET: 4, socket.AF_INET6: 16}


def addresses() -> list[Address]:
    """(4 or 16 bytes, interface) of every usable address; [] if the kernel will not tell."""
    return [(ip, interface) for ip, interface, _ in networks()]


def networks() -> list[Network]:
    """As `addresses`, with the length of each one's prefix."""
    try:
        return _read()
    except OSError as error:
        _say_unknown("interfaces-unknown", error.strerror or str(error))
        return []


class Watcher:
    """Calls `on_change()` when this machine's addresses have become others.

    `networks`: what they are, as networks() has it. A storm of changes makes one call in
    DEBOUNCE seconds; what only renews lifetimes makes none.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_change: Callable[[], None]) -> None:
        self._loop = loop
        self._on_change = on_change
        self._timer: asyncio.TimerHandle | None = None
        self._sock: socket.socket | None = None
        try:  # subscribed before reading, so that nothing happens between the two
            self._sock = _open(_RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR)
        except OSError as error:
            _say_unknown("interfaces-unwatched", error.strerror or str(error))
        else:
            self._sock.setblocking(False)
            loop.add_reader(self._sock, self._readable)
        self.networks = networks()

    def close(self) -> None:
        """No call comes after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()
            self._sock = None

    def _readable(self) -> None:
        # What the messages say does not matter, nor whether some were lost: all is read anew.
        assert self._sock is not None
        for _ in range(_MAX_MESSAGES):
            try:
                self._sock.recv(1)  # of a datagram: the rest goes with it
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    _say_unknown("interfaces-unwatched", error.strerror or str(error))
                    self.close()
                    return
        if self._timer is None:
            self._timer = self._loop.call_later(DEBOUNCE, self._look)

    def _look(self) -> None:
        self._timer = None
        try:
            found = _read()
        except OSError as error:  # out of memory or file descriptors: they are as they were
            log.warning("interfaces-unread", error=error.strerror or str(error))
            return
        if set(found) != set(self.networks):
            self.networks = found
            self._on_change()


@functools.cache
def _say_unknown(event: str, reason: str) -> None:
    log.warning(event, reason=reason)


def _open(groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)  # NETLINK_ROUTE
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock


def _read() -> list[Network]:
    for _ in range(_DUMP_ATTEMPTS):
        with _open(0) as sock:
            found = _dump(sock)
        if found is not None:
            return found
    raise OSError(errno.EAGAIN, "addresses change faster than they can be read")


def _dump(sock: socket.socket) -> list[Network] | None:
    """All addresses; None if they changed meanwhile, or there were more than the kernel kept."""
    sock.settimeout(_TIMEOUT)
    body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    length = _HEADER.size + len(body)
    sock.send(_HEADER.pack(length, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body)
    found: dict[Network, None] = {}
    interrupted = False
    for _ in range(_MAX_MESSAGES):
        data = _received(sock)
        if data is None:
            return None
        for kind, flags, payload in messages(data):
            interrupted |= bool(flags & _NLM_F_DUMP_INTR)
            if kind == _NLMSG_DONE:
                return None if interrupted else list(found)
            if kind == _NLMSG_OVERRUN:
                return None
            if kind == _NLMSG_ERROR:
                raise _refused(payload)
            if kind == _RTM_NEWADDR and len(found) < MAX_ADDRESSES:
                address = _named(payload)
                if address is not None:
                    found[address] = None
    raise _unreadable()


def _received(sock: socket.socket) -> bytes | None:
    """The next message of the kernel; None if it had to drop some. Raises OSError."""
    try:
        data, _, seen, sender = sock.recvmsg(_BUFFER)
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            return None
        raise
    if sender[0] != 0:
        return b""  # another process, not the kernel
    if seen & socket.MSG_TRUNC:
        raise _unreadable()
    return data


def _named(payload: bytes) -> Network | None:
    parsed = parse_address(payload)
    if parsed is None:
        return None
    ip, index, prefix = parsed
    try:
        return ip, socket.if_indextoname(index), prefix
    except OSError:
        return None  # gone since


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, payload) of each netlink message in `data`; OSError where it is malformed."""
    pos = 0
    while pos < len(data):
        if len(data) - pos < _HEADER.size:
            raise _unreadable()
        length, kind, flags, _, _ = _HEADER.unpack_from(data, pos)
        if not _HEADER.size <= length <= len(data) - pos:
            raise _unreadable()
        yield kind, flags, data[pos + _HEADER.size : pos + length]
        pos += length + 3 & ~3


def parse_address(payload: bytes) -> tuple[bytes, int, int] | None:
    """(IP, index of the interface, bits of the prefix) of an RTM_NEWADDR message.

    None if it is not one to tell of. Raises OSError if it is malformed.
    """
    if len(payload) < _ADDRESS.size:
        raise _unreadable()
    family, prefix, flags, _, index = _ADDRESS.unpack_from(payload)
    size = _SIZES.get(family)
    attributes = _attributes(payload)
    # With a peer at the other end, IFA_ADDRESS is the peer's.
    ip = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if size is None or ip is None:
        return None
    wide = attributes.get(_IFA_FLAGS, b"")
    if len(ip) != size or len(wide) not in (0, 4):
        raise _unreadable()
    if wide:
        (flags,) = struct.unpack("=I", wide)
    unfit = _UNFIT | _IFA_F_TEMPORARY if size == 16 else _UNFIT
    return None if flags & unfit else (ip, index, min(prefix, size * 8))


def _attributes(payload: bytes) -> dict[int, bytes]:
    found = {}
    pos = _ADDRESS.size
    while len(payload) - pos >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(payload, pos)
        if not _ATTRIBUTE.size <= length <= len(payload) - pos:
            raise _unreadable()
        found[kind] = payload[pos + _ATTRIBUTE.size : pos + length]
        pos += length + 3 & ~3
    return found


def _refused(payload: bytes) -> OSError:
    if len(payload) < 4:
        return _unreadable()
    (code,) = struct.unpack_from("=i", payload)
    return OSError(-code, os.strerror(-code))


def _unreadable() -> OSError:
    return OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))

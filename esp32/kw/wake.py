"""Wakes the owner's sleeping machines when somebody calls for them.

As edge.tiers.wake does for a big node: the packet is repeated until the machine has reserved, or
for as long as a caller may be held; a machine is woken so often a day, and not again for a while.
There are no windows, for a device may not know the time. Strangers cost nothing to make, so that
their calls are counted together, not by caller.
"""

import time

from micropython import const

_WAIT = const(60_000)  # ms that a caller is held at most
_AGAIN = const(3000)  # ms between two packets
_REST = const(60_000)  # ms after a call, in vain or not: nobody sleeps again so soon
_DAY = const(86_400_000)  # ms
_MOST_A_DAY = const(48)  # times that one machine is woken,
_MOST_FOR_STRANGERS = const(12)  # and for all who are not on the owner's list


class Sleeper:
    """`until`: when its callers are told that it has not come, None while nobody calls."""

    __slots__ = ("calls", "mac", "rests_until", "sent_at", "strangers", "until")

    def __init__(self, mac):
        self.mac = mac
        self.calls = self.strangers = self.sent_at = 0
        self.until = self.rests_until = None


class Waker:
    """`machines`: MAC addresses by peer id, both as bytes. `send(mac)`: one packet."""

    def __init__(self, machines, send, now, log=print):
        self._sleepers = {peer: Sleeper(mac) for peer, mac in machines.items()}
        self._send = send
        self._log = log
        self._day_at = now

    def call(self, peer, is_own, now):
        """Until when a caller may wait for `peer`, bytes; None: it will not come."""
        sleeper = self._sleepers.get(peer)
        if sleeper is None:
            return None
        if sleeper.until is None:
            if not _may_be_called(sleeper, is_own):
                return None
            sleeper.calls += 1
            sleeper.strangers += not is_own
            sleeper.until = time.ticks_add(now, _WAIT)
            self._log(f"waking mac={sleeper.mac.hex()}")
            self._packet(sleeper, now)
        return sleeper.until

    def came(self, peer, now):
        """`peer`, bytes, has reserved."""
        sleeper = self._sleepers.get(peer)
        if sleeper is not None and sleeper.until is not None:
            self._rest(sleeper, now)

    def sweep(self, now):
        """Send again, and forget what is over. Called more often than ticks go round."""
        if time.ticks_diff(now, self._day_at) >= _DAY:
            self._day_at = now
            for sleeper in self._sleepers.values():
                sleeper.calls = sleeper.strangers = 0
        for sleeper in self._sleepers.values():
            rests = sleeper.rests_until
            if rests is not None and time.ticks_diff(now, rests) >= 0:
                sleeper.rests_until = None
            if sleeper.until is None:
                continue
            if time.ticks_diff(now, sleeper.until) >= 0:
                self._rest(sleeper, now)
            elif time.ticks_diff(now, sleeper.sent_at) >= _AGAIN:
                self._packet(sleeper, now)

    def _packet(self, sleeper, now):
        sleeper.sent_at = now
        self._send(sleeper.mac)

    def _rest(self, sleeper, now):
        sleeper.until = None
        sleeper.rests_until = time.ticks_add(now, _REST)


def _may_be_called(sleeper, is_own):
    if sleeper.rests_until is not None or sleeper.calls >= _MOST_A_DAY:
        return False
    return is_own or sleeper.strangers < _MOST_FOR_STRANGERS

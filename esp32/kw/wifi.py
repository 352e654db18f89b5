"""Keeps a device in its owner's wireless network, and says why it is not.

The firmware's own repetition is switched off, for it hides the reason. Any access point of the name
will do, so the device moves to another when it loses one. `wlan` is a network.WLAN; nothing here
blocks: `turn` looks once a second what has become of the last attempt.
"""

import time

from micropython import const

_SECOND = const(1000)  # ms
_ATTEMPT = const(20_000)  # ms until an attempt has failed that says nothing
_LONGEST = const(60_000)  # ms between two attempts
_SETUP_WRONG = const(3)  # attempts with a wrong password until the owner is asked,
_SETUP_FAILED = const(10)  # and attempts of any kind
_WRONG = (202, 204, 15)  # AUTH_FAIL, HANDSHAKE_TIMEOUT, 4WAY_HANDSHAKE_TIMEOUT
_REASONS = {
    200: "the access point is gone",
    201: "no access point of this name",
    203: "the access point refused",
    205: "the connection failed",
    210: "no access point with a security that is known here",
}
_NOWHERE = "0.0.0.0"


class Wifi:
    """`moved(ip, gateway)`: told of each new address, as text; None, None when it is lost."""

    def __init__(self, wlan, ssid, password, moved, log=print):
        self.address = None
        self.failures = 0
        self.wrong = 0
        self._wlan = wlan
        self._ssid = ssid
        self._password = password
        self._moved = moved
        self._log = log
        self._looked_at = self._began_at = self._next_at = time.ticks_ms()
        self._trying = False
        wlan.active(True)
        wlan.config(reconnects=0)

    @property
    def needs_owner(self):
        """Whether the device cannot help itself: nothing is set, or what is set does not work."""
        return not self._ssid or self.wrong >= _SETUP_WRONG or self.failures >= _SETUP_FAILED

    def turn(self, now):
        if time.ticks_diff(now, self._looked_at) < _SECOND:
            return
        self._looked_at = now
        if self._wlan.isconnected():
            self._connected()
            return
        if self.address is not None:
            self.address = None
            self._log("wifi lost")
            self._moved(None, None)
            self._next_at = now
        if self._trying:
            self._look_at_attempt(now)
        elif self._ssid and time.ticks_diff(now, self._next_at) >= 0:
            self._try(now)

    def _connected(self):
        address, _, gateway, _ = self._wlan.ifconfig()
        self._trying = False
        if address in (self.address, _NOWHERE):
            return
        self.address = address
        self.failures = self.wrong = 0
        self._log(f"wifi up address={address} gateway={gateway}")
        self._moved(address, gateway)

    def _try(self, now):
        self._began_at = now
        try:
            self._wlan.disconnect()
        except OSError:
            pass  # it was not connected
        try:
            self._wlan.connect(self._ssid, self._password)
            self._trying = True
        except OSError as error:
            self._failed(now, 0, str(error))

    def _look_at_attempt(self, now):
        status = self._wlan.status()
        if status < 1000:  # the firmware's reasons; 1000 and more are not failures
            text = "wrong password" if status in _WRONG else _REASONS.get(status)
            self._failed(now, status, text or f"reason {status}")
        elif time.ticks_diff(now, self._began_at) >= _ATTEMPT:
            self._failed(now, 0, "no answer, or no address by DHCP")

    def _failed(self, now, status, text):
        self._trying = False
        self.failures += 1
        self.wrong = self.wrong + 1 if status in _WRONG else 0
        wait = min(_LONGEST, _SECOND << min(self.failures, 6))
        self._next_at = time.ticks_add(now, wait)
        self._log(f"wifi failed: {text}; again in {wait // 1000} s")

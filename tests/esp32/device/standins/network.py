"""Stands in for `network` of MicroPython's ESP32, as far as kw.wifi and kw.device go.

The radio's world is the JSON file $RADIO, read at every look: {"ssid": ..., "password": ...,
"address": ...} of the one access point, or {} for none. Reasons are those of the real firmware.
"""

import json
import os


def _world():
    with open(os.getenv("RADIO")) as file:
        return json.load(file)


class WLAN:
    IF_STA, IF_AP = 0, 1
    SEC_OPEN, SEC_WPA2 = 0, 3

    def __init__(self, interface):
        if _world().get("broken"):
            raise OSError("Wifi Unknown Error 0x0101")
        self._interface = interface
        self._active = False
        self._asked = None

    def active(self, value=None):
        if value is None:
            return self._active
        self._active = value

    def config(self, **values):
        if self._interface == self.IF_AP and values.get("security") and len(values["key"]) < 8:
            raise ValueError
        print("standin: network", self._interface, sorted(values.items()))

    def connect(self, ssid, password):
        if not self._active:
            raise OSError("Wifi Not Started")
        self._asked = ssid, password

    def disconnect(self):
        self._asked = None

    def isconnected(self):
        return self._asked is not None and self.status() == 1010

    def status(self):
        world = _world()
        if self._asked is None:
            return 1000
        if world.get("ssid") != self._asked[0]:
            return 201
        if world.get("password") != self._asked[1]:
            return 202
        return 1010 if world.get("address") else 1001

    def ifconfig(self):
        if self._interface == self.IF_AP:
            return ("192.168.4.1", "255.255.255.0", "192.168.4.1", "0.0.0.0")
        return (_world()["address"], "255.0.0.0", _world().get("gateway", "127.0.0.1"), "127.0.0.1")

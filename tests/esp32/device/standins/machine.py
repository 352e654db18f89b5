"""Stands in for `machine` of MicroPython's ESP32: a reset ends the process, RTC memory is a file.

The memory is limited to 2048 bytes, as the real one, and the watchdog to 2 to 71 minutes of ms.
"""

import os
import sys

_MEMORY = 2048


def reset():
    print("standin: reset")
    sys.exit(3)


class WDT:
    def __init__(self, timeout):
        if not 1 <= timeout <= 4_294_967:
            raise ValueError("WDT timeout")

    def feed(self):
        pass


class RTC:
    def memory(self, data=None):
        path = os.getenv("RTC")
        if data is None:
            try:
                with open(path, "rb") as file:
                    return file.read()
            except OSError:
                return b""
        if len(data) > _MEMORY:
            raise ValueError("buffer too long")
        with open(path, "wb") as file:
            file.write(data)


class Pin:
    OUT = 3

    def __init__(self, number, mode):
        self._number = number

    def value(self, level):
        print("standin: pin", self._number, level)

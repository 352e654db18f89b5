"""The hardware around the chip's network stack, and what stands there where it is missing.

MicroPython's unix port has no radio, watchdog or pins: there the device is a program of its host.
"""

import machine

try:
    import network
except ImportError:
    network = None

RADIO = network is not None


def station():
    """The interface to the owner's network."""
    return network.WLAN(network.WLAN.IF_STA)


def access_point(name, password):
    """An access point, open if there is no password."""
    wlan = network.WLAN(network.WLAN.IF_AP)
    wlan.active(True)
    if password:
        wlan.config(ssid=name, security=network.WLAN.SEC_WPA2, key=password)
    else:
        wlan.config(ssid=name, security=network.WLAN.SEC_OPEN)
    return wlan


def watchdog(timeout):
    """What has to be called every `timeout` ms from now on. Again: with another time."""
    if not hasattr(machine, "WDT"):
        return _nothing
    return machine.WDT(timeout=timeout).feed


def lamp(pin):
    """A function of the level, 0 or 1."""
    if pin is None or not RADIO:
        return None
    return machine.Pin(pin, machine.Pin.OUT).value


def memory():
    """A function that reads the bytes which outlive a reset, and with an argument writes them."""
    return machine.RTC().memory if hasattr(machine, "RTC") else _no_memory


def _nothing():
    pass


def _no_memory(data=b""):
    return b""

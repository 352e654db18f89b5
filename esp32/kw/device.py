"""A relay that somebody owns: its identity and settings from records, its network, its lamp.

Two records (kwboot) make a device: `identity`, written once, and `config`, which may be missing, or
any of it. A device without an identity makes one; that is the only time that it signs.

    identity  public, private (X25519), noise (its public part), signature: hexadecimal; seed too
    config    ssid, password, port, own (peer ids), others, addresses (multiaddrs, hexadecimal),
              wake (MAC by peer id), update_keys (hexadecimal), led (pin), led_on (its level),
              setup_password

All of it happens in the turns of the relay's loop, none of which waits.
"""

import binascii
import gc
import os
import struct
import time

import kwboot
from micropython import const

from edge import crypto
from edge.crypto import publickeys
from edge.version import VERSION
from edge.wire import noise
from edge.wire.errors import AddressError
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.upgrade import MUXERS
from kw import board, identify
from kw.lan import Lan
from kw.loop import Loop
from kw.relay import PEERS, Relay, Settings
from kw.wifi import Wifi

_TURN = const(100)  # ms between two looks at what is around the relay
_STATUS = const(60_000)  # ms between two status lines
_PROVEN = const(300_000)  # ms of a healthy loop after which an update is kept
_WATCHDOG = const(30_000)  # ms
_OFF = const(600_000)  # ms without a radio that should be there
_STOPPED = const(600_000)  # ms for the owner at the serial port
_CROWDED = const(7)  # peers; with the listener and the spare one more makes ten sockets
_KEPT = ("accepted", "handshakes", "reservations", "circuits", "turned_away", "memory_errors")
_HOST = "127.0.0.1"  # where a program of a host is found
_FORMAT = ">4sHIIIIIII"
_MAGIC = b"KWC1"


def run():
    """Until the device is to start anew."""
    device = Device()
    try:
        device.run()
    except KeyboardInterrupt:
        device.stopped_by_owner()
        raise


def log(line):
    """To the serial port."""
    print(line)


class Stored(noise.Identity):
    """An identity whose signature was made when the device was provisioned."""

    def __init__(self, record):
        self.muxers = MUXERS
        self.private = bytes.fromhex(record["private"])
        self.public = bytes.fromhex(record["noise"])
        self.public_key = PublicKey(type=publickeys.ED25519, data=bytes.fromhex(record["public"]))
        self.payload = noise.Payload(
            identity_key=self.public_key.encode(),
            identity_sig=bytes.fromhex(record["signature"]),
            extensions=noise.Extensions(stream_muxers=list(MUXERS)),
        ).encode()


def identity():
    """The device's own, made now if there is none. The radio is on: without it chance is poor."""
    record = kwboot.read("identity")
    if record is None:
        log("identity: none yet, one is made")
        seed = os.urandom(32)
        key = crypto.Ed25519Key(seed)
        private, public = crypto.x25519_keypair()
        signature = key.sign(noise.SIGNATURE_PREFIX + public)
        made = {"public": key.public, "private": private, "noise": public, "signature": signature}
        record = {name: value.hex() for name, value in made.items()}
        record["seed"] = seed.hex()
        kwboot.write("identity", record)
    return Stored(record)


def settings(config):
    """What the relay is told. What is wrong is left out, and said."""
    own = []
    for text in config.get("own") or ():
        try:
            own.append(PeerId.from_string(text).bytes)
        except AddressError as error:
            log(f"config: {error}")
    others = config.get("others", PEERS // 2)
    return Settings(config.get("port", 4001), _fixed(config), own, others)


def _fixed(config):
    return [bytes.fromhex(text) for text in config.get("addresses") or ()]


class Device:
    """All that there is, made and joined."""

    def __init__(self):
        self._config = config = kwboot.read("config") or {}
        self._wifi = None  # without a radio: the network is somebody else's
        if board.RADIO:
            name, password = config.get("ssid"), config.get("password", "")
            try:
                self._wifi = Wifi(board.station(), name, password, self._moved, log)
            except (OSError, RuntimeError) as error:
                log(f"wifi: {error}; without it until a restart in {_OFF // 60_000} minutes")
        self.relay = relay = Relay(identity(), settings(config), log)
        self._lan = Lan(relay.peer_id, relay.settings.port, self._mapped, log)
        machines = _machines(config)
        if machines:
            from kw.wake import Waker  # few have such machines

            relay.waker = Waker(machines, self._lan.wake, relay.now, log)
        self._portal = self._access_point = None
        self._lamp = Lamp(config)
        self._feed = board.watchdog(_WATCHDOG)
        now = time.ticks_ms()
        self._turned_at = self._told_at = self._began_at = now
        self._proven = False
        self._mapping = None
        self._counters = Counters(relay)
        self.loop = Loop(relay, self._turn)
        self._mapped(None)

    def run(self):
        log(f"kwaainet-esp32/{VERSION} peer={self.relay.peer_id} slot={kwboot.running}")
        gc.collect()
        log(f"listening port={self.relay.settings.port} free={gc.mem_free()}")
        gc.threshold(-1)
        self.loop.run()
        self._counters.save()
        self.loop.close()

    def stopped_by_owner(self):
        """The watchdog cannot be stopped; it leaves the owner some time."""
        self._counters.save()
        board.watchdog(_STOPPED)
        log(f"stopped; starts again in {_STOPPED // 60_000} minutes")

    # --- in each turn of the loop ---

    def _turn(self):
        self._feed()
        now = time.ticks_ms()
        if time.ticks_diff(now, self._turned_at) < _TURN:
            return
        self._turned_at = now
        try:
            self._look_around(now)
        except (OSError, MemoryError) as error:
            log(f"fault beside the relay: {error!r}")
            gc.collect()

    def _look_around(self, now):
        if self._wifi is None:
            if board.RADIO and time.ticks_diff(now, self._began_at) >= _OFF:
                self.loop.stopped = True
        else:
            self._wifi.turn(now)
            self._lan.turn(now, len(self.relay.connections) >= _CROWDED)
            self._set_up(now)
        self._lamp.show(now, self._state())
        if time.ticks_diff(now, self._told_at) >= _STATUS:
            self._told_at = now
            self._counters.save()
            self.tell_status()
        if not self._proven and time.ticks_diff(now, self._began_at) >= _PROVEN:
            self._prove()

    def _prove(self):
        """Keep an update: the loop has turned for so long, in its network if it has one."""
        if self._config.get("ssid") and self._address() is None:
            return
        self._proven = True
        if kwboot.healthy():
            log(f"update: version {VERSION} is kept")

    def _state(self):
        if self._portal is not None:
            return SETUP
        if self._address() is None:
            return OFFLINE
        held = [each for each in self.relay.connections if each.reserved_at is not None]
        return SERVING if held else ONLINE

    def tell_status(self):
        """One line, written in pieces: none is large."""
        print("status version=", VERSION, end=" ", sep="")
        print("address=", self._address(), end=" ", sep="")
        for lines in self.relay.status():
            print(lines.strip().replace(" ", "=").replace("\n", " "), end=" ")
        print()

    # --- the network ---

    def _address(self):
        """The own one, as text, or None."""
        return _HOST if self._wifi is None else self._wifi.address

    def _moved(self, ip, gateway):
        config = self._config
        if ip is not None and "setup_password" not in config:
            config["setup_password"] = config["password"]
            kwboot.write("config", config)
        self._lan.move_to(ip, gateway, time.ticks_ms())

    def _mapped(self, address):
        """The gateway lets others in at `address`, or nowhere; ours may have changed too."""
        addresses = _fixed(self._config)
        if address is not None:
            addresses.insert(0, address)
        own = self._address()
        if own is not None:
            ip = bytes([int(part) for part in own.split(".")])
            addresses.append(identify.tcp(ip, self.relay.settings.port))
        if addresses != self._mapping:
            self._mapping = addresses
            self.relay.move_to(addresses)
            log(f"advertised {len(addresses)} addresses, {address is not None} by the gateway")

    # --- setting it up ---

    def _set_up(self, now):
        if self._portal is None:
            if self._wifi.needs_owner:
                self._open_portal()
        elif self._portal.turn(now):
            self.loop.stopped = True  # kwboot starts the device anew
        elif not self._wifi.needs_owner:
            self._close_portal()

    def _open_portal(self):
        """Open to all until the device has been in a network once; then behind a password.

        That is the one of provisioning, or else the one of that network. Without one there is none.
        """
        first = "setup_password" not in self._config
        password = self._config.get("setup_password")
        if not first and not password:
            return
        from kw.portal import Portal  # few need it, and it takes heap

        name = "kwaainet-" + str(self.relay.peer_id)[-4:]
        self._access_point = access_point = board.access_point(name, password)
        port = self._config.get("setup_port", 80)
        self._portal = Portal(self.relay.peer_id, first, self._save, log, port)
        log(f"setup: network {name}, page http://{access_point.ifconfig()[0]}/")

    def _close_portal(self):
        self._portal.close()
        self._access_point.active(False)
        self._portal = self._access_point = None
        log("setup: closed")

    def _save(self, form):
        """Raises ValueError."""
        ssid, password = form.get("ssid", ""), form.get("password", "")
        if not 1 <= len(ssid.encode()) <= 32:
            raise ValueError("a network's name has 1 to 32 bytes")
        if password and not 8 <= len(password.encode()) <= 63:
            raise ValueError("a password has 8 to 63 bytes")
        config = dict(self._config)
        config["ssid"], config["password"] = ssid, password
        if "setup_password" not in config:
            own = form.get("own", "").split()
            try:
                config["own"] = [str(PeerId.from_string(text)) for text in own[:PEERS]]
            except AddressError as error:
                raise ValueError(str(error))
        kwboot.write("config", config)
        log("setup: saved")


def _machines(config):
    """The MACs of machines that sleep, by peer id."""
    found = {}
    for text, mac in (config.get("wake") or {}).items():
        try:
            found[PeerId.from_string(text).bytes] = binascii.unhexlify(mac.replace(":", ""))
        except (AddressError, ValueError) as error:
            log(f"config: wake: {error}")
    return found


SETUP, OFFLINE, ONLINE, SERVING = range(4)
_PERIOD = (250, 1000, 4000, 0)  # ms of a blink, by state; 0: on all the time
_ON = (125, 500, 100, 0)  # ms of it on


class Lamp:
    """The LED: blinks fast (setup), slowly (no network), shortly (no reservation), or is on."""

    def __init__(self, config):
        self._pin = board.lamp(config.get("led"))
        self._on = config.get("led_on", 1)
        self._shown = None

    def show(self, now, state):
        if self._pin is None:
            return
        period = _PERIOD[state]
        on = not period or now % period < _ON[state]
        if on != self._shown:
            self._shown = on
            self._pin(self._on if on else 1 - self._on)


class Counters:
    """Those of _KEPT outlive a reset in the memory of the clock, unless power was cut."""

    def __init__(self, relay):
        self._relay = relay
        self._memory = board.memory()
        saved = self._memory()
        starts = 0
        if len(saved) == struct.calcsize(_FORMAT) and saved[:4] == _MAGIC:
            _, starts, relayed, *counts = struct.unpack(_FORMAT, saved)
            relay.relayed = relayed << 10
            for i in range(len(_KEPT)):
                relay.counters[_KEPT[i]] = counts[i]
        self._starts = (starts + 1) & 0xFFFF
        relay.counters["starts"] = self._starts

    def save(self):
        counters = self._relay.counters
        counts = [counters[name] & 0xFFFFFFFF for name in _KEPT]
        relayed = (self._relay.relayed >> 10) & 0xFFFFFFFF
        self._memory(struct.pack(_FORMAT, _MAGIC, self._starts, relayed, *counts))

"""`kwaainet esp32 ...`: images for relays on microcontrollers, and such relays at a serial port.

Of the owner's computer: a router's binary has none of it.
"""

from __future__ import annotations

import functools

from edge import process
from edge.commands import JSON, Arguments, Command
from edge.config.errors import ConfigError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.load import Config
    from edge.crypto import Ed25519Key
    from esp32.records import Record

_UNIX = ("x86", "x64")  # MicroPython's port for computers, for tests
_DEFAULT = "esp32"


def _complains(call: Callable[[Arguments], int]) -> Callable[[Config, Arguments], int]:
    """A command whose errors are told in one line."""

    @functools.wraps(call)
    def command(config: Config, args: Arguments) -> int:
        from edge.crypto.errors import IdentityError
        from esp32.cable import CableError
        from esp32.firmware import FirmwareError

        try:
            return call(args)
        except (CableError, FirmwareError, IdentityError) as error:
            process.complain(f"kwaainet: {error}")
            return 1
        except ImportError as error:
            process.complain(f"kwaainet: {error.name} is missing; pip install 'kwaainet[esp32]'")
            return 1

    return command


@_complains
def _image(args: Arguments) -> int:
    from esp32 import images

    architecture = _architecture(args)
    records, told = _records(args)
    slot = images.modules(architecture)
    _write(args, images.littlefs(architecture, slot, records))
    print("\n".join(told))
    return 0


@_complains
def _merge(args: Arguments) -> int:
    from esp32 import firmware

    chip = firmware.CHIPS[_chip(args)]
    _write(args, firmware.merge(_read(args, "firmware"), _file_system(args), chip))
    return 0


@_complains
def _flash(args: Arguments) -> int:
    from esp32 import cable, firmware

    port, image = _needed(args, "serial"), _file_system(args)
    if "firmware" not in args.switches:
        cable.flash_image(port, image)
        return 0
    chip = firmware.CHIPS[_chip(args)]
    cable.flash(port, 0, firmware.merge(_read(args, "firmware"), image, chip))
    return 0


@_complains
def _provision(args: Arguments) -> int:
    from edge.wire.peerid import PublicKey
    from esp32 import cable

    port = _needed(args, "serial")
    records, told = _records(args)
    said = cable.run(port, cable.script(records["config"], records["identity"]))
    _, _, public = said.partition("public ")
    data = bytes.fromhex(public.split()[0]) if public else b""
    peer = PublicKey(type=1, data=data).peer_id() if data else "unknown"
    print("\n".join([f"peer id         {peer}", *told[1:]]))
    return 0


@_complains
def _update(args: Arguments) -> int:
    from esp32 import cable, images, updates

    key = _key(_needed(args, "update-key"))
    update = updates.signed(images.modules(_architecture(args)), key)
    if "out" in args.switches:
        _write(args, update)
        return 0
    cable.send(_needed(args, "serial"), update)
    print("It is on trial: if it runs for five minutes it is kept, otherwise a restart ends it.")
    return 0


@_complains
def _status(args: Arguments) -> int:
    import json

    from esp32 import cable

    found = dict(cable.status(_needed(args, "serial")))
    if "json" in args.switches:
        print(json.dumps(found, indent=2))
    else:
        width = max([len(name) for name in found])
        print("\n".join([f"{name:<{width}}  {value}" for name, value in found.items()]))
    return 0


# --- what the flags say ---


def _chip(args: Arguments) -> str:
    from esp32.firmware import CHIPS

    name = args.switches.get("chip", _DEFAULT)
    if name not in CHIPS:
        raise ConfigError(f"--chip: got {shown(name)}; expected one of {', '.join(CHIPS)}")
    return name


def _architecture(args: Arguments) -> str:
    from esp32.firmware import CHIPS

    name = args.switches.get("chip", _DEFAULT)
    return name if name in _UNIX else CHIPS[_chip(args)].architecture


def _records(args: Arguments) -> tuple[dict[str, Record], list[str]]:
    """The records, and lines about them for the owner."""
    from edge.wire.peerid import PublicKey
    from esp32 import records

    config = records.config(args.switches)
    key = records.key(args.switches.get("identity"), process.complain)
    if "update-key" in args.switches:
        config["update_keys"] = [_key(args.switches["update-key"]).public.hex()]
    told = [f"peer id         {PublicKey(type=1, data=key.public).peer_id()}"]
    if "ssid" in config:
        config["setup_password"] = password = records.setup_password()
        told.append(f"setup password  {password} (of its own Wi-Fi network, if yours fails)")
    return {"config": config, "identity": records.identity(key)}, told


def _key(path: str) -> Ed25519Key:
    from edge.crypto.identity import load_or_create

    return load_or_create(path, process.complain)


def _file_system(args: Arguments) -> bytes:
    """The image named, or one of a new device."""
    from esp32 import images

    if "image" in args.switches:
        return _read(args, "image")
    architecture = _architecture(args)
    return images.littlefs(architecture, images.modules(architecture), {})


def _needed(args: Arguments, switch: str) -> str:
    if switch not in args.switches:
        raise ConfigError(f"--{switch}: got nothing; expected {_VALUES[switch]}")
    return args.switches[switch]


def _read(args: Arguments, switch: str) -> bytes:
    path = _needed(args, switch)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"--{switch}: {path} cannot be read: {error.strerror}") from None


def _write(args: Arguments, data: bytes) -> None:
    """An image has the keys and the password of a device: for its owner alone."""
    from edge.atomic import write_atomic

    path = _needed(args, "out")
    try:
        write_atomic(path, data)
    except OSError as error:
        raise ConfigError(f"--out: {path} cannot be written: {error.strerror}") from None


_OUT = ("out", "FILE", "output file")
_SERIAL = ("serial", "PORT", "the device's serial port, such as /dev/ttyUSB0")
_CHIP = ("chip", "NAME", "esp32 (the default), esp32s2, esp32s3, esp32c3 or esp32c6")
_FIRMWARE = ("firmware", "FILE", "MicroPython's .bin for a board with 4 MiB of flash")
_IMAGE = ("image", "FILE", "the file system, of `esp32 image`; default: a new device's")
_KEY = ("update-key", "FILE", "your key that signs its updates; made if it is not there")
_SETTINGS = (
    ("ssid", "NAME", "the name of your Wi-Fi network"),
    ("password-file", "FILE", "a file with the network's password"),
    ("own", "PEERS", "peer ids of your own nodes, separated by commas; always served"),
    ("others", "N", "reservations for other peers, 0 to 8; default 4"),
    ("port", "N", "the TCP port; default 4001"),
    ("address", "ADDRS", "public multiaddrs of the device, separated by commas"),
    ("wake", "PEER=MAC", "machines to wake for circuits to them, separated by commas"),
    ("led", "PIN", "the pin of an LED; default none"),
    ("identity", "FILE", "the key of its peer id; made if it is not there; default: a new one"),
    _KEY,
)
_VALUES = {name: value for name, value, _ in (_OUT, _SERIAL, _FIRMWARE, _IMAGE, _KEY)}

COMMANDS = (
    Command(
        "esp32 image",
        _image,
        "write the file system of a relay on an ESP32, with its settings",
        switches=(_OUT, _CHIP, *_SETTINGS),
    ),
    Command(
        "esp32 merge",
        _merge,
        "join MicroPython's firmware and a file system: the whole flash, from address 0",
        switches=(_OUT, _CHIP, _FIRMWARE, _IMAGE),
    ),
    Command(
        "esp32 flash",
        _flash,
        "write a file system, and with --firmware all of the flash, to a device",
        switches=(_SERIAL, _CHIP, _FIRMWARE, _IMAGE),
    ),
    Command(
        "esp32 provision",
        _provision,
        "change the settings of a device",
        switches=(_SERIAL, *_SETTINGS),
    ),
    Command(
        "esp32 update",
        _update,
        "give a device this version of its program, signed",
        switches=(_SERIAL, _OUT, _CHIP, _KEY),
    ),
    Command(
        "esp32 status",
        _status,
        "show the status that a device reports on its serial port",
        switches=(_SERIAL, JSON),
    ),
)

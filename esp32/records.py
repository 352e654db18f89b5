"""The records that make a device somebody's: what a command line says, as kw.device reads it.

Nothing here needs a device. The Noise key is signed here, so that the device never has to sign.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from edge import crypto
from edge.config.errors import ConfigError, shown
from edge.crypto.identity import load_or_create
from edge.wire.errors import AddressError
from edge.wire.multiaddr import Multiaddr
from edge.wire.noise import SIGNATURE_PREFIX
from edge.wire.peerid import PeerId

Record = dict[str, object]
PEERS = 8  # that a device serves at a time
_PINS = 49
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


def identity(key: crypto.Ed25519Key) -> Record:
    """The record of who the device is, with a new key for Noise. All values are hexadecimal."""
    private = secrets.token_bytes(32)
    _, public = crypto.x25519_from_seed(private)
    made = {"seed": key.seed, "public": key.public}
    made |= {"private": private, "noise": public}
    made["signature"] = key.sign(SIGNATURE_PREFIX + public)
    return {name: value.hex() for name, value in made.items()}


def key(path: str | None, tell: Callable[[str], None]) -> crypto.Ed25519Key:
    """The key in a file, made if the file is not there; without a path a new one."""
    return crypto.Ed25519Key.generate() if path is None else load_or_create(path, tell)


def setup_password() -> str:
    """What the setup access point asks for: 12 letters and digits."""
    return "".join([secrets.choice(_LETTERS) for _ in range(12)])


def config(given: Mapping[str, str]) -> Record:
    """What the flags in `given` set; nothing else is in it. Raises ConfigError."""
    found: Record = {}
    for name, read in _READERS.items():
        if name in given:
            found |= read(given[name])
    if "ssid" in found:
        found.setdefault("password", "")
    return found


def _ssid(text: str) -> Record:
    if not 1 <= len(text.encode()) <= 32:
        raise ConfigError(f"--ssid: got {shown(text)}; expected 1 to 32 bytes")
    return {"ssid": text}


def _password(path: str) -> Record:
    try:
        text = Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--password-file: {path} cannot be read: {error}") from None
    if not 8 <= len(text.encode()) <= 63:
        raise ConfigError(f"--password-file: {path} has no password of 8 to 63 bytes")
    return {"password": text}


def _own(text: str) -> Record:
    return {"own": [_peer("own", word) for word in text.split(",")]}


def _addresses(text: str) -> Record:
    try:
        found = [Multiaddr.from_string(word).without_peer() for word in text.split(",")]
    except AddressError as error:
        raise ConfigError(f"--address: {error}") from None
    return {"addresses": [address.bytes.hex() for address in found]}


def _wake(text: str) -> Record:
    machines = {}
    for word in text.split(","):
        peer, _, mac = word.partition("=")
        if not _MAC.fullmatch(mac.lower()):
            raise ConfigError(f"--wake: got {shown(word)}; expected PEER=aa:bb:cc:dd:ee:ff")
        machines[_peer("wake", peer)] = mac.lower()
    return {"wake": machines}


def _peer(flag: str, text: str) -> str:
    try:
        return str(PeerId.from_string(text))
    except AddressError as error:
        raise ConfigError(f"--{flag}: {error}") from None


def _number(flag: str, least: int, most: int) -> Callable[[str], Record]:
    def read(text: str) -> Record:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ConfigError(f"--{flag}: got {shown(text)}; expected {least} to {most}")
        return {flag: int(text)}

    return read


_READERS: dict[str, Callable[[str], Record]] = {
    "ssid": _ssid,
    "password-file": _password,
    "own": _own,
    "others": _number("others", 0, PEERS),
    "port": _number("port", 1, 65535),
    "address": _addresses,
    "wake": _wake,
    "led": _number("led", 0, _PINS),
}

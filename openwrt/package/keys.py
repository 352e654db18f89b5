"""The keys of a feed, made where there are none yet: signify's for opkg, an EC key for apk.

Whoever has installed the public halves trusts the feed as long as it is signed with the same
secret ones, so these are outside the checkout, in the user's data directory or where $FEED_KEYS
says. docs/openwrt.md tells how to keep and how to replace them.

- opkg checks with usign, which understands signify's files and looks a public key up by its key
  number; Debian's signify-openbsd makes and checks them here.
- apk takes any OpenSSL key; OpenWrt uses ECDSA on P-256, so this does.

Secret halves are encrypted where a passphrase is given.
"""

import base64
import getpass
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openwrt.package.recipe import ROOT

_SIGNIFY = "signify-openbsd"
_PEM = serialization.Encoding.PEM
_BEFORE = ROOT / "build" / "feed-keys"  # a folder that people delete

# A passphrase for the file of the first argument, which is new if the second is true; "": none.
Ask = Callable[[Path, bool], str]


class KeysError(Exception):
    """The keys cannot be had; the text is for the person who signs."""


def directory(before: Path = _BEFORE) -> Path:
    """$FEED_KEYS, else kwaainet/feed-keys in the user's data directory, with mode 0700.

    Keys in `before`, where they were once, are moved there. Raises KeysError, OSError.
    """
    given = os.environ.get("FEED_KEYS")
    if given:
        place = Path(given).absolute()
    else:
        data = Path(os.environ.get("XDG_DATA_HOME", ""))
        base = data if data.is_absolute() else Path.home() / ".local" / "share"
        place = base / "kwaainet" / "feed-keys"
        if before.is_dir():
            _move(before, place)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not given:
        place.chmod(0o700)
    return place


def _move(before: Path, place: Path) -> None:
    if place.is_dir() and any(place.iterdir()):
        raise KeysError(
            f"{before} and {place} both hold keys: remove those that no router trusts, or name "
            "the others by FEED_KEYS"
        )
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(before, place, dirs_exist_ok=True)  # another file system, perhaps
    shutil.rmtree(before)
    print(f"moved the feed's keys from {before} to {place}: back them up there", file=sys.stderr)


def ask(file: Path, new: bool) -> str:
    """From the terminal. Without one a new key gets none, and that of another is read from stdin.

    Raises KeysError if a new one is typed in two ways.
    """
    if not sys.stdin.isatty():
        return "" if new else sys.stdin.readline().rstrip("\n")
    if not new:
        return getpass.getpass(f"passphrase of {file}: ")
    typed = getpass.getpass(f"passphrase for the new key {file} (empty: none): ")
    if typed and getpass.getpass("again: ") != typed:
        raise KeysError("the two passphrases differ")
    return typed


class SignifyKey:
    """`secret`, `public`: files in `directory`. Raises KeysError."""

    def __init__(self, directory: Path, ask: Ask = ask) -> None:
        self.secret = directory / "kwaainet.sec"
        self.public = directory / "kwaainet.pub"
        self._ask = ask
        if not self.secret.exists():
            passphrase = ask(self.secret, True)
            plain = () if passphrase else ("-n",)
            files = ("-c", "kwaainet", "-p", self.public, "-s", self.secret)
            _signify("-G", *plain, *files, typed=f"{passphrase}\n{passphrase}\n")
            self.secret.chmod(0o600)
            _say_new(self.secret, passphrase)

    def sign(self, file: Path) -> None:
        """Puts the signature into `file`.sig. Raises KeysError."""
        passphrase = self._ask(self.secret, False) if self._is_encrypted() else ""
        signed = ("-S", "-s", self.secret, "-m", file, "-x", _beside(file))
        _signify(*signed, typed=f"{passphrase}\n")

    def check(self, file: Path) -> bool:
        """Whether `file`.sig is this key's signature of `file`."""
        command = (_SIGNIFY, "-V", "-q", "-p", self.public, "-m", file, "-x", _beside(file))
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def fingerprint(self) -> str:
        """The name of the public key in a router's /etc/opkg/keys: algorithm, key number, key."""
        return _decoded(self.public)[2:10].hex()

    def _is_encrypted(self) -> bool:
        """By the rounds of the key derivation, behind two words of two bytes."""
        return any(_decoded(self.secret)[4:8])


class ApkKey:
    """`public`: the file to put into a router's /etc/apk/keys. Raises KeysError."""

    def __init__(self, directory: Path, ask: Ask = ask) -> None:
        secret = directory / "kwaainet.key.pem"
        self.public = directory / "kwaainet.pem"
        if not secret.exists():
            self._key = ec.generate_private_key(ec.SECP256R1())
            passphrase = ask(secret, True)
            secret.touch(0o600)
            secret.write_bytes(_private(self._key, passphrase))
            _say_new(secret, passphrase)
        else:
            self._key = _loaded(secret, ask)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public.write_bytes(self._key.public_key().public_bytes(_PEM, spki))

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA512()))

    def identifier(self) -> bytes:
        """The start of the SHA-512 of the public point is how signatures name their key."""
        form = serialization.PublicFormat.UncompressedPoint
        point = self._key.public_key().public_bytes(serialization.Encoding.X962, form)
        return hashlib.sha512(point).digest()


def _private(key: ec.EllipticCurvePrivateKey, passphrase: str) -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, protection)


def _loaded(secret: Path, ask: Ask) -> ec.EllipticCurvePrivateKey:
    pem = secret.read_bytes()
    try:
        passphrase = ask(secret, False).encode() if b"ENCRYPTED" in pem else None
        found = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError):  # the latter for an empty passphrase
        raise KeysError(f"{secret}: a wrong passphrase, or not a private key") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise KeysError(f"{secret}: got another kind of key; expected ECDSA on P-256")
    return found


def _say_new(secret: Path, passphrase: str) -> None:
    how = "" if passphrase else ", without a passphrase"
    print(f"made the key {secret}{how}: back it up, routers will trust it", file=sys.stderr)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.sig")


def _decoded(file: Path) -> bytes:
    """What signify has in the second line of its files."""
    return base64.b64decode(file.read_text().splitlines()[1])


def _signify(*arguments: str | Path, typed: str) -> None:
    """`typed`: what it reads where it asks for a passphrase. Raises KeysError."""
    done = subprocess.run(
        [_SIGNIFY, *arguments], input=typed, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise KeysError(done.stderr.strip())

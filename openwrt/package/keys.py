"""The keys of a feed, made where there are none yet: signify's for opkg, an EC key for apk.

Whoever has installed the public halves trusts the feed as long as it is signed with the same
secret ones: keep them, and keep them out of the repository.

- opkg checks with usign, which understands signify's files and looks a public key up by its key
  number; Debian's signify-openbsd makes and checks them here.
- apk takes any OpenSSL key; OpenWrt uses ECDSA on P-256, so this does.
"""

import base64
import hashlib
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_SIGNIFY = "signify-openbsd"
_PEM = serialization.Encoding.PEM


class SignifyKey:
    """`secret`, `public`: files."""

    def __init__(self, directory: Path) -> None:
        self.secret = directory / "kwaainet.sec"
        self.public = directory / "kwaainet.pub"
        if not self.secret.exists():
            _signify("-G", "-n", "-c", "kwaainet", "-p", self.public, "-s", self.secret)
            self.secret.chmod(0o600)

    def sign(self, file: Path) -> None:
        """Puts the signature into `file`.sig."""
        _signify("-S", "-s", self.secret, "-m", file, "-x", _beside(file))

    def check(self, file: Path) -> bool:
        """Whether `file`.sig is this key's signature of `file`."""
        return (
            _signify("-V", "-q", "-p", self.public, "-m", file, "-x", _beside(file), check=False)
            == 0
        )

    def fingerprint(self) -> str:
        """The name of the public key in a router's /etc/opkg/keys: algorithm, key number, key."""
        return base64.b64decode(self.public.read_text().splitlines()[1])[2:10].hex()


class ApkKey:
    """`public`: the file to put into a router's /etc/apk/keys."""

    def __init__(self, directory: Path) -> None:
        secret = directory / "kwaainet.key.pem"
        self.public = directory / "kwaainet.pem"
        if not secret.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            secret.touch(0o600)
            secret.write_bytes(made.private_bytes(_PEM, form, plain))
        found = serialization.load_pem_private_key(secret.read_bytes(), None)
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        self._key = found
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public.write_bytes(found.public_key().public_bytes(_PEM, spki))

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA512()))

    def identifier(self) -> bytes:
        """The start of the SHA-512 of the public point is how signatures name their key."""
        form = serialization.PublicFormat.UncompressedPoint
        point = self._key.public_key().public_bytes(serialization.Encoding.X962, form)
        return hashlib.sha512(point).digest()


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.sig")


def _signify(*arguments: str | Path, check: bool = True) -> int:
    """The exit status; with `check` a failure is raised as CalledProcessError."""
    command = [_SIGNIFY, *[str(argument) for argument in arguments]]
    return subprocess.run(command, capture_output=not check, check=check).returncode

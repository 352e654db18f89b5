"""The node's identity: one Ed25519 key in one file, created on the first start.

The file contains libp2p's PrivateKey message (peer-ids specification) with Type 1 and Data of seed
and public key: 68 bytes, a format that go-libp2p and hivemind share. No other field, order or
encoding is valid, so the message is compared byte by byte.
"""

import errno
import os
import stat
import sys

from edge.atomic import write_atomic
from edge.crypto import ED25519, Ed25519Key
from edge.crypto.errors import IdentityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = bytes([1 << 3, ED25519, 2 << 3 | 2, 64])
_SIZE = len(_PREFIX) + 64
_OTHER_TYPES = {0: "an RSA", 2: "a secp256k1", 3: "an ECDSA"}
_ADVICE = {
    errno.ENOENT: "create the directory {}",
    errno.ENOTDIR: "{} is not a directory; set another path",
    errno.ENOSPC: "free some space in {}",
    errno.EDQUOT: "free some space in {}",
    errno.EACCES: "make the directory {} writable for the node's user",
    errno.EPERM: "make the directory {} writable for the node's user",
    errno.EROFS: "make the directory {} writable for the node's user",
}
_MOST = 8192  # bytes read: enough to identify the type of any libp2p key


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def load_or_create(path: str, tell: "Callable[[str], None]" = _to_stderr) -> Ed25519Key:
    """Load the key in the file `path`, or create it with mode 0600 if the file does not exist.

    The mode of a file that others may read or write is set to 0600, and `tell` is called with one
    line about it. Raises IdentityError with one line that names the file and the remedy.
    """
    try:
        data = _read(path, tell)
    except FileNotFoundError:
        return _create(path)
    except OSError as error:
        raise IdentityError(
            f"{path}: the key file cannot be read ({error.strerror}); make it a file that the"
            " node's user owns"
        ) from None
    return _decode(path, data)


def _read(path: str, tell: "Callable[[str], None]") -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise IdentityError(f"{path}: not a regular file; name another one for the key")
        if mode & 0o077:
            _tighten(path, fd, mode, tell)
        return os.read(fd, _MOST)
    finally:
        os.close(fd)


def _tighten(path: str, fd: int, mode: int, tell: "Callable[[str], None]") -> None:
    was = f"{path}: others may use this private key (mode {stat.S_IMODE(mode):04o})"
    try:
        os.fchmod(fd, 0o600)
    except OSError as error:
        raise IdentityError(
            f"{was} and that cannot be changed ({error.strerror}); run chmod 600 on it as its owner"
        ) from None
    tell(f"{was}; set to 0600. If someone may have read it, delete it to get a new identity")


def _create(path: str) -> Ed25519Key:
    key = Ed25519Key.generate()
    directory = os.path.dirname(path) or "."
    try:
        write_atomic(path, _PREFIX + key.seed + key.public)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "see to the disk or file system of {}")
        raise IdentityError(
            f"{path}: a new key cannot be written ({error.strerror}); {advice.format(directory)}"
        ) from None
    return key


def _decode(path: str, data: bytes) -> Ed25519Key:
    replace = "put the right file there, or delete it to get a new identity"
    other = _OTHER_TYPES.get(data[1]) if data[:1] == _PREFIX[:1] and len(data) > 1 else None
    if other:
        raise IdentityError(f"{path}: holds {other} key, only Ed25519 can be used; {replace}")
    if len(data) != _SIZE:
        raise IdentityError(f"{path}: {len(data)} bytes, a key file has {_SIZE}; {replace}")
    if not data.startswith(_PREFIX):
        raise IdentityError(f"{path}: not a libp2p Ed25519 private key; {replace}")
    key = Ed25519Key.from_seed(data[4:36])
    if key.public != data[36:]:
        raise IdentityError(f"{path}: damaged, its public part is not its seed's; {replace}")
    return key

"""The node's identity: one Ed25519 key in one file, created on the first start.

The file contains libp2p's PrivateKey message (peer-ids specification) with Type 1 and Data of seed
and public key: 68 bytes, a format that go-libp2p and hivemind share. No other field, order or
encoding is valid, so the message is compared byte by byte.
"""

import errno
import os
import stat

from edge.atomic import NO_MODES, write_atomic
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
    errno.ENOTSUP: "mount that of {} with umask=077, or set data_dir to one with modes",
}
_MODELESS = "mount that with umask=077, or set data_dir to a directory on one with modes"
_READ_ONLY = (
    "give it mode 0400 there, or 0440 with root as its owner, such as by a secret's defaultMode"
)
_MOST = 8192  # bytes read: enough to identify the type of any libp2p key


def load_or_create(path: str, tell: "Callable[[str], None]") -> Ed25519Key:
    """Load the key in the file `path`, or create it with mode 0600 if the file does not exist.

    The mode of a file that others may read or write is set to 0600, and `tell` is called with one
    line about it. A file that root lets a group read (0440, a secret in Kubernetes) is taken as it
    is. Raises IdentityError with one line that names the file and the remedy.
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
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise IdentityError(f"{path}: not a regular file; name another one for the key")
        if found.st_mode & 0o077 and not _is_given(found):
            _tighten(path, fd, found, tell)
        return os.read(fd, _MOST)
    finally:
        os.close(fd)


def _is_given(found: os.stat_result) -> bool:
    """Whether it is root's, and no more than read by a group."""
    return found.st_uid == 0 != os.geteuid() and not found.st_mode & 0o037


def _tighten(path: str, fd: int, found: os.stat_result, tell: "Callable[[str], None]") -> None:
    was = f"{path}: others may use this private key (mode {stat.S_IMODE(found.st_mode):04o})"
    reason, advice = NO_MODES, _MODELESS
    try:
        os.fchmod(fd, 0o600)
    except OSError as error:
        if error.errno == errno.EROFS:
            reason, advice = "it is mounted read-only", _READ_ONLY
        elif found.st_uid != os.geteuid():
            reason, advice = str(error.strerror), "run chmod 600 on it as its owner"
    if os.fstat(fd).st_mode & 0o077:
        raise IdentityError(f"{was} and that cannot be changed ({reason}); {advice}")
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

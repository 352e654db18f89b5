"""The secret by which the page is opened from elsewhere: one file, made at random.

It is read again when the file has become another, so that `kwaainet page --new` needs no running
node. Nothing of it is ever logged.
"""

import hashlib
import os
import stat
from _operator import _compare_digest  # as `hmac` has it, without the rest of that

from edge import log
from edge.atomic import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    Mark = tuple[int, int, int]  # of a file's content, as stat(2) tells it

NAME = "page.token"
_SIZE = 16  # bytes of random
_DIGITS = frozenset("0123456789abcdef")
_PURPOSE = b"kwaainet page, session of "


class Token:
    """That in `directory`, made when it is first asked for; so is one in the place of a wrong file.

    Where none can be kept, none is right, and the log says why.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, NAME)
        self._text = ""
        self._mark: Mark | None = None  # of the file that it was read from

    def text(self) -> str:
        """In hexadecimal digits. Raises OSError if it can neither be read nor made."""
        mark = _mark(self.path)
        if mark is None or mark != self._mark:
            self._text = self._read() or self.renew()
            # As it was before: what came meanwhile, and the new one, is read the next time.
            self._mark = mark
        return self._text

    def renew(self) -> str:
        """Another one, by which the sessions of the old one end. Raises OSError."""
        text = os.urandom(_SIZE).hex()
        write_atomic(self.path, text.encode() + b"\n")
        _give(self.path)
        return text

    def is_right(self, text: str) -> bool:
        """Whether `text` is it, in a time that does not tell how much of it is right."""
        known = self._known()
        return bool(known) and _same(text, known)

    def session(self) -> str:
        """What a browser keeps: it opens the page until the token is another, and tells nothing of
        it to the other servers of this host, to which a browser shows it, too.
        """
        return _session(self._known())

    def is_session(self, text: str) -> bool:
        """Whether `text` is one, in such a time."""
        known = self._known()
        return bool(known) and _same(text, _session(known))

    def _known(self) -> str:
        """It; "" if there is none, which the log says."""
        try:
            return self.text()
        except OSError as error:
            log.error("page-token", file=self.path, error=error.strerror)
            return ""

    def _read(self) -> str:
        """What is kept; "" if that is nothing, or wrong, which the log says."""
        try:
            found = _content(self.path)
        except FileNotFoundError:
            return ""
        except OSError as error:
            log.warning("page-token", file=self.path, replaced=error.strerror)
            return ""
        if not found:
            log.warning(
                "page-token", file=self.path, replaced="it held no token of its owner alone"
            )
        return found


def _session(token: str) -> str:
    return hashlib.sha256(_PURPOSE + token.encode()).hexdigest()


def _same(one: str, other: str) -> bool:
    return _compare_digest(one.encode("utf-8", "replace"), other.encode())


def _content(path: str) -> str:
    """The token in the file, which is then its owner's alone; "": it holds none. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            return ""  # others may have read it
        text = os.read(fd, 4 * _SIZE).decode("ascii", "replace").removesuffix("\n")
    finally:
        os.close(fd)
    return text if len(text) == 2 * _SIZE and _DIGITS.issuperset(text) else ""


def _mark(path: str) -> "Mark | None":
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_mode


def _give(path: str) -> None:
    """To the directory's owner, where root has made it for a node that is another user's."""
    owner = os.stat(os.path.dirname(path) or ".")
    if os.geteuid() == 0 != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

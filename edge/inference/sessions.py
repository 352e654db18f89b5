"""Sessions of callers: which positions each has in the cache of the blocks, and what it holds.

No I/O, no clock of its own. A session belongs to the peer that began it; another peer's of the same
number is another one. Memory is leased in pages when it begins and given back when it ends: nothing
is swapped, and who finds none is told how much there is.
"""

from __future__ import annotations

from collections import OrderedDict

from edge.wire.inference import FULL, GAP, LATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from edge.budget import Pool
    from edge.wire.peerid import PeerId

    Key: TypeAlias = tuple[PeerId, int]

PAGE = 64  # positions
IDLE = 600.0  # seconds without a call, after which a session ends
MAX_PER_PEER = 16
MAX_SESSIONS = 1024
_SESSION = 2048  # bytes of the objects of one


class SessionError(Exception):
    """`error`: as in edge.wire.inference. `position`: where the session is; `left`: see `left`."""

    def __init__(self, error: str, text: str, position: int = 0, left: int = 0) -> None:
        super().__init__(text)
        self.error = error
        self.position = position
        self.left = left


class Session:
    """`handle`: its number at the backend. `length`: positions that are computed, of `positions`.

    `begun`: whether the backend has it. `answer`: of the call `call`, the last one.
    """

    __slots__ = ("answer", "begun", "call", "handle", "key", "length", "positions", "used")

    def __init__(self, key: Key, handle: int, positions: int) -> None:
        self.key = key
        self.handle = handle
        self.positions = positions
        self.length = 0
        self.begun = False
        self.call = -1
        self.answer: bytes | None = None
        self.used = 0.0


class Sessions:
    """`cost`: bytes of one position; `most`: positions that the model takes in one session.

    `clock`: seconds, which only go up. `ended` is called with the handle of each session that the
    backend still has when it ends.
    """

    def __init__(
        self,
        pool: Pool,
        cost: int,
        most: int,
        clock: Callable[[], float],
        ended: Callable[[int], None],
    ) -> None:
        self._pool = pool
        self._cost = cost
        self._most = most
        self._clock = clock
        self._ended = ended
        self._handles = 0
        # The one that was used longest ago first.
        self._sessions: OrderedDict[Key, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def left(self) -> int:
        """Positions that there is memory for, in whole pages."""
        free = max(self._pool.ceiling - self._pool.used, 0)
        return free // (self._cost * PAGE) * PAGE

    def answered(self, key: Key, call: int) -> bytes | None:
        """The answer to that call if it was the last one. Raises SessionError if it came before."""
        session = self._sessions.get(key)
        if session is None or call > session.call:
            return None
        if call == session.call and session.answer is not None:
            self._touch(session)
            return session.answer
        raise SessionError(LATE, f"call {session.call} was answered already", session.length)

    def place(self, key: Key, position: int, rows: int, positions: int = 0) -> Session:
        """The session, ready for `rows` rows from `position` on: what it has behind is forgotten.

        A new one has room for `positions`, or for these rows at least. Who has computed them adds
        them to its `length`. Raises SessionError.
        """
        self.expire()
        session = self._sessions.get(key)
        length = session.length if session is not None else 0
        if position > length:
            raise SessionError(GAP, f"the rows from {length} on are missing", length)
        if session is None:
            session = self._begin(key, max(positions, rows))
        if position + rows > session.positions:
            raise SessionError(
                FULL, f"the session has room for {session.positions} positions", length, self.left
            )
        session.length = position
        self._touch(session)
        return session

    def keep(self, session: Session, call: int, answer: bytes) -> None:
        """That call was answered so: it is told once more to a caller that did not get it."""
        session.call = call
        if self._sessions.get(session.key) is not session:
            return  # it has ended meanwhile
        if session.answer is not None:
            self._pool.give(len(session.answer))
        session.answer = answer if self._pool.take(len(answer)) else None

    def close(self, key: Key) -> None:
        """End a session, if there is one."""
        session = self._sessions.get(key)
        if session is not None:
            self._end(session)

    def close_all_of(self, peer: PeerId) -> None:
        """The peer is gone."""
        self._end_all(key for key in self._sessions if key[0] == peer)

    def expire(self) -> None:
        """End those that nobody used for IDLE seconds."""
        now = self._clock()
        while self._sessions:
            session = next(iter(self._sessions.values()))
            if now - session.used < IDLE:
                return
            self._end(session)

    def clear(self) -> None:
        """End all."""
        self._end_all(self._sessions)

    def lost(self) -> None:
        """The backend has none of them any more."""
        for session in self._sessions.values():
            session.begun = False
        self.clear()

    def _begin(self, key: Key, positions: int) -> Session:
        pages = -(-positions // PAGE)
        others = sum(other[0] == key[0] for other in self._sessions)
        if positions > self._most:
            raise SessionError(FULL, f"the model has {self._most} positions", left=self.left)
        if others >= MAX_PER_PEER or len(self._sessions) >= MAX_SESSIONS:
            raise SessionError(FULL, "too many sessions at a time", left=self.left)
        if not self._pool.take(_SESSION + pages * PAGE * self._cost):
            raise SessionError(FULL, "no memory for a session of this length", left=self.left)
        self._handles += 1
        session = self._sessions[key] = Session(key, self._handles, pages * PAGE)
        return session

    def _touch(self, session: Session) -> None:
        session.used = self._clock()
        self._sessions.move_to_end(session.key)

    def _end_all(self, keys: Iterable[Key]) -> None:
        for key in list(keys):
            self._end(self._sessions[key])

    def _end(self, session: Session) -> None:
        del self._sessions[session.key]
        kept = len(session.answer) if session.answer is not None else 0
        self._pool.give(_SESSION + session.positions * self._cost + kept)
        if session.begun:
            self._ended(session.handle)

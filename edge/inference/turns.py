"""Whose call the blocks compute next: each peer in turn, and of a peer each session in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import TracebackType

MAX_WAITING = 256  # calls, of all
MAX_OF_A_PEER = 64


class TooManyWait(Exception):
    """No more calls can wait, of all or of this peer."""


class Turns:
    """One call at a time. `waiting`: how many wait."""

    def __init__(self) -> None:
        self.waiting = 0
        self._taken = False
        # Of each peer the sessions, of each session the calls, in the order of their turns.
        self._peers: OrderedDict[Hashable, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = (
            OrderedDict()
        )

    def of(self, peer: Hashable, session: Hashable) -> Turn:
        """To be entered with `async with`; raises TooManyWait there."""
        return Turn(self, peer, session)

    async def take(self, peer: Hashable, session: Hashable) -> None:
        """Wait for a turn; `release` follows. Raises TooManyWait."""
        if not self._taken:
            self._taken = True
            return
        sessions = self._peers.setdefault(peer, OrderedDict())
        if self.waiting >= MAX_WAITING or sum(map(len, sessions.values())) >= MAX_OF_A_PEER:
            if not sessions:
                del self._peers[peer]
            raise TooManyWait
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sessions.setdefault(session, deque()).append(come)
        self.waiting += 1
        try:
            await come
        except asyncio.CancelledError:
            if not come.cancelled():  # its turn had come already
                self.release()
            elif come in self._peers.get(peer, sessions).get(session, ()):
                self._forget(peer, session, come)
            raise

    def release(self) -> None:
        """The turn is over; the next one's comes."""
        while self._peers:
            peer, sessions = next(iter(self._peers.items()))
            session, calls = next(iter(sessions.items()))
            come = calls[0]
            self._peers.move_to_end(peer)
            sessions.move_to_end(session)
            self._forget(peer, session, come)
            if not come.cancelled():
                come.set_result(None)
                return
        self._taken = False

    def _forget(self, peer: Hashable, session: Hashable, come: asyncio.Future[None]) -> None:
        sessions = self._peers[peer]
        sessions[session].remove(come)
        self.waiting -= 1
        if not sessions[session]:
            del sessions[session]
        if not sessions:
            del self._peers[peer]


class Turn:
    """One call's."""

    def __init__(self, turns: Turns, peer: Hashable, session: Hashable) -> None:
        self._turns = turns
        self._peer = peer
        self._session = session

    async def __aenter__(self) -> None:
        await self._turns.take(self._peer, self._session)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._turns.release()

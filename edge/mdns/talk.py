"""What a node says on one link, and when, so that it is found without flooding anybody.

A value: the caller has the sockets and the clock. Questions are asked after 1 s, 3 s, 9 s and so on
up to an hour. An answer waits 20 to 120 ms, so that one serves all who ask, longer if more known
answers are announced; whoever knows it already gets none, and none comes within a second of the
last. Every answer is multicast, even if asked for by unicast: what is sent to a forged source hurts
nobody. A change is told twice, a second apart, and the end once.

Names are random, so nobody is asked first whether they are free.

Source: RFC 6762 sections 5.2 (questions), 6 (answers), 7.1 (known answers), 8.3 (announcements), 10
"""

from __future__ import annotations

from edge.wire import mdns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge.wire.mdns import Message, Record

_LEAST_DELAY, _DELAY_SPREAD = 0.02, 0.1  # seconds
_MORE_KNOWN = 0.4  # seconds for the rest of the known answers
_PAUSE = 1.0  # seconds between two answers
_PROBE_PAUSE = 0.25  # where the answer tells that a name is taken
_ANNOUNCEMENTS = 2
_FIRST_INTERVAL, _FACTOR, _LONGEST_INTERVAL = 1.0, 3, 3600.0
_MAX_ASKERS = 32  # told apart at a time
_NEVER = float("inf")


class Answer:
    """Records that are told together. `asked`: which names are to be told of, by who asked."""

    __slots__ = ("asked", "due", "records", "said_at")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.asked: dict[bytes, set[bytes]] = {}
        self.due = _NEVER
        self.said_at = -_NEVER

    def wants(self, name: bytes, kind: int) -> bool:
        """Whether there is an answer to a question."""
        return any(
            record.name == name and kind in (record.kind, mdns.ANY) for record in self.records
        )

    def ask(self, source: bytes, name: bytes, at: float, pause: float) -> None:
        """Whoever is at `source` wants to hear of `name`, at the time `at` or a `pause` after the
        last answer.
        """
        if source not in self.asked and len(self.asked) >= _MAX_ASKERS:
            source = b""
        self.asked.setdefault(source, set()).add(name)
        self.due = min(self.due, max(at, self.said_at + pause))

    def knows(self, source: bytes, name: bytes) -> None:
        """Whoever is at `source` need not hear of `name`."""
        names = self.asked.get(source, set())
        names.discard(name)
        if not names:
            self.asked.pop(source, None)

    def said(self, now: float) -> None:
        """All of it has been told."""
        self.asked.clear()
        self.due = _NEVER
        self.said_at = now


class Talk:
    """`spread()`: a random number from 0 to 1, by which nodes do not all talk at once."""

    def __init__(self, now: float, spread: Callable[[], float]) -> None:
        self._spread = spread
        self._own = Answer(())
        self._meta = Answer(())
        self._announcements = 0
        self._announce_at = _NEVER
        self._interval = 0.0
        self._ask_at = 0.0
        self.ask_anew(now)

    def ask_anew(self, now: float) -> None:
        """Ask often for a while: the network may be another one."""
        self._interval = _FIRST_INTERVAL
        self._ask_at = now + self._delay()

    def announce(self, records: Sequence[Record], now: float) -> None:
        """Tell of these records of the node, which may be none, from now on."""
        said_at = self._own.said_at
        self._own = Answer(records)
        self._own.said_at = said_at
        types = [mdns.Record(mdns.META, mdns.PTR, mdns.SERVICE, mdns.TTL)] if records else []
        self._meta.records = types
        self._announcements = _ANNOUNCEMENTS if records else 0
        self._announce_at = max(now + self._delay(), said_at + _PAUSE) if records else _NEVER

    def heard(self, message: Message, source: bytes, now: float) -> None:
        """Somebody on the link asks, or adds to what it knows already."""
        # Who asks whether a name is free waits for an answer for a third of a second.
        delay = 0.0 if message.probe else self._delay()
        delay += _MORE_KNOWN if message.truncated else 0.0
        pause = _PROBE_PAUSE if message.probe else _PAUSE
        for name, kind in message.questions:
            for answer in (self._own, self._meta):
                if answer.wants(name, kind):
                    answer.ask(source, name, now + delay, pause)
        for known in message.records:
            for answer in (self._own, self._meta):
                if any(_is_known(own, known) for own in answer.records):
                    answer.knows(source, known.name)

    def due(self) -> float:
        """When there is something to say next, by the caller's clock."""
        return min(self._ask_at, self._announce_at, self._own.due, self._meta.due)

    def say(self, now: float, known: Callable[[float], Iterable[tuple[bytes, int]]]) -> list[bytes]:
        """The messages that are due. `known`: (target, TTL) of PTR records, of those that last for
        at least so many seconds more.
        """
        out = []
        if self._ask_at <= now:
            # What ends before the next question has to be told again.
            out.append(mdns.query(mdns.SERVICE, known(self._interval)))
            self._ask_at = now + self._interval
            self._interval = min(self._interval * _FACTOR, _LONGEST_INTERVAL)
        if self._announce_at <= now:
            self._announcements -= 1
            self._announce_at = now + _PAUSE if self._announcements else _NEVER
            out.append(mdns.response(self._own.records))
            self._own.said(now)
        for answer in (self._own, self._meta):
            if answer.due <= now:
                out += _answered(answer, now)
        return out

    def goodbye(self) -> list[bytes]:
        """The last message: whoever has heard of this node forgets it."""
        if self._own.said_at == -_NEVER or not self._own.records:
            return []
        return [mdns.response([mdns.Record(r.name, r.kind, r.data, 0) for r in self._own.records])]

    def _delay(self) -> float:
        return _LEAST_DELAY + _DELAY_SPREAD * self._spread()


def _answered(answer: Answer, now: float) -> list[bytes]:
    names = set().union(*answer.asked.values())
    asked = [record for record in answer.records if record.name in names]
    if not asked:  # all who asked know it
        answer.due = _NEVER
        return []
    others = [record for record in answer.records if record.name not in names]
    answer.said(now)
    return [mdns.response(asked, others)]


def _is_known(own: Record, known: Record) -> bool:
    """Whether `known` is `own`, and lasts for another half of its time at least."""
    same = (own.name, own.kind, own.data) == (known.name, known.kind, known.data)
    return same and known.ttl * 2 >= own.ttl

"""When a node asks, answers and keeps silent on a link, by a clock of the test's."""

import itertools
from collections.abc import Iterable

from edge.mdns.talk import Talk
from edge.wire import mdns
from edge.wire.dns import encode_name
from edge.wire.multiaddr import Multiaddr

PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
RECORDS = mdns.own_records("a" * 36, [Multiaddr.from_string(f"/ip4/192.168.1.2/tcp/1/p2p/{PEER}")])
INSTANCE = RECORDS[0].data
ALICE, BOB = b"\xc0\xa8\1\3", b"\xc0\xa8\1\4"
HOUR = 3600.0


def asks(
    *questions: tuple[bytes, int], truncated: bool = False, probe: bool = False
) -> mdns.Message:
    message = mdns.Message(response=False, truncated=truncated, probe=probe)
    message.questions += questions
    return message


def knows(ttl: int = mdns.TTL, truncated: bool = False) -> mdns.Message:
    message = asks((mdns.SERVICE, mdns.PTR), truncated=truncated)
    message.records.append(mdns.Record(mdns.SERVICE, mdns.PTR, INSTANCE, ttl))
    return message


EVERYBODY = (mdns.SERVICE, mdns.PTR)


class Spoken:
    """A talk, and all that it says until a time."""

    def __init__(self, quiet: bool = True) -> None:
        self.now = 0.0
        self.talk = Talk(self.now, lambda: 0.5)
        self.said: list[tuple[float, mdns.Message]] = []
        self.known: list[float] = []
        if quiet:  # announced, and with the next question an hour away
            self.talk.announce(RECORDS, self.now)
            self.until(20_000)
            self.said.clear()

    def _known(self, seconds: float) -> Iterable[tuple[bytes, int]]:
        self.known.append(seconds)
        return ()

    def until(self, seconds: float) -> "Spoken":
        """Until so many seconds from now have passed."""
        end = self.now + seconds
        while (due := self.talk.due()) <= end:
            self.now = max(due, self.now)
            self.said += [
                (self.now, mdns.decode(each)) for each in self.talk.say(self.now, self._known)
            ]
        self.now = end
        return self

    def hears(self, message: mdns.Message, source: bytes = ALICE) -> None:
        self.talk.heard(message, source, self.now)

    @property
    def answers(self) -> list[float]:
        return [at for at, message in self.said if message.response]

    @property
    def questions(self) -> list[float]:
        return [at for at, message in self.said if not message.response]


def test_questions_become_rare() -> None:
    spoken = Spoken(quiet=False).until(4 * HOUR)
    gaps = [round(b - a) for a, b in itertools.pairwise(spoken.questions)]
    assert gaps == [1, 3, 9, 27, 81, 243, 729, 2187, 3600, 3600, 3600]
    assert spoken.known[-1] == HOUR
    spoken.talk.ask_anew(spoken.now)
    assert len(Spoken.until(spoken, 5).questions) == len(gaps) + 1 + 3


def test_an_announcement_is_made_twice_a_second_apart() -> None:
    spoken = Spoken(quiet=False)
    spoken.talk.announce(RECORDS, 0.0)
    spoken.until(60)
    first, second = spoken.answers
    assert 0.02 <= first <= 0.12
    assert second == first + 1.0


def test_changes_in_a_storm_are_told_once_a_second() -> None:
    spoken = Spoken()
    for _ in range(50):
        spoken.talk.announce(RECORDS, spoken.now)
        spoken.until(0.1)
    gaps = [b - a for a, b in itertools.pairwise(spoken.answers)]
    assert all(gap >= 0.999 for gap in gaps)


def test_an_answer_waits_a_little_and_serves_all_who_ask() -> None:
    spoken = Spoken()
    began = spoken.now
    spoken.hears(asks(EVERYBODY), ALICE)
    spoken.hears(asks(EVERYBODY), BOB)
    spoken.until(5)
    (at,) = spoken.answers
    assert 0.02 <= at - began <= 0.12


def test_a_flood_of_questions_gets_one_answer_a_second() -> None:
    spoken = Spoken()
    for i in range(500):
        spoken.hears(asks(EVERYBODY, (mdns.META, mdns.PTR)), i.to_bytes(4, "big"))
        spoken.until(0.01)
    services = [
        at for at, each in spoken.said if each.response and each.records[0].name == mdns.SERVICE
    ]
    assert len(services) == 5
    assert all(b - a >= 0.999 for a, b in itertools.pairwise(services))
    assert len(spoken.answers) == 10


def test_who_knows_the_answer_gets_none() -> None:
    spoken = Spoken()
    spoken.hears(knows())
    assert not spoken.until(5).answers


def test_who_will_soon_forget_it_gets_it() -> None:
    spoken = Spoken()
    spoken.hears(knows(ttl=mdns.TTL // 2 - 1))
    assert len(spoken.until(5).answers) == 1


def test_others_who_ask_get_it_too() -> None:
    spoken = Spoken()
    spoken.hears(asks(EVERYBODY), BOB)
    spoken.hears(knows(), ALICE)
    assert len(spoken.until(5).answers) == 1


def test_known_answers_in_a_second_message() -> None:
    spoken = Spoken()
    spoken.hears(asks(EVERYBODY, truncated=True))
    spoken.until(0.3)
    rest = mdns.Message(response=False, truncated=False, probe=False)
    rest.records.append(mdns.Record(mdns.SERVICE, mdns.PTR, INSTANCE, mdns.TTL))
    spoken.hears(rest)
    assert not spoken.until(5).answers


def test_what_kinds_of_service_there_are() -> None:
    spoken = Spoken()
    spoken.hears(asks((mdns.META, mdns.PTR)))
    spoken.until(5)
    ((_, answer),) = spoken.said
    assert [each.data for each in answer.records] == [mdns.SERVICE]


def test_details_are_told_to_who_asks_for_them_alone() -> None:
    spoken = Spoken()
    for kind in (16, mdns.SRV, mdns.ANY):
        spoken.hears(asks((INSTANCE, kind)))
        assert len(spoken.until(5).answers) == 1
        spoken.said.clear()
    spoken.hears(asks((INSTANCE, mdns.A), (encode_name("b.local"), mdns.ANY)))
    assert not spoken.until(5).answers


def test_who_asks_whether_a_name_is_free_hears_in_time() -> None:
    """250 ms after its question, even if the name has been told a moment ago."""
    spoken = Spoken()
    spoken.hears(asks(EVERYBODY))
    spoken.until(0.2)
    began = spoken.now
    spoken.hears(asks((INSTANCE, mdns.ANY), probe=True))
    spoken.until(5)
    assert spoken.answers[-1] - began <= 0.25


def test_a_node_that_listens_nowhere_only_asks() -> None:
    spoken = Spoken(quiet=False)
    spoken.talk.announce([], 0.0)
    spoken.hears(asks(EVERYBODY, (mdns.META, mdns.PTR)))
    assert not spoken.until(60).answers
    assert not spoken.talk.goodbye()


def test_the_end_is_told() -> None:
    (goodbye,) = Spoken().talk.goodbye()
    assert {each.ttl for each in mdns.decode(goodbye).records} == {0}

"""Storage beside a model of its rules, and beside hivemind's own storage."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.dht.validation import PLAIN
from edge.units import KIB
from edge.wire import dictionary, packed
from edge.wire.peerid import PeerId
from tests.dht import reference
from tests.dht.peers import NOW, Kept, key, named, peer

WRITERS = [peer(number) for number in range(3)]
KEYS = ["x", "y"]
SUBKEYS = [PLAIN, named(WRITERS[0]), named(WRITERS[1]), packed.dumps("note")]
VALUES = [b"\x01", b"\x02", b"v" * 300]

writers, keys, subkeys = st.sampled_from(WRITERS), st.sampled_from(KEYS), st.sampled_from(SUBKEYS)
values, lives = st.sampled_from(VALUES), st.integers(-20, 200)


class Model:
    """By key and subkey (value, expiration, rank): a copy, free or its owner's."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, bytes], tuple[bytes, float, int]] = {}
        self.latest: dict[str, float] = {}

    def under(self, name: str) -> dict[bytes, tuple[bytes, float, int]]:
        return {subkey: found for (key, subkey), found in self.records.items() if key == name}

    def expire(self, now: float) -> None:
        self.records = {at: found for at, found in self.records.items() if found[1] > now}

    def store(
        self,
        writer: PeerId,
        name: str,
        value: bytes,
        subkey: bytes,
        until: float,
        cached: bool,
        now: float,
    ) -> bool:
        owner = next((each for each in WRITERS if named(each) == subkey), None)
        if until <= now or (owner not in {None, writer} and not cached):
            return False
        rank = 2 if owner == writer else 0 if cached else 1
        gone = self._replaced(name, subkey)
        for other, (_, expiration, before) in gone.items():
            alone = subkey == PLAIN != other
            if before == 2 != rank or (owner is not None and rank < before):
                return False
            above = rank > before and (owner is not None or before == 2)
            if not above and until <= (self.latest[name] if alone else expiration):
                return False
        for other in gone:
            del self.records[name, other]
        if not self.under(name):
            self.latest[name] = 0
        self.records[name, subkey] = (value, until, rank)
        self.latest[name] = max(self.latest[name], until)
        return True

    def _replaced(self, name: str, subkey: bytes) -> dict[bytes, tuple[bytes, float, int]]:
        under = self.under(name)
        if subkey == PLAIN or PLAIN in under:
            return under
        return {subkey: under[subkey]} if subkey in under else {}


class Machine(RuleBasedStateMachine):
    """Any order of stores, waits and looks."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept()
        self.model = Model()
        self.now = 0.0

    @rule(writer=writers, name=keys, value=values, subkey=subkeys, life=lives, cached=st.booleans())
    def store(
        self, writer: PeerId, name: str, value: bytes, subkey: bytes, life: int, cached: bool
    ) -> None:
        until = self.now + life
        self.model.expire(self.now)
        expected = self.model.store(
            writer, name, value, subkey, NOW + until, cached, NOW + self.now
        )
        assert self.kept.store(writer, name, value, subkey, until, cached) == expected

    @rule(seconds=st.integers(0, 60))
    def wait(self, seconds: int) -> None:
        self.kept.wait(seconds)
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.kept.storage.expire(NOW + self.now)
        self.model.expire(NOW + self.now)
        assert self.kept.storage.report()["records"] == len(self.model.records)

    @precondition(lambda self: self.model.records)
    @rule()
    def lose_the_clock(self) -> None:
        held, self.kept.utc = self.kept.utc, None
        assert self.kept.find("x") is None
        assert not self.kept.store(WRITERS[0], "x", life=self.now + 500)
        self.kept.utc = held

    @invariant()
    def what_is_found_is_what_is_there(self) -> None:
        self.model.expire(NOW + self.now)
        for name in KEYS:
            under = self.model.under(name)
            found = self.kept.find(name)
            if not under:
                assert found is None
                continue
            assert found is not None
            assert found.expiration == max(until for _, until, _ in under.values())
            if PLAIN in under:
                assert found.value == under[PLAIN][0]
            else:
                entries = dictionary.unpack(found.value)
                assert len(entries) == len(under)
                for subkey, value, until in entries:
                    assert under[subkey][:2] == (value, until)

    @invariant()
    def what_is_leased_is_what_is_there(self) -> None:
        report = self.kept.storage.report()
        assert self.kept.pool.used == report["bytes"]
        assert (report["bytes"] == 0) == (report["records"] == 0)
        assert report["records"] == report["owned"] + report["free"] + report["cached"]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(3))
def test_what_hivemind_stores_and_finds_is_stored_and_found(seed: int) -> None:
    """Byte for byte. Two faults of TimedStorage in 1.1.12 are left out. A store that it refuses
    makes what is there expire when that would have, so the clock stands. Subkeys of different types
    that expire at once end in an error, so all are text.
    """
    chance = random.Random(seed)
    steps = [
        (
            key(chance.choice(KEYS)),
            chance.choice([PLAIN, *[packed.dumps(each) for each in ("a", "b", "c" * 50)]]),
            chance.randbytes(chance.choice([1, 20, 300])),
            NOW + chance.choice([5, 6, 7, 50.5, chance.randrange(1, 300)]),
        )
        for _ in range(200)
    ]
    asked = [(k.hex(), s.hex(), v.hex(), until) for k, s, v, until in steps]
    theirs = reference.ask(stored=[NOW, asked])["stored"]
    kept = Kept(permissive=True)
    ours = []
    for name, subkey, value, until in steps:
        done = kept.storage.store(name, subkey, value, until, False, WRITERS[0])
        found = kept.storage.find(name)
        assert found is not None
        ours.append([done, [found.kind, found.value.hex(), found.expiration]])
    assert ours == theirs


@pytest.mark.parametrize("seed", range(4))
def test_however_little_memory_there_is_the_accounts_are_right(seed: int) -> None:
    """Stores of all kinds in a pool that is soon full, whose ceiling goes up and down."""
    chance = random.Random(seed)
    kept = Kept()
    kept.pool._share = 200 * KIB / kept.pool._budget.available
    crowd = [peer(number) for number in range(40)]
    for step in range(3000):
        writer = chance.choice(crowd)
        about = chance.choice(crowd)
        subkey = chance.choice([PLAIN, named(about), named(writer), packed.dumps(step % 50)])
        value = b"%d" % chance.randrange(400) * chance.choice([1, 100, 400])
        cached = chance.random() < 0.3
        life = step / 10 + chance.randrange(1, 100)
        kept.store(writer, f"{chance.randrange(60)}", value, subkey, life, cached)
        kept.wait(0.1)
        assert kept.pool.used == kept.storage.report()["bytes"]
        if chance.random() < 0.01:
            kept.pool._share = chance.choice([50, 200, 400]) * KIB / kept.pool._budget.available
    assert kept.storage.evicted
    assert kept.refusals("full")
    kept.wait(1000)
    kept.storage.expire(NOW + 10000)
    assert kept.pool.used == 0

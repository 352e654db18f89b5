"""What is kept for others: which record replaces which, until when, and what gives way."""

from __future__ import annotations

import pytest

from edge.dht import storage
from edge.dht.records import MAX_OTHERS, MAX_OWNED
from edge.dht.storage import (
    FOUND_DICTIONARY,
    FOUND_REGULAR,
    MAX_LIFE,
    MAX_RECORDS,
    MAX_VALUE,
    WHOLE,
)
from edge.dht.validation import PLAIN
from edge.units import KIB, MIB
from edge.wire import dictionary, packed
from tests.dht.peers import NOW, Kept, named, peer

A, B, C = (peer(number) for number in range(3))
SUB, OTHER = packed.dumps("sub"), packed.dumps("other")


# --- hivemind's rules ---


def test_a_plain_value_is_found_as_it_was_stored() -> None:
    kept = Kept()
    assert kept.find("x") is None
    assert kept.store(A, "x", b"\xc7\x01\x7fz", life=9.5)
    found = kept.find("x")
    assert found is not None
    assert (found.kind, found.value, found.expiration) == (
        FOUND_REGULAR,
        b"\xc7\x01\x7fz",
        NOW + 9.5,
    )


@pytest.mark.parametrize("subkey", [PLAIN, SUB])
def test_only_what_expires_strictly_later_replaces(subkey: bytes) -> None:
    kept = Kept()
    assert kept.store(A, "x", b"\x01", subkey, life=10)
    assert not kept.store(B, "x", b"\x02", subkey, life=10)
    assert not kept.store(B, "x", b"\x02", subkey, life=9)
    assert kept.refusals("not-later") == 2
    assert kept.store(B, "x", b"\x03", subkey, life=10.5)
    assert b"\x03" in (kept.plain("x") or b"")


def test_a_dictionary_has_each_subkey_with_its_own_expiration() -> None:
    kept = Kept()
    assert kept.store(A, "x", b"\x01", SUB, life=20)
    assert kept.store(B, "x", b"\x02", OTHER, life=10)
    found = kept.find("x")
    assert found is not None
    assert (found.kind, found.expiration) == (FOUND_DICTIONARY, NOW + 20)
    assert dictionary.unpack(found.value) == [
        (SUB, b"\x01", NOW + 20),
        (OTHER, b"\x02", NOW + 10),
    ]
    kept.wait(10)
    assert kept.subkeys("x") == {SUB: b"\x01"}


def test_a_plain_value_replaces_a_dictionary_when_it_expires_later_than_all_in_it() -> None:
    kept = Kept()
    kept.store(A, "x", b"\x01", SUB, life=10)
    kept.store(A, "x", b"\x02", OTHER, life=20)
    assert not kept.store(B, "x", b"\x03", life=20)
    assert kept.store(B, "x", b"\x03", life=21)
    assert kept.plain("x") == b"\x03"
    assert kept.storage.report()["records"] == 1


def test_a_subkey_replaces_a_plain_value_that_expires_sooner() -> None:
    kept = Kept()
    kept.store(A, "x", b"\x01", life=10)
    assert not kept.store(B, "x", b"\x02", SUB, life=10)
    assert kept.store(B, "x", b"\x02", SUB, life=11)
    assert kept.subkeys("x") == {SUB: b"\x02"}


def test_a_whole_dictionary_is_stored_entry_by_entry() -> None:
    kept = Kept()
    kept.store(A, "x", b"\x01", SUB, life=20)
    entries = [(SUB, b"\x02", NOW + 10), (OTHER, b"\x03", NOW + 10)]
    assert not kept.store(B, "x", dictionary.pack(entries, NOW + 10), WHOLE)  # one is older
    assert kept.subkeys("x") == {SUB: b"\x01", OTHER: b"\x03"}
    found = kept.find("x")
    assert found is not None
    assert kept.store(B, "y", found.value, WHOLE)
    assert kept.subkeys("y") == kept.subkeys("x")


def test_values_are_not_interpreted() -> None:
    kept = Kept()
    for number, value in enumerate((b"", b"\xc1", b"\xd4\x13\x00", b"\xff" * 700)):
        assert kept.store(A, "x", value, packed.dumps(number))
    assert list(kept.subkeys("x").values()) == [b"", b"\xc1", b"\xd4\x13\x00", b"\xff" * 700]


def test_a_subkey_is_the_same_in_every_encoding() -> None:
    """For a reader it is: hivemind's decodes it."""
    kept = Kept()
    assert kept.store(A, "x", b"\x01", b"\xd9\x03sub", life=10)
    assert kept.store(A, "x", b"\x02", b"\xdb\0\0\0\x03sub", life=11)
    assert kept.store(A, "x", b"\x03", b"\xc7\x03\x40\x92\x01\x02", life=12)  # hivemind's tuple
    assert kept.subkeys("x") == {SUB: b"\x02", b"\xc7\x03\x40\x92\x01\x02": b"\x03"}


@pytest.mark.parametrize(
    "subkey", [b"\x91\x01", b"\x80", b"\xa2a", b"\xa1ab", b"\xc1", b"\xa1\xff", b"\x92" * 400]
)
def test_a_subkey_that_no_dictionary_can_have_is_malformed(subkey: bytes) -> None:
    kept = Kept()
    assert not kept.store(A, "x", b"\x01", subkey)
    assert kept.storage.refusals == {"malformed": 1}


def test_what_is_no_dictionary_is_malformed() -> None:
    kept = Kept()
    whole = dictionary.pack([(PLAIN, b"\x01", NOW + 9)], NOW + 9)
    for value in (b"", b"\x01", b"\xd4\x50\x90", whole):
        assert not kept.store(A, "x", value, WHOLE)
    assert kept.storage.refusals == {"malformed": 4}
    assert not kept.storage.store(b"short", PLAIN, b"\x01", NOW + 9, False, A)
    assert kept.refusals("malformed") == 5


# --- time ---


def test_what_has_expired_is_neither_stored_nor_found() -> None:
    kept = Kept()
    assert not kept.store(A, "x", life=0)
    assert kept.store(A, "x", life=5)
    kept.wait(4.99)
    assert kept.find("x") is not None
    kept.wait(0.01)
    assert kept.find("x") is None
    assert kept.refusals("expired") == 1


@pytest.mark.parametrize("life", [float("nan"), float("-inf")])
def test_no_time_is_past(life: float) -> None:
    kept = Kept()
    assert not kept.store(A, "x", life=life)
    assert kept.refusals("expired") == 1


def test_no_record_blocks_its_key_for_long() -> None:
    kept = Kept()
    assert not kept.store(A, "x", life=MAX_LIFE + 1)
    assert not kept.store(A, "x", life=float("inf"))
    assert kept.store(A, "x", life=MAX_LIFE)
    assert kept.refusals("expires-too-late") == 2


def test_what_expires_is_let_go_of() -> None:
    kept = Kept()
    for number in range(100):
        assert kept.store(A, f"{number}", b"%d" % number, life=number + 1)
    for number in range(50):  # written again, they live on
        assert kept.store(A, f"{number}", b"%d" % number, life=200)
    kept.wait(100)
    kept.storage.expire(NOW + 100)
    report = kept.storage.report()
    assert (report["records"], report["expired"]) == (50, 50)
    kept.wait(100)
    kept.storage.expire(NOW + 200)
    assert kept.storage.report()["records"] == 0
    assert kept.pool.used == 0


def test_without_a_clock_nothing_is_stored_served_or_lost() -> None:
    kept = Kept()
    assert kept.store(A, "x", life=100)
    kept.utc = None
    assert not kept.store(A, "y")
    assert kept.refusals("no-clock") == 1
    assert kept.find("x") is None
    kept.utc = NOW + 50
    assert kept.plain("x") == b"\x01"


def test_a_clock_that_goes_back_revives_nothing() -> None:
    kept = Kept()
    assert kept.store(A, "short", life=10)
    assert kept.store(A, "long", life=7300)
    kept.wait(5)
    assert kept.utc is not None
    kept.utc -= 3600
    kept.wait(6)  # by the wall clock, there are 3599 s left
    assert kept.find("short") is None
    assert kept.find("long") is not None
    assert kept.store(B, "new", life=0)  # what expires by the clock of now is stored by it
    assert kept.find("new") is not None


def test_a_clock_that_goes_forward_is_believed() -> None:
    kept = Kept()
    assert kept.store(A, "x", life=100)
    assert kept.utc is not None
    kept.utc += 101
    assert kept.find("x") is None


def test_a_slewed_clock_is_followed() -> None:
    kept = Kept()
    kept.store(A, "x", life=100)
    for _ in range(500):
        kept.wait(0.01)
        assert kept.utc is not None
        kept.utc -= 0.005
        assert kept.find("x") is not None
    assert kept.utc is not None
    kept.utc = NOW + 99.9
    assert kept.find("x") is not None


# --- bounds ---


def test_sizes_are_bounded() -> None:
    kept = Kept()
    assert kept.store(A, "x", bytes(MAX_VALUE))
    assert not kept.store(A, "y", bytes(MAX_VALUE + 1))
    assert not kept.store(A, "y", b"\x01", packed.dumps("s" * storage.MAX_SUBKEY))
    assert not kept.store(A, "y", bytes(storage.MAX_DICTIONARY + 1), WHOLE)
    assert kept.refusals("too-large") == 3


def test_a_writer_has_so_many_records() -> None:
    kept = Kept()
    stored = [kept.store(A, f"{number}") for number in range(MAX_RECORDS + 5)]
    assert sum(stored) == MAX_RECORDS
    assert kept.refusals("writer-quota") == 5
    assert kept.store(A, "0", life=500)  # again, not more
    assert kept.store(B, "other")


def test_a_writer_has_so_much_of_the_memory() -> None:
    kept = Kept(8 * MIB)
    most = kept.pool.ceiling * storage.MAX_PART
    stored = [kept.store(A, f"{number}", bytes(60 * KIB)) for number in range(99)]
    assert 0.8 * most < sum(stored) * 60 * KIB < most
    assert kept.store(B, "x", bytes(60 * KIB))


def test_strangers_fill_a_part_of_a_dictionary_and_leave_that_of_owners() -> None:
    kept = Kept()
    for number in range(MAX_OTHERS + 5):
        kept.store(peer(number % 50), "x", b"\x01", packed.dumps(number))
    assert kept.refusals("key-full") == 5
    owners = [peer(number) for number in range(MAX_OWNED + 5)]
    assert sum(kept.store(owner, "x", b"\x02", named(owner)) for owner in owners) == MAX_OWNED
    assert kept.store(peer(0), "x", b"\x03", packed.dumps(0), life=500)
    assert len(kept.subkeys("x")) == MAX_OTHERS + MAX_OWNED


def test_under_a_full_key_who_has_most_gives_way_to_who_has_little() -> None:
    kept = Kept()
    strangers = [peer(100 + number) for number in range(8)]
    for number in range(MAX_OTHERS):
        assert kept.store(strangers[number % 8], "_petals.models", b"j", packed.dumps(number))
    assert not kept.store(strangers[0], "_petals.models", b"j", packed.dumps("more"))
    assert not kept.store(A, "_petals.models", b"j", packed.dumps("copy"), cached=True)
    assert kept.store(A, "_petals.models", b"model", packed.dumps("new"))
    subkeys = kept.subkeys("_petals.models")
    assert len(subkeys) == MAX_OTHERS
    assert subkeys[packed.dumps("new")] == b"model"
    (gone,) = {packed.dumps(number) for number in range(MAX_OTHERS)} - subkeys.keys()
    assert gone in {packed.dumps(number) for number in range(8)}  # one that was written first


def test_an_entry_of_a_stranger_takes_a_part_of_what_there_is_for_them() -> None:
    kept = Kept()
    assert kept.store(A, "x", bytes(20 * KIB), SUB)
    assert not kept.store(A, "x", bytes(30 * KIB), OTHER)
    assert kept.refusals("key-full") == 1
    assert kept.store(B, "x", bytes(30 * KIB), named(B))


def test_a_packed_dictionary_fits_a_frame() -> None:
    kept = Kept(512 * MIB)
    for number in range(MAX_OWNED):
        kept.store(peer(number), "x", bytes([number % 256]) * 60000, named(peer(number)))
        kept.store(peer(number), "x", bytes([number % 256]) * 60000, packed.dumps(number))
    found = kept.find("x")
    assert found is not None
    assert 700 * KIB < len(found.value) <= storage.MAX_DICTIONARY


# --- memory ---


def test_equal_values_are_held_once() -> None:
    kept = Kept()
    value = b"v" * 600
    kept.store(A, "0", bytes(value))
    first = kept.pool.used
    for number in range(1, 32):
        kept.store(A, f"{number}", bytes(bytearray(value)))
    assert kept.storage.report()["values"] == 1
    assert kept.pool.used < first + 31 * 400
    kept.store(A, "0", b"another", life=500)
    assert kept.storage.report()["values"] == 2
    assert kept.plain("1") == value


def test_all_that_was_leased_is_given_back() -> None:
    kept = Kept()
    for number in range(60):
        kept.store(peer(number % 7), f"{number % 20}", b"%d" % number, PLAIN, life=number + 1)
        kept.store(peer(number), f"d{number % 3}", bytes(number), named(peer(number)))
        kept.store(A, f"d{number % 5}", bytes(number), packed.dumps(number % 9), life=number + 2)
    assert kept.pool.used == kept.storage.report()["bytes"] > 0
    kept.wait(1000)
    kept.storage.expire(NOW + 1000)
    assert kept.pool.used == 0
    assert kept.storage.report()["writers"] == 0


def crowded() -> Kept:
    """A storage whose 1 MiB are nearly all taken by ten writers of free records."""
    kept = Kept(5 * MIB)
    kept.pool._share = MIB / kept.pool.ceiling
    for number in range(3000):
        kept.store(peer(100 + number % 10), f"junk {number}", (b"%d." % number).ljust(500))
    assert kept.refusals("full")
    return kept


def test_copies_for_caches_give_way_first() -> None:
    kept = Kept(5 * MIB)
    kept.pool._share = MIB / kept.pool.ceiling
    assert kept.store(A, "copy", bytes(500), cached=True)
    for number in range(3000):
        kept.store(peer(100 + number % 10), f"junk {number}", (b"%d." % number).ljust(500))
        if kept.storage.evicted == 1:
            break
    assert kept.find("copy") is None


def test_who_holds_most_gives_way_to_who_holds_little() -> None:
    kept = crowded()
    before = kept.storage.report()["records"]
    assert kept.store(A, "mine", b"m" * 500)
    assert not kept.store(peer(105), "one more", b"o" * 500)
    assert kept.plain("mine") == b"m" * 500
    assert kept.storage.report()["records"] >= before - 2


def test_copies_never_take_the_place_of_other_records() -> None:
    kept = crowded()
    kept.storage.evicted = 0
    for number in range(100):
        kept.store(A, f"copy {number}", bytes(500 + number), cached=True)
    assert kept.storage.evicted == 0


def test_owners_take_the_place_of_strangers_but_for_a_part() -> None:
    kept = crowded()
    for number in range(3000):
        kept.store(peer(number), f"{number}", (b"%d" % number).ljust(500), named(peer(number)))
    report = kept.storage.report()
    assert report["owned"] > 2 * report["free"]
    assert report["free"] * 500 > kept.pool.ceiling * storage.KEPT_FREE / 2


def test_no_number_of_names_pushes_out_a_live_owner() -> None:
    kept = Kept(5 * MIB)
    kept.pool._share = MIB / kept.pool.ceiling
    assert kept.store(A, "x", b"alive", named(A))
    for number in range(3000):
        sybil = peer(100 + number)
        kept.store(sybil, "x", (b"%d" % number).ljust(500), named(sybil))
        kept.store(sybil, f"{number}", (b"=%d" % number).ljust(500), named(sybil))
    assert kept.refusals("full")
    assert kept.subkeys("x")[named(A)] == b"alive"
    assert kept.store(A, "x", b"still", named(A), life=500)  # takes no more than it had
    assert kept.subkeys("x")[named(A)] == b"still"


def test_a_flood_of_junk_changes_nothing_for_others() -> None:
    """Blocks of eight nodes, a model's name, and then a hundred strangers who try everything."""
    kept = Kept(6 * MIB)
    kept.pool._share = 2 * MIB / kept.pool.ceiling
    owners = [peer(number) for number in range(8)]

    def announce(life: float) -> None:
        for owner in owners:
            for block in range(32):
                assert kept.store(owner, f"m.{block}", str(owner).encode() * 9, named(owner), life)
        assert kept.store(owners[0], "_petals.models", b"\x80", packed.dumps("m"), life)

    announce(360)
    names = ["_petals.models", *[f"m.{block}" for block in range(32)]]
    before = {name: kept.subkeys(name) for name in names}
    strangers = [peer(1000 + number) for number in range(100)]
    for number in range(60):
        for stranger in strangers:
            junk = b"%d" % number * 100 + stranger.bytes
            kept.store(stranger, f"m.{number % 32}", junk, named(owners[number % 8]), 900)
            kept.store(stranger, f"m.{number % 32}", junk, named(owners[number % 8]), 900, True)
            kept.store(stranger, f"m.{number % 32}", junk, PLAIN, 900)
            kept.store(stranger, f"junk {number}", junk, packed.dumps(junk[:30]), 900)
            kept.store(stranger, f"own {number}", junk, named(stranger), 900)
            kept.store(stranger, "_petals.models", b"\x80", packed.dumps(junk[:30].hex()), 900)
    assert {name: {k: kept.subkeys(name)[k] for k in before[name]} for name in names} == before
    assert kept.store(A, "_petals.models", b"\x81", packed.dumps("a model that is new"), 900)
    kept.wait(300)
    announce(660)


def test_a_lease_that_never_fits_is_refused_and_changes_nothing() -> None:
    kept = crowded()
    assert kept.store(A, "mine", b"m" * 500)
    found = kept.plain("mine")
    kept.storage._pool._share = 0.0
    assert not kept.store(A, "mine", b"n" * 60000, life=500)
    assert kept.plain("mine") in {None, found}
    assert kept.pool.used == kept.storage.report()["bytes"]

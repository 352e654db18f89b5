"""RFC 1035 as edge.wire.dns reads and writes it."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import dns
from edge.wire.errors import AddressError, RemoteProtocolError

NAME = "_dnsaddr.a.test"
ASKED = dns.query(0x1234, NAME)
QUESTION = b"\x08_dnsaddr\x01a\x04test\x00\x00\x10\x00\x01"


def answer(records: bytes = b"", count: int = 0, flags: int = 0x8180, ident: int = 0x1234) -> bytes:
    return struct.pack(">6H", ident, flags, 1, count, 0, 0) + QUESTION + records


def record(data: bytes, kind: int = 16, name: bytes = b"\xc0\x0c", group: int = 1) -> bytes:
    return name + struct.pack(">HHIH", kind, group, 60, len(data)) + data


def test_query() -> None:
    header, edns = (
        bytes.fromhex("123401000001000000000001"),
        bytes.fromhex("00002904d0000000000000"),
    )
    assert dns.query(0x1234, NAME) == header + QUESTION + edns


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, ".".join(["x" * 63] * 4), "\xfc.test"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(AddressError, match="not a DNS name"):
        dns.query(1, name)


def test_the_longest_name() -> None:
    name = ".".join(["x" * 63] * 3 + ["x" * 61])
    assert len(name) == 253
    assert len(dns.query(1, name)) == 12 + 255 + 4 + 11


def test_strings_of_a_record_are_joined_and_other_records_passed_over() -> None:
    records = (
        record(b"\x01b\x04test\x00", kind=5)  # an alias
        + record(b"\x03abc\x00\x02de", name=b"\x01b\xc0\x16")
        + record(b"\x01x", group=3)
        + record(b"\x7f\0\0\x01", kind=1)
        + record(b"")
    )
    assert dns.texts(ASKED, answer(records, 5)) == [b"abcde", b""]


def test_no_such_name_is_no_record() -> None:
    assert dns.texts(ASKED, answer(flags=0x8183)) == []


def test_case_of_the_name_is_the_servers() -> None:
    assert dns.texts(ASKED, answer(record(b"\x01x"), 1).replace(b"test", b"tEsT")) == [b"x"]


@pytest.mark.parametrize(
    "data",
    [
        answer(ident=0x1235),
        answer(flags=0x0100),  # a query
        answer(flags=0x8980),  # another opcode
        answer().replace(b"test", b"best"),
        answer().replace(b"\x00\x10\x00\x01", b"\x00\x01\x00\x01"),
        answer()[:-1],
        answer()[:12],
        b"",
        struct.pack(">6H", 0x1234, 0x8180, 0, 0, 0, 0),
        struct.pack(">6H", 0x1234, 0x8180, 2, 0, 0, 0) + QUESTION * 2,
    ],
)
def test_answers_to_other_questions(data: bytes) -> None:
    assert not dns.is_answer(ASKED, data)
    with pytest.raises(RemoteProtocolError, match="another question"):
        dns.texts(ASKED, data)


@pytest.mark.parametrize("code", [1, 2, 4, 5])
def test_a_server_that_cannot(code: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"error {code}"):
        dns.texts(ASKED, answer(flags=0x8180 | code))


@pytest.mark.parametrize(
    "records",
    [
        b"",  # fewer than announced
        record(b"\x01x")[:-1],
        record(b"\x02x"),  # a string longer than its record
        record(b"\x01x", name=b"\x40"),  # label types that do not exist
        record(b"\x01x", name=b"\x80\x0c"),
        record(b"\x01x", name=b"\x3f" + b"x" * 10),
        record(b"\x01x", name=(b"\x3f" + b"x" * 63) * 5 + b"\0"),
        b"\xc0",
    ],
)
def test_malformed_records(records: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="DNS answer"):
        dns.texts(ASKED, answer(records, 1))


@pytest.mark.parametrize("pointer", [0x0C, 0x22, 0x23, 0xFF])
def test_pointers_that_loop_or_lead_astray_are_not_followed(pointer: int) -> None:
    data = answer(record(b"\x01x", name=b"\xc0" + bytes([pointer])), 1)
    assert dns.texts(ASKED, data) == [b"x"]


def test_truncation() -> None:
    assert dns.is_truncated(answer(flags=0x8380))
    assert not dns.is_truncated(answer())


@given(st.lists(st.binary(max_size=400), max_size=8))
def test_what_a_server_encodes_is_read(values: list[bytes]) -> None:
    def strings(value: bytes) -> bytes:
        parts = [value[i : i + 255] for i in range(0, len(value), 255)]
        return b"".join(bytes([len(part)]) + part for part in parts)

    records = b"".join(record(strings(value)) for value in values)
    assert dns.texts(ASKED, answer(records, len(values))) == values


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_anything_behind_the_question(data: bytes, count: int) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert sum(map(len, dns.texts(ASKED, answer(data, count)))) <= len(data)


@given(st.data())
def test_a_good_answer_with_one_byte_changed(data: st.DataObject) -> None:
    good = bytearray(answer(record(b"\x03abc") + record(b"\x02de", name=b"\x01b\xc0\x16"), 2))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        assert len(dns.texts(ASKED, bytes(good))) <= 2

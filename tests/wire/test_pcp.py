"""PCP and NAT-PMP as edge.wire.pcp writes and reads them: bytes by the RFCs' figures."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import pcp
from edge.wire.errors import LocalProtocolError, RemoteProtocolError

NONCE = bytes(range(12))
CLIENT = bytes((192, 168, 7, 2))
OUTSIDE = bytes((9, 9, 9, 9))
WIDE = "00000000000000000000ffff"
MAPPED = bytes.fromhex(
    "02 81 00 00 00000e10 00000007 000000000000000000000000"
    "000102030405060708090a0b 06 000000 0fa1 1f41" + WIDE + "09090909"
)


def test_a_request_of_pcp() -> None:
    """RFC 6887 figures 2 and 9."""
    assert pcp.map_request(NONCE, CLIENT, 4001, 3600, 8001) == bytes.fromhex(
        "02 01 0000 00000e10" + WIDE + "c0a80702"
        "000102030405060708090a0b 06 000000 0fa1 1f41" + WIDE + "00000000"
    )


def test_a_nonce_has_its_length() -> None:
    with pytest.raises(LocalProtocolError):
        pcp.map_request(b"short", CLIENT, 1, 1)


def test_an_answer_of_pcp() -> None:
    """RFC 6887 figures 3 and 10; options behind it are skipped."""
    for data in (MAPPED, MAPPED + bytes(8)):
        answer = pcp.parse(data)
        assert (answer.version, answer.opcode, answer.result) == (pcp.PCP, pcp.MAP, pcp.OK)
        assert (answer.lifetime, answer.epoch, answer.nonce) == (3600, 7, NONCE)
        assert (answer.internal_port, answer.external_port) == (4001, 8001)
        assert answer.external_ip == OUTSIDE


def test_a_refusal_of_pcp_says_for_how_long() -> None:
    answer = pcp.parse(MAPPED[:3] + b"\x02" + MAPPED[4:])
    assert (answer.result, answer.meaning, answer.lifetime) == (2, "not authorized", 3600)
    assert answer.nonce == NONCE
    assert pcp.parse(MAPPED[:3] + b"\x63" + MAPPED[4:24]).meaning == "result 99"


def test_an_announcement() -> None:
    answer = pcp.parse(bytes.fromhex("02800000 00000000 00000003") + bytes(12))
    assert (answer.opcode, answer.epoch) == (pcp.ANNOUNCE, 3)


def test_requests_of_nat_pmp() -> None:
    """RFC 6886 sections 3.2 and 3.3."""
    assert pcp.address_request() == b"\0\0"
    assert pcp.map_tcp_request(4001, 3600, 8001) == bytes.fromhex("00020000 0fa1 1f41 00000e10")


def test_answers_of_nat_pmp() -> None:
    address = pcp.parse(bytes.fromhex("00800000 00000007 09090909"))
    assert (address.opcode, address.epoch) == (pcp.ADDRESS, 7)
    assert address.external_ip == OUTSIDE
    mapped = pcp.parse(bytes.fromhex("00820000 00000007 0fa1 1f41 00000e10"))
    assert (mapped.opcode, mapped.internal_port, mapped.external_port) == (2, 4001, 8001)
    assert mapped.lifetime == 3600


def test_a_gateway_of_old_answers_pcp_in_its_own_version() -> None:
    """RFC 6887 appendix A."""
    answer = pcp.parse(bytes.fromhex("00810001 00000007"))
    assert (answer.version, answer.result) == (pcp.NAT_PMP, pcp.UNSUPP_VERSION)
    assert pcp.parse(bytes.fromhex("00820004 00000007")).meaning == "no resources"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        MAPPED[:59],
        MAPPED[:24],
        MAPPED[:23],
        MAPPED + b"\0",
        MAPPED + bytes(1044),
        b"\x02\x01" + MAPPED[2:],  # a request
        b"\x03" + MAPPED[1:],
        MAPPED[:36] + b"\x11" + MAPPED[37:],  # of UDP
        bytes.fromhex("0080000000000007"),
        bytes.fromhex("00820000000000070fa11f41"),
        bytes.fromhex("00810000000000070fa11f4100000e10"),  # of UDP
        bytes.fromhex("00800000"),
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        pcp.parse(data)


@given(st.binary(max_size=1200))
def test_any_datagram_is_an_answer_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        answer = pcp.parse(data)
        assert answer.version in (pcp.PCP, pcp.NAT_PMP)
        assert len(answer.external_ip) in (0, 4, 16)


@pytest.mark.parametrize(
    ("epoch", "now", "restarted"),
    [
        (1100, 200.0, False),  # both a hundred seconds later
        (1093, 200.0, False),  # a clock that goes wrong by a sixteenth
        (1108, 200.0, False),
        (1090, 200.0, True),
        (1110, 200.0, True),
        (999, 100.0, False),  # answers that have overtaken each other
        (998, 100.0, True),
        (3, 200.0, True),
    ],
)
def test_the_clock_of_a_gateway_that_has_restarted(epoch: int, now: float, restarted: bool) -> None:
    clock = pcp.Epoch()
    assert not clock.restarted(epoch, now)  # nothing is known yet
    clock.heard(1000, 100.0)
    assert clock.restarted(epoch, now) is restarted

"""SSDP as edge.wire.ssdp asks and reads it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import ssdp
from edge.wire.errors import RemoteProtocolError

URL = "http://192.168.7.1:5000/rootDesc.xml"


def answer(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode("latin-1")


def test_a_search() -> None:
    assert ssdp.search() == (
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
        b'MAN: "ssdp:discover"\r\nMX: 1\r\n'
        b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
    )


def test_an_answer_has_a_location_whatever_its_case() -> None:
    assert ssdp.location(answer("ST: x", f"Location:{URL}  ")) == URL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        answer(),
        answer("LOCATION:"),
        answer("LOCATION: https://192.168.7.1/"),
        answer("LOCATION: http:///x"),
        answer("LOCATION: http://192.168.7.1@5.1.1.1/"),
        answer("LOCATION: http://192.168.7.1/\x7f"),
        answer("LOCATION: http://192.168.7.1/ x"),
        answer("LOCATION: http://192.168.7.1/" + "x" * 256),
        answer(f"LOCATION: {URL}").replace(b"200", b"404"),
        answer(f"LOCATION: {URL}", "X: " + "x" * ssdp.MAX_ANSWER),
        b"NOTIFY * HTTP/1.1\r\nLOCATION: " + URL.encode(),
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        ssdp.location(data)


@pytest.mark.parametrize("url", [URL, "http://192.168.7.1", "http://192.168.7.1/a:b@c"])
def test_whose_url_it_is(url: str) -> None:
    assert ssdp.host(url) == "192.168.7.1"


@given(st.binary(max_size=300))
def test_any_datagram_leads_to_a_host_or_is_refused(data: bytes) -> None:
    for tail in (data, b"HTTP/1.1 200 OK\r\nLOCATION: http://" + data):
        with contextlib.suppress(RemoteProtocolError):
            assert ssdp.host(ssdp.location(tail))

"""Whose requests are answered: by the address, by a session, and never for another site's page."""

from __future__ import annotations

from pathlib import Path

import h11
import pytest

from edge.http.request import Request
from edge.page.access import Access, is_foreign
from edge.page.token import Token

HERE, LAN = "127.0.0.1", "192.168.1.7"


def request(
    path: str = "/",
    host: str = "localhost:9464",
    client: str = HERE,
    version: str = "1.1",
    **headers: str,
) -> Request:
    fields = [("Host", host), *[(name.replace("_", "-"), text) for name, text in headers.items()]]
    event = h11.Request(method="GET", target=path, headers=fields, http_version=version)
    return Request(event, (client, 50000))


@pytest.fixture
def access(tmp_path: Path) -> Access:
    made = Access(Token(str(tmp_path)), "kwaainet_x")
    made.configure([HERE], ())
    return made


def session(access: Access) -> str:
    """The cookie, as a browser sends it back."""
    return access.cookie()[1].partition(";")[0]


# --- without a token ---


@pytest.mark.parametrize(
    ("host", "client"),
    [
        *(("localhost", HERE), ("LOCALHOST:9464", HERE), ("127.0.0.1:9464", HERE)),
        *(("[::1]:9464", "::1"), ("127.8.8.8", "127.0.0.2"), ("localhost.", HERE)),
    ],
)
def test_this_machine_needs_none(access: Access, host: str, client: str) -> None:
    assert access.admits(request(host=host, client=client))


@pytest.mark.parametrize(
    ("host", "client"),
    [
        *(("localhost", LAN), ("localhost", "fd00::1"), ("192.168.1.1", HERE), ("", HERE)),
        *(("router.lan", HERE), ("127.0.0.1.evil.example", HERE), ("127.evil.example", HERE)),
        *(("[::1].evil.example", LAN), ("localhost", "::ffff:192.168.1.7")),
    ],
)
def test_anybody_else_does(access: Access, host: str, client: str) -> None:
    assert not access.admits(request(host=host, client=client))


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"]
)
def test_what_comes_through_a_proxy_does(access: Access, header: str) -> None:
    assert not access.admits(request(**{header: "127.0.0.1"}))


def test_so_does_what_asks_as_no_browser_does(access: Access) -> None:
    """nginx leaves no header, calls us 127.0.0.1, and speaks HTTP/1.0, unless told otherwise."""
    assert not access.admits(request(version="1.0"))


@pytest.mark.parametrize("hosts", [["0.0.0.0"], [HERE, "::"], [HERE, LAN], ["::1", "fd00::1"]])
def test_all_do_where_others_reach_it(access: Access, hosts: list[str]) -> None:
    access.configure(hosts, ())
    assert not access.admits(request())


def test_all_do_where_it_has_a_name(access: Access) -> None:
    """A name is for others: somebody has put a proxy before it."""
    access.configure([HERE], ["node.lan"])
    assert not access.admits(request())


# --- with one ---


def test_a_session_is_answered_wherever_it_comes_from(access: Access) -> None:
    access.configure(["0.0.0.0"], ())
    cookie = f"other=1; {session(access)}; more=2"
    assert access.admits(request(host="192.168.1.1", client=LAN, Cookie=cookie))
    for wrong in ("kwaainet_x=", "kwaainet_x=0", session(access)[:-1], session(access)[1:], ";;="):
        assert not access.admits(request(host="192.168.1.1", client=LAN, Cookie=wrong))


def test_the_cookie_is_kept_from_scripts_and_other_sites(access: Access) -> None:
    name, value = access.cookie()
    assert name == "Set-Cookie"
    words = value.split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(words)
    assert not [word for word in words if word.startswith(("Domain", "Path"))]


def test_wrong_ones_shut_nobody_out(access: Access, tmp_path: Path) -> None:
    """Who guesses may have the address of the owner: that of a proxy, or of a bridge."""
    access.configure(["0.0.0.0"], ())
    assert not any(access.is_right(f"{number:032x}") for number in range(1000))
    old = request(client=LAN, Cookie="kwaainet_x=00")
    assert not any(access.admits(old) for _ in range(1000))
    assert access.is_stale(old)
    assert not access.is_stale(request(client=LAN))
    assert access.is_right(Token(str(tmp_path)).text())
    assert access.admits(request(client=LAN, Cookie=session(access)))


# --- pages of other sites ---


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/events", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
        ("/events", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}),
        ("/events", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        ("/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        (
            "/",
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "iframe",
            },
        ),
        ("/", {"Origin": "http://evil.example"}),
        ("/", {"Origin": "null"}),
        ("/events", {"Origin": "http://localhost:80"}),
    ],
)
def test_pages_of_other_sites_are_foreign(path: str, headers: dict[str, str]) -> None:
    assert is_foreign(request(path, **headers))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}),
        (
            "/",
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
        ),
        ("/events", {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:9464"}),
        ("/events", {"Origin": "https://LOCALHOST:9464"}),
    ],
)
def test_our_own_and_who_follows_a_link_are_not(path: str, headers: dict[str, str]) -> None:
    assert not is_foreign(request(path, **headers))

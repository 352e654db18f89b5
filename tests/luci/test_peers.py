"""The peers in LuCI: sorted, searched, allowed and denied, and as many as a node may have."""

import pytest

from edge.config.kinds import MAX_ITEMS
from tests.counterparts.axe import assert_accessible
from tests.counterparts.chromium import Chromium, Page
from tests.layout import assert_fits
from tests.luci import hostile
from tests.luci.answers import (
    OTHER_ID,
    POLL,
    RELAY_ID,
    SCREENS,
    assert_nothing_held_since,
    held_nodes,
    peers,
)
from tests.luci.server import Luci

PEERS = ("kwaainet", "peers")
FIFTH = peers(5)["peers"][4]["peer_id"]  # it has most bytes, so its row is the first
ROW = ".kn-peers tbody tr:first-child"


@pytest.fixture(autouse=True)
def _node(luci: Luci) -> None:
    luci.answers[PEERS] = peers(5)


def _column(page: Page, number: int) -> list[str]:
    return page.texts(f".kn-peers tbody td:nth-child({number})")


def _sorts(page: Page) -> list[str]:
    """The directions of the columns, by their titles."""
    return list(
        page.evaluate(
            "() => [...document.querySelectorAll('th[aria-sort]:not([aria-sort=none])')]"
            ".map((e) => `${e.innerText.trim()} ${e.getAttribute('aria-sort')}`)"
        )
    )


def test_what_each_peer_is_and_gets(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.until("p", "5 peers are connected.")
    assert page.texts(f"{ROW} td")[:8] == [
        f"\u2026{FIFTH[-8:]}",
        "go-libp2p/0.38.4",
        "203.0.113.4:4005",
        "4 min",
        "14 ms",
        "4",
        "4.0\u00a0MiB from, 3.9\u00a0KiB to it",
        "2\u00d7 target not reserved here; 7\u00d7 no circuit free",
    ]
    assert _column(page, 3)[1] == f"through relay \u2026{RELAY_ID[-8:]}"
    assert _column(page, 2)[-1] == "not said yet"
    assert page.attribute(f"{ROW} td", "title") == FIFTH


def test_columns_sort_by_mouse_and_by_keyboard(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    assert _sorts(page) == ["Relayed descending"]
    page.click("th:nth-child(4) button")
    assert _sorts(page) == ["Age descending"]
    assert _column(page, 4) == ["4 min", "3 min", "2 min", "1 min", "0 s"]
    page.key("Enter")
    assert _sorts(page) == ["Age ascending"]
    assert _column(page, 4)[0] == "0 s"
    page.click("th button", "Agent")
    assert _sorts(page) == ["Agent ascending"]


def test_who_comes_and_goes_is_seen_in_the_order_of_then(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.evaluate("(row) => { document.querySelector(row).kept = true; }", ROW)
    answer = peers(7)
    answer["peers"] = answer["peers"][3:]
    luci.answers[PEERS] = answer | {"total": 4}
    page.evaluate(POLL)
    assert [text[-1] for text in _column(page, 1)] == ["6", "5", "4", "3"]
    assert page.evaluate("() => document.querySelector('.kn-peers tr:nth-child(3)').kept")


def test_no_row_moves_under_somebody_who_is_about_to_click(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.click(f"{ROW} td")
    luci.answers[PEERS] = peers(6)
    page.evaluate(POLL)
    assert [text[-1] for text in _column(page, 1)] == ["4", "3", "2", "1", "0", "5"]
    page.click("h2")
    page.evaluate(POLL)
    assert [text[-1] for text in _column(page, 1)] == ["5", "4", "3", "2", "1", "0"]


def test_peers_are_found_by_any_of_their_texts(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    for text, found in ((FIFTH, 1), ("0.38.2", 1), ("203.0.113.", 4), ("no circuit", 1), ("?", 0)):
        page.type(".kn-filter input", text)
        assert page.count(".kn-peers tbody tr") == found, text
    page.until("p", "0 of 5 connected peers are shown.")


def test_one_click_allows_denies_and_undoes(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.click(f"{ROW} button", "Allow")
    page.until(f"{ROW} button[aria-pressed='true']", "Allowed")
    assert f"\tlist allow_peers '{FIFTH}'\n" in luci.config

    page.click(f"{ROW} button", "Deny")
    page.until(f"{ROW} button[aria-pressed='true']", "Denied")
    assert f"\tlist deny_peers '{FIFTH}'\n" in luci.config
    assert "list allow_peers" not in luci.config
    page.until(".kn-listed li", f"Denied {FIFTH}")

    luci.answers[PEERS] = {"state": "running", "total": 0, "peers": []}  # it was cut off
    page.evaluate(POLL)
    page.click(".kn-listed button", "Remove")
    page.until("p", "No peer is allowed or denied")
    assert "deny_peers" not in luci.config


def test_a_list_takes_no_more_than_the_node_does(page: Page, luci: Luci) -> None:
    denied = f"\tlist deny_peers '{OTHER_ID}'\n" * MAX_ITEMS
    luci.configure(f"config relay 'relay'\n{denied}")
    before = luci.config
    luci.open(page, "peers")
    page.click(f"{ROW} button", "Deny")
    page.until(".alert-message", "The list is full: it takes 64 peers.")
    assert luci.config == before


def test_what_is_listed_is_known_at_once_and_kept(page: Page, luci: Luci) -> None:
    other = peers(9)["peers"][8]["peer_id"]
    allowed = f"config relay 'relay'\n\tlist allow_peers '{FIFTH}'\n\tlist allow_peers '{other}'\n"
    luci.configure(luci.config.replace("config relay 'relay'\n", allowed))
    luci.open(page, "peers")
    page.until(f"{ROW} button[aria-pressed='true']", "Allowed")
    assert page.count(".kn-listed li") == 2
    page.click(f"{ROW} button", "Allowed")
    page.until(f"{ROW} button[aria-pressed='false']", "Allow")
    assert FIFTH not in luci.config
    assert f"\tlist allow_peers '{other}'\n" in luci.config


def test_clicks_one_after_the_other_are_all_kept(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.evaluate(
        "() => document.querySelectorAll('.kn-peers tbody button:first-child')"
        ".forEach((button) => button.click())"
    )
    page.wait("() => document.querySelectorAll('.kn-listed li').length === 5")
    assert luci.config.count("list allow_peers") == 5


def test_without_a_section_for_the_relay_one_is_made(page: Page, luci: Luci) -> None:
    luci.configure("config kwaainet 'main'\n\toption enabled '1'\n")
    luci.open(page, "peers")
    page.click(f"{ROW} button", "Deny")
    page.until(f"{ROW} button", "Denied")
    assert f"config relay 'relay'\n\tlist deny_peers '{FIFTH}'\n" in luci.config


def test_who_may_not_write_only_reads(page: Page, luci: Luci) -> None:
    luci.open(page, "peers", "reader")
    page.until(".kn-peers", "go-libp2p")
    assert page.count(".kn-peers tbody button") == 0
    page.evaluate(POLL)
    assert page.count(".alert-message") == 0


@pytest.mark.parametrize("state", ["stopped", "hung"])
def test_without_a_node_there_is_a_word(page: Page, luci: Luci, state: str) -> None:
    luci.answers[PEERS] = {"state": state}
    luci.open(page, "peers")
    page.until("p", "The node does not run or does not answer")


def test_a_thousand_peers_are_of_use(page: Page, luci: Luci) -> None:
    luci.answers[PEERS] = peers(1024)
    luci.open(page, "peers")
    page.until("p", "50 of 1024 connected peers are shown.")
    page.click("button", "Show more")
    assert page.count(".kn-peers tbody tr") == 100
    page.type(".kn-filter input", peers(1024)["peers"][0]["peer_id"])
    assert page.count(".kn-peers tbody tr") == 1


def test_ten_minutes_of_polls_leave_nothing_behind(page: Page, luci: Luci) -> None:
    luci.open(page, "peers")
    page.evaluate("() => L.Poll.stop()")
    page.evaluate(POLL)
    before = held_nodes(page)
    for number in range(120):
        answer = peers(5 + number % 40)
        answer["peers"] = answer["peers"][number % 3 :]
        luci.answers[PEERS] = answer if number < 119 else peers(5)
        page.evaluate(POLL)
    assert_nothing_held_since(page, before)


def test_hostile_ids_are_only_listed(page: Page, luci: Luci) -> None:
    luci.answers[PEERS] = hostile.peers()
    luci.open(page, "peers")
    page.click(f"{ROW} button", "Deny")
    page.until(".kn-listed li", "Denied")
    hostile.assert_harmless(page)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_it_fits_and_keeps_nobody_out(
    chromium: Chromium, luci: Luci, screen: str, dark: bool
) -> None:
    with chromium.page(SCREENS[screen], dark=dark) as page:
        luci.open(page, "peers")
        page.click(f"{ROW} button", "Allow")
        page.until(".kn-listed li")
        page.screenshot(f"luci-peers-{screen}{'-dark' if dark else ''}")
        assert_fits(page)
        assert_accessible(page)

"""The overview in LuCI: what the owner sees and is told in each state, and what the buttons do."""

import pytest

from tests.counterparts.axe import assert_accessible
from tests.counterparts.chromium import Chromium, Page
from tests.layout import assert_fits
from tests.luci import hostile
from tests.luci.answers import POLL, SCREENS, assert_nothing_held_since, held_nodes, overview
from tests.luci.nodes import running
from tests.luci.server import Luci

OVERVIEW, CHECK, SERVICE = (("kwaainet", method) for method in ("overview", "check", "service"))


@pytest.fixture(autouse=True)
def _node(luci: Luci) -> None:
    """Runs, and its configuration is right."""
    luci.answers[OVERVIEW] = overview()
    luci.answers[CHECK] = {"state": "running", "ok": True}


def _fact(page: Page, title: str) -> str:
    """What stands beside the title."""
    asked = """(title) => { const found = [...document.querySelectorAll('.kn-facts dt')]
        .find((e) => e.innerText === title); return found && found.nextSibling.innerText; }"""
    return str(page.evaluate(asked, title))


def _meter(page: Page, name: str) -> str | None:
    return page.attribute(f"[role='meter'][aria-label='{name}']", "title")


def test_what_the_node_does_and_why(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    assert page.text(".kn-state") == "Running relays for others"
    assert _fact(page, "Mode") == "Relay: fit for light, but this version relays only"
    assert _fact(page, "Tier").startswith("2 of 3, fit for light\nIt has 2 cores and 512 MB")
    assert _fact(page, "Now") == "takes new work, at most 128\u00a0KiB/s"
    assert _fact(page, "Refused") == "3 connections, 41 requests to relay"
    assert _fact(page, "Running for") == "1 d 3 h, version 0.1.0"


def test_what_it_takes_and_gives(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    assert _meter(page, "Reservations") == "16 / 64 (25\u00a0%)"
    assert _meter(page, "Circuits") == "5 / 64 (8\u00a0%)"
    assert _meter(page, "Memory") == "14.0\u00a0MiB / 24.0\u00a0MiB (58\u00a0%)"
    assert _meter(page, "Disk of the cache") == "3.0\u00a0GiB / 20.0\u00a0GiB (15\u00a0%)"
    page.until("p", "The cache saved 11.0\u00a0GiB of the line")
    page.until("p", "Full 8 h 0 min, Relay 14 h 0 min, Paused 2 h 0 min")
    assert page.evaluate("() => document.querySelectorAll('.kn-band rect').length") == 4
    assert page.evaluate("() => document.querySelectorAll('.kn-days rect').length") == 3 * 14
    page.click("summary", "Figures")
    assert page.texts(".kn details tbody tr")[1].split("\t") == [
        *("2026-11-18", "2.0\u00a0GiB", "1.0\u00a0GiB", "512\u00a0MiB")
    ]


def test_pictures_are_told_in_words(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    told = page.evaluate(
        "() => [...document.querySelectorAll('svg[role=img] > title')].map((e) => e.textContent)"
    )
    assert told[0].startswith("Modes of the last 24 hours: Full 8 h")
    assert told[1].startswith("Relayed in the last 5 minutes: now ")
    assert told[3].startswith("2026-11-30: 4.0\u00a0GiB relayed, 2.0\u00a0GiB given")


def test_without_a_cache_a_tier_and_a_measured_line(page: Page, luci: Luci) -> None:
    answer = overview(line=None, samples={"step": 5, "down": [], "up": [], "line": []}, days=[])
    for key in ("cache", "tier", "fit", "why"):
        del answer[key]
    luci.answers[OVERVIEW] = answer
    luci.open(page, "overview")
    assert _fact(page, "Tier") == "not looked at"
    page.until("strong", "not measured")
    assert page.count("[aria-label='Disk of the cache']") == 0


@pytest.mark.parametrize(
    ("state", "told", "buttons"),
    [
        ("stopped", "Start it, or see in the log", ["Start"]),
        ("disabled", "Enable it to take part", ["Enable and start"]),
        ("starting", "up to a minute", ["Restart", "Stop"]),
        ("hung", "did not answer within 2 seconds", ["Restart", "Stop"]),
        ("something new", "The router did not answer", []),
    ],
)
def test_a_state_and_the_next_step(
    page: Page, luci: Luci, state: str, told: str, buttons: list[str]
) -> None:
    luci.answers[OVERVIEW] = {"state": state}
    luci.open(page, "overview")
    page.until(".kn > p", told)
    assert page.texts(".kn-buttons button") == buttons
    assert page.count(".kn-facts") == 0
    assert_accessible(page)


def test_a_refused_configuration_is_told_in_the_nodes_words(page: Page, luci: Luci) -> None:
    said = "/etc/config/kwaainet:9: node.memory_limit: got x; expected a size"
    luci.answers[CHECK] = {"state": "running", "ok": False, "error": said}
    luci.open(page, "overview")
    page.until(".alert-message", said)
    assert_accessible(page)


@pytest.mark.parametrize(
    ("reachable", "ports", "port", "told"),
    [
        ("public", "open", "0", "Reachable Peers reach this router from the internet."),
        ("public", "mapped", "0", "Reachable Peers reach this router through a port that"),
        ("private", "closed", "0", "Not reachable The firewall keeps TCP port 4002 closed"),
        ("private", "closed", "1", "Not reachable The port is open here, but another router"),
        ("unknown", "unknown", "0", "Not known yet The firewall keeps TCP port 4002 closed"),
        ("unknown", "unknown", "1", "Not known yet The port is open, and peers are finding out."),
    ],
)
def test_whether_peers_get_through_and_what_to_do(
    page: Page, luci: Luci, reachable: str, ports: str, port: str, told: str
) -> None:
    luci.configure(luci.config.replace("open_port '0'", f"open_port '{port}'"))
    luci.answers[OVERVIEW] = overview(reachable=reachable, ports=ports)
    luci.open(page, "overview")
    assert _fact(page, "From the internet").startswith(told)
    wanted = reachable != "public" and port == "0"
    assert page.count(".kn-facts button") == int(wanted)


def test_one_click_opens_the_port(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    page.click("button", "Open the port")
    page.until(".kn-facts", "The port is open, and peers are finding out")
    assert "option open_port '1'" in luci.config
    assert page.count("[data-indicator='uci-changes']") == 0


def test_a_port_that_another_browser_has_opened_is_no_error(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    luci.configure(luci.config.replace("open_port '0'", "open_port '1'"))
    page.click("button", "Open the port")
    page.until(".kn-facts", "The port is open, and peers are finding out")
    assert page.count(".alert-message") == 0


def test_a_port_is_open_whatever_the_section_is_called(page: Page, luci: Luci) -> None:
    luci.configure("config kwaainet\n\toption open_port '1'\n")
    luci.open(page, "overview")
    assert page.count(".kn-facts button") == 0


def test_a_change_waits_beside_those_of_other_pages(page: Page, luci: Luci) -> None:
    before = luci.config
    luci.uci.set("relay", {"rate": "1M"})
    luci.open(page, "overview")
    page.click("button", "Open the port")
    page.until(".alert-message", "Other changes wait too")
    page.until("[data-indicator='uci-changes']")
    assert luci.config == before


def test_who_is_cut_off_is_told_before(page: Page, luci: Luci) -> None:
    luci.answers[SERVICE] = {"state": "stopped", "ok": True}
    luci.open(page, "overview")
    page.click(".kn-buttons button", "Stop")
    page.until(".modal", "5 circuits are open and 16 peers hold reservations")
    page.click(".modal button", "Cancel")
    page.until_gone(".modal")
    assert SERVICE not in [call[:2] for call in luci.calls]

    page.click(".kn-buttons button", "Stop")
    page.until(".modal", "Stop the node?")
    luci.answers[OVERVIEW] = {"state": "stopped"}
    page.click(".modal button", "Stop")
    page.until(".kn-buttons button", "Start")
    assert ("kwaainet", "service", {"action": "stop"}) in luci.calls


def test_what_goes_wrong_is_told(page: Page, luci: Luci) -> None:
    luci.answers[OVERVIEW] = {"state": "stopped"}
    luci.answers[SERVICE] = {"state": "stopped", "ok": False, "error": "listen: port in use"}
    luci.open(page, "overview")
    for _ in range(3):
        page.click(".kn-buttons button", "Start")
        page.until(".alert-message", "listen: port in use")
    assert page.count(".alert-message") == 1


def test_a_disabled_service_is_enabled(page: Page, luci: Luci) -> None:
    luci.answers[OVERVIEW] = {"state": "disabled"}
    luci.answers[SERVICE] = {"state": "starting", "ok": True}
    luci.open(page, "overview")
    page.click("button", "Enable and start")
    luci.answers[OVERVIEW] = {"state": "starting"}
    page.until(".kn-state", "Starting")
    assert ("kwaainet", "service", {"action": "enable"}) in luci.calls


def test_a_real_node_is_enabled_seen_and_refused_a_wrong_value(page: Page, luci: Luci) -> None:
    """By the router's own backend, init script and node."""
    luci.answers.clear()
    luci.open(page, "overview")
    page.until(".kn-state", "Disabled")
    page.click("button", "Enable and start")
    page.until_gone(".kn-state", "Disabled")
    assert "option enabled '1'" in luci.config
    with running(luci):
        page.until(".kn-state", "Running relays for others")
        assert str(_meter(page, "Reservations")).startswith("0 / ")
        assert _fact(page, "Peer id").startswith("12D3KooW")
        luci.configure(luci.config + "\nconfig dht\n\toption enabled 'perhaps'\n")
        luci.open(page, "overview")
        page.until(".alert-message", "perhaps")


def test_who_may_not_write_has_no_buttons(page: Page, luci: Luci) -> None:
    luci.open(page, "overview", "reader")
    page.until(".kn-facts", "The firewall keeps")
    assert page.count(".kn button") == 0
    page.evaluate(POLL)
    assert page.count(".alert-message") == 0


def test_a_poll_is_one_call_and_none_while_nobody_looks(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    page.evaluate("() => L.Poll.stop()")
    before = len(luci.calls)
    page.evaluate(POLL)
    assert [call[:2] for call in luci.calls[before:]] == [OVERVIEW]
    page.evaluate("() => Object.defineProperty(document, 'hidden', {get: () => true})")
    page.evaluate(POLL)
    assert len(luci.calls) == before + 1


def test_ten_minutes_of_polls_leave_nothing_behind(page: Page, luci: Luci) -> None:
    luci.open(page, "overview")
    page.evaluate("() => L.Poll.stop()")
    page.evaluate(POLL)
    before = held_nodes(page)
    for number in range(120):
        luci.answers[OVERVIEW] = _later(number)
        page.evaluate(POLL)
    assert_nothing_held_since(page, before)


def test_a_hostile_error_is_only_told(page: Page, luci: Luci) -> None:
    text = " ".join(hostile.TEXTS)
    luci.answers[SERVICE] = {"state": "running", "ok": False, "error": text}
    luci.open(page, "overview")
    page.click(".kn-buttons button", "Restart")
    page.click(".modal button", "Restart")
    page.until(".alert-message", hostile.MARK)
    hostile.assert_harmless(page)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_it_fits_and_keeps_nobody_out(
    chromium: Chromium, luci: Luci, screen: str, dark: bool
) -> None:
    with chromium.page(SCREENS[screen], dark=dark) as page:
        luci.open(page, "overview")
        page.until(".kn-dates", "17")
        page.screenshot(f"luci-overview-{screen}{'-dark' if dark else ''}")
        assert_fits(page)
        assert_accessible(page)


def _later(number: int) -> dict[str, object]:
    """Answers that differ in what grows and shrinks."""
    answer = overview(uptime=100.0 + 5 * number, mode=("relay", "paused", "full")[number % 3])
    answer["day"] = answer["day"][: 1 + number % 4]
    answer["why"] = ["A reason."] * (1 + number % 2)
    answer["days"] = answer["days"][number % 5 :]
    answer["samples"]["down"] = [number * 1000] * (1 + number % 60)
    return answer if number < 119 else overview()

"""The log in LuCI: lines as they come, held, and sifted by level and text."""

import pytest

from tests.counterparts.axe import assert_accessible
from tests.counterparts.chromium import Chromium, Page
from tests.layout import assert_fits
from tests.luci.answers import POLL, SCREENS, assert_nothing_held_since, held_nodes, log_line
from tests.luci.server import Luci

LOG = ("kwaainet", "log")
LEVELS = ("debug", "info", "warning", "error")
AT_END = "() => { const e = document.querySelector('.kn-log');\
 return e.scrollHeight - e.scrollTop - e.clientHeight < 3; }"


@pytest.fixture(autouse=True)
def _node(luci: Luci) -> None:
    _say(luci, 0, 8)


def _say(luci: Luci, first: int, end: int) -> None:
    """Have the log hold the lines of these numbers."""
    lines = [log_line(i, LEVELS[i % 4], f"event-{i} peer=12D3KooW") for i in range(first, end)]
    luci.answers[LOG] = {"state": "running", "lines": lines}


def test_lines_have_a_time_a_level_and_a_text(page: Page, luci: Luci) -> None:
    luci.answers[LOG]["lines"] += [
        "Tue Dec  1 10:00:09 2026 daemon.err kwaainet: listen: no such address",
        "something else",
    ]
    luci.open(page, "log")
    shown = [line.split(maxsplit=4) for line in page.texts(".kn-log p")]
    assert shown[0] == ["Dec", "1", "10:00:00", "Debug", "event-0 peer=12D3KooW"]
    assert shown[3][3:] == ["Error", "event-3 peer=12D3KooW"]
    assert shown[8] == ["Dec", "1", "10:00:09", "Error", "listen: no such address"]
    assert page.texts(".kn-log p")[9].split(maxsplit=1) == ["Info", "something else"]
    assert ("kwaainet", "log", {"lines": 200}) in luci.calls


def test_lines_are_sifted_by_level_and_text(page: Page, luci: Luci) -> None:
    luci.open(page, "log")
    page.choose(".kn-filter select", "2")
    page.until("p", "4 of the last 8 lines.")
    page.type(".kn-filter input", "EVENT-3")
    page.until("p", "1 of the last 8 lines.")
    assert page.count(".kn-log p") == 1
    _say(luci, 2, 10)
    page.evaluate(POLL)
    assert page.count(".kn-log p") == 1


def test_new_lines_are_appended_and_old_ones_stay(page: Page, luci: Luci) -> None:
    luci.open(page, "log")
    page.evaluate("() => { document.querySelectorAll('.kn-log p')[5].kept = true; }")
    _say(luci, 3, 11)
    page.evaluate(POLL)
    assert page.texts(".kn-log p")[-1].endswith("event-10 peer=12D3KooW")
    assert page.evaluate("() => document.querySelectorAll('.kn-log p')[2].kept")


def test_it_follows_the_end_until_somebody_reads(page: Page, luci: Luci) -> None:
    _say(luci, 0, 150)
    luci.open(page, "log")
    page.wait(AT_END)
    _say(luci, 5, 155)
    page.evaluate(POLL)
    assert page.evaluate(AT_END)
    page.evaluate("() => { document.querySelector('.kn-log').scrollTop = 100; }")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    _say(luci, 10, 160)
    page.evaluate(POLL)
    assert not page.evaluate(AT_END)


def test_it_is_held_and_goes_on(page: Page, luci: Luci) -> None:
    luci.open(page, "log")
    page.click("button", "Pause")
    assert page.attribute(".kn-filter button", "aria-pressed") == "true"
    _say(luci, 4, 12)
    page.evaluate(POLL)
    assert "event-7" in page.texts(".kn-log p")[-1]
    page.click("button", "Go on")
    page.evaluate(POLL)
    assert "event-11" in page.texts(".kn-log p")[-1]


def test_an_empty_log_and_a_silent_router_are_told(page: Page, luci: Luci) -> None:
    luci.answers[LOG] = {"state": "disabled", "lines": []}
    luci.open(page, "log", "reader")
    page.until("p", "The log has no line of the node.")
    luci.answers[LOG] = {}
    page.evaluate(POLL)
    page.until("p", "The router did not answer.")


def test_ten_minutes_of_polls_leave_nothing_behind(page: Page, luci: Luci) -> None:
    _say(luci, 0, 200)
    luci.open(page, "log")
    page.evaluate("() => L.Poll.stop()")
    page.evaluate(POLL)
    before = held_nodes(page)
    for number in range(120):
        _say(luci, 7 * number, 7 * number + 200)
        page.evaluate(POLL)
    assert_nothing_held_since(page, before)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_it_fits_and_keeps_nobody_out(
    chromium: Chromium, luci: Luci, screen: str, dark: bool
) -> None:
    with chromium.page(SCREENS[screen], dark=dark) as page:
        luci.open(page, "log")
        page.until(".kn-log p")
        page.screenshot(f"luci-log-{screen}{'-dark' if dark else ''}")
        assert_fits(page)
        assert_accessible(page)

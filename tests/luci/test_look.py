"""Where the views of the LuCI app have what, on a desktop and on a phone; docs/images are of here.

`make screenshots` looks anew: at places (layouts/*.json) and pictures, both to be committed.
"""

from pathlib import Path

import pytest

from tests.counterparts.axe import assert_accessible
from tests.counterparts.chromium import DESKTOP, PHONE, Chromium, Page, Viewport
from tests.layout import assert_fits, assert_laid_out
from tests.luci.answers import log_line, overview, peers
from tests.luci.server import Luci

LAYOUTS = Path(__file__).parent / "layouts"
SCREENS = {"desktop": DESKTOP, "phone": PHONE}
EVENING = """
config schedule
	list days 'mon'
	list days 'tue'
	list days 'wed'
	list days 'thu'
	list days 'fri'
	option start '18:00'
	option end '23:00'
	option mode 'paused'
"""
SAID = (
    ("info", "connected peer=12D3KooWGzBnnLHeXbA4 remote=/ip4/203.0.113.7/tcp/4001"),
    ("info", "reserved peer=12D3KooWGzBnnLHeXbA4 held=16"),
    ("info", 'mode mode=relay reason="other traffic fills the line"'),
    ("warning", "refused peer=12D3KooWPjceQrSwdWXP why=resource_limit_exceeded"),
    ("info", "circuit peer=12D3KooWGzBnnLHeXbA4 from=12D3KooWD1qvkyE29h4U"),
    ("error", "hook qos.d/10-tc ended with 2"),
)
SHOWN = {
    "overview": {
        "state": ".kn-state",
        "buttons": ".kn-buttons",
        "facts": ".kn-facts",
        "day": ".kn-band",
        "traffic": ".kn-pair",
        "meter": ".kn-meter",
    },
    "settings": {
        "tabs": "#cbi-kwaainet .cbi-tabmenu",
        "week": "[role=grid]",
        "monday": "[data-cell='36']",
        "table": "#cbi-kwaainet-schedule .cbi-section-table",
        "save": ".cbi-button-save",
    },
    "peers": {
        "search": ".kn-filter input",
        "table": ".kn-peers",
        "peer": ".kn-peers tbody .tr",
        "allow": ".kn-toggle",
    },
    "log": {"filter": ".kn-filter", "lines": ".kn-log"},
}


def _show(page: Page, luci: Luci, view: str) -> None:
    luci.configure(f"{luci.config}\n{EVENING}")
    said = [log_line(i, *SAID[i % len(SAID)]) for i in range(40)]
    luci.answers["kwaainet", "overview"] = overview()
    luci.answers["kwaainet", "check"] = {"state": "running", "ok": True}
    luci.answers["kwaainet", "peers"] = peers(5)
    luci.answers["kwaainet", "log"] = {"state": "running", "lines": said}
    luci.open(page, view)
    if view == "settings":
        page.click("#cbi-kwaainet .cbi-tabmenu a", "Schedule")
    page.wait(
        "(s) => [...document.querySelectorAll(s)].length > 0", next(iter(SHOWN[view].values()))
    )


@pytest.mark.parametrize(("screen", "viewport"), SCREENS.items())
@pytest.mark.parametrize("view", SHOWN)
def test_each_thing_has_its_place(
    view: str, screen: str, viewport: Viewport, chromium: Chromium, luci: Luci
) -> None:
    with chromium.page(viewport) as page:
        _show(page, luci, view)
        page.screenshot(f"look-{view}-{screen}", whole=screen == "desktop")
        assert_laid_out(page, LAYOUTS / f"{view}-{screen}.json", SHOWN[view])
        assert_fits(page)
        assert_accessible(page)

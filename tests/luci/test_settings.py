"""The page "Settings": every option, what is saved as UCI text, and what is refused."""

import pytest

from edge.config import uci
from edge.config.errors import ConfigError
from edge.config.schema import SECTIONS, Schedule
from edge.config.uci import InitScript
from tests.counterparts.axe import assert_accessible
from tests.counterparts.chromium import CANARY, DESKTOP, PHONE, Chromium, Page, Viewport
from tests.luci.server import Luci

PEER = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
ADDRESS = f"/dns4/bootstrap.example.org/tcp/4001/p2p/{PEER}"
IMAGE = f"img src=x onerror={CANARY}()"
HOSTILE = f"<{IMAGE}>\"'>&lt;{IMAGE}&gt;</td><script>{CANARY}()</script>"
SHORT = "config kwaainet 'main'\n\toption enabled 'yes'\n"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def field(section: str, option: str) -> str:
    return f"[id='widget.cbid.kwaainet.{section}.{option}']"


def row(section: str, option: str) -> str:
    return f"[id='cbi-kwaainet-{section}-{option}']"


def turn(page: Page, title: str) -> None:
    """Open a tab of the page."""
    page.click("#view .cbi-tabmenu li", title)


def save(page: Page, luci: Luci) -> str:
    """Save and apply what is in the form; the text of the file."""
    page.click(".cbi-button-apply")
    page.until(".modal", "applied")
    uci.read(str(luci.uci.path))  # the node takes it
    return luci.config


def refused(page: Page, luci: Luci) -> str:
    """What is said when one tries to save."""
    calls = len(luci.calls)
    page.click(".cbi-button-save")
    said = page.text(".modal em")
    page.click(".modal button", "Dismiss")
    page.until_gone(".modal")
    page.take_error("invalid input value")
    assert not [call for call in luci.calls[calls:] if call[1] in ("add", "set", "delete")]
    return said


def by_the_node(luci: Luci, text: str) -> str:
    """What the node says of a file."""
    luci.uci.path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        uci.read(str(luci.uci.path))
    return str(caught.value)


# --- the form ---


def test_every_option_is_shown(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    shown = page.evaluate(
        "() => [...document.querySelectorAll('[data-field]')].map((e) => e.dataset.field)"
    )
    for section in (InitScript, *SECTIONS):
        name = "main" if section is InitScript else section.NAME
        for option in section.options():
            if not section.MANY:
                assert f"cbid.kwaainet.{name}.{option.name}" in shown


@pytest.mark.parametrize(
    ("tab", "section"),
    [("Schedule", "schedule"), ("Sleepers", "wake"), ("Peers", "peer"), ("Cache", "origin")],
)
def test_every_option_of_a_table_is_in_its_dialog(
    page: Page, luci: Luci, tab: str, section: str
) -> None:
    luci.open(page, "settings")
    turn(page, tab)
    page.click(f"#cbi-kwaainet-{section} .cbi-button-add")
    page.until(".modal [data-field]")
    shown = page.evaluate(
        "() => [...document.querySelectorAll('.modal [data-field]')].map((e) => e.dataset.field)"
    )
    cls = next(each for each in SECTIONS if section == each.NAME)
    names = [each.rpartition(".")[2] for each in shown]
    assert sorted(names) == sorted([option.name for option in cls.options()])


def test_what_matters_comes_first_and_has_its_default_in_grey(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    assert page.attribute(field("node", "memory_limit"), "placeholder") == "auto"
    assert page.attribute(field("node", "data_dir"), "placeholder") == "/etc/kwaainet/data"
    assert "restart of the node" in page.text(row("node", "listen"))
    assert page.count(field("node", "max_connections")) == 0
    turn(page, "Advanced Settings")
    page.until(field("node", "max_connections"))


# --- what is saved ---


def test_saving_an_untouched_form_changes_nothing(page: Page, luci: Luci) -> None:
    text = f"""
config kwaainet 'main'
\toption enabled 'yes'
\toption later 'x'

config node
\toption listen '/ip4/0.0.0.0/tcp/4001,/ip6/::/tcp/4001'
\toption memory_limit '25165824'
\toption mode 'auto'

config relay 'relay'

config cache 'files'
\toption gateway 'off'
\tlist gateway_names 'Nas.lan'

config schedule
\tlist days 'sun'
\tlist days 'mon'
\toption mode 'full'

config peer
\toption address '{ADDRESS}'

config elsewhere 'thing'
\toption what 'ever'
"""
    luci.configure(text)
    luci.open(page, "settings")
    page.click(".cbi-button-save")
    page.until_gone(".spinning")
    assert luci.uci.changed == []


def test_values_are_kept_as_they_are_written(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    page.click(f"{row('main', 'enabled')} input")
    page.type(field("node", "memory_limit"), "24M")
    page.choose(field("node", "network"), "kwaainet")
    page.type(field("node", "external_address"), "/dns/Relay.Example.org/tcp/4001")
    page.key("Enter")
    turn(page, "Advanced Settings")
    page.type(field("node", "idle_timeout"), "2h")
    text = save(page, luci)
    assert "\toption enabled '1'\n" in text
    assert "\toption memory_limit '24M'\n" in text
    assert "\toption network 'kwaainet'\n" in text
    assert "\tlist external_address '/dns/Relay.Example.org/tcp/4001'\n" in text
    assert "\toption idle_timeout '2h'\n" in text


def test_a_section_is_made_when_it_is_needed_and_goes_when_it_is_empty(
    page: Page, luci: Luci
) -> None:
    luci.configure(SHORT)
    luci.open(page, "settings")
    turn(page, "Advanced")
    page.type(field("tier", "memory"), "64M")
    text = save(page, luci)
    assert text.replace("\n\n", "\n").endswith("config tier 'tier'\n\toption memory '64M'\n")
    assert "config node" not in text
    luci.open(page, "settings")
    turn(page, "Advanced")
    page.type(field("tier", "memory"), "")
    assert "tier" not in save(page, luci)


def test_what_is_hidden_is_not_forgotten(page: Page, luci: Luci) -> None:
    luci.configure(
        SHORT + "config cache 'cache'\n\toption gateway '1'\n\tlist gateway_names 'nas.lan'\n"
    )
    luci.open(page, "settings")
    turn(page, "Cache")
    turn(page, "Advanced Settings")
    page.until(row("cache", "gateway_names"))
    turn(page, "General Settings")
    page.click(f"{row('cache', 'gateway')} input")
    turn(page, "Advanced Settings")
    page.until_gone(row("cache", "gateway_names"))
    text = save(page, luci)
    assert "\toption gateway '0'\n" in text
    assert "\tlist gateway_names 'nas.lan'\n" in text


def test_reset_forgets_what_was_not_saved(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    page.type(field("node", "memory_limit"), "24M")
    turn(page, "Schedule")
    page.drag("[data-cell='0']", "[data-cell='2']")
    page.until("#cbi-kwaainet-schedule td", "paused")
    page.click(".cbi-button-reset")
    page.until_gone("#cbi-kwaainet-schedule td", "paused")
    assert page.attribute(field("node", "memory_limit"), "value") == ""


# --- tables ---


def test_a_peer_is_added_in_a_dialog_and_the_form_keeps_its_values(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    page.type(field("node", "memory_limit"), "24M")
    turn(page, "Peers")
    page.click("#cbi-kwaainet-peer .cbi-button-add")
    page.type(".modal [data-name=address] input", ADDRESS)
    page.click(".modal button", "Save")
    page.until("#cbi-kwaainet-peer td", ADDRESS)
    assert page.attribute(field("node", "memory_limit"), "value") == "24M"
    text = save(page, luci)
    assert f"\nconfig peer\n\toption address '{ADDRESS}'\n" in text
    assert "\toption memory_limit '24M'\n" in text
    assert "config tier" not in text


def test_a_required_value_is_asked_for_in_the_nodes_words(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    turn(page, "Peers")
    page.click("#cbi-kwaainet-peer .cbi-button-add")
    page.click(".modal button", "Save")
    asked = page.wait(
        "() => document.querySelector('.modal .cbi-input-invalid')?.getAttribute('data-tooltip')"
    )
    assert by_the_node(luci, "config peer\n").endswith(f"[peer] address: {asked}")


def test_a_sleeper_is_chosen_from_the_leases(page: Page, luci: Luci) -> None:
    luci.answers["luci-rpc", "getNetworkDevices"] = {"br-lan": {}, "eth0": {}}
    luci.open(page, "settings")
    turn(page, "Sleepers")
    page.click("#cbi-kwaainet-wake .cbi-button-add")
    offered = """(name) => { const field = document.querySelector(`.modal [data-name=${name}]`);
        return [...field.querySelectorAll('option, li')].map((e) => e.label || e.textContent); }"""
    page.until(".modal [data-name=mac]")
    assert "nas (00:16:3E:12:34:56)" in page.evaluate(offered, "mac")
    assert "br-lan" in page.evaluate(offered, "interface")


# --- what is refused ---


@pytest.mark.parametrize(
    ("option", "value", "many"),
    [
        ("memory_limit", "24MB", False),
        ("memory_limit", "1M", False),
        ("external_address", "/ip4/127.0.0.1/tcp/4001", True),
        ("external_address", "/ip4/300.0.0.1/tcp/4001", True),
        ("external_address", "<b>", True),
    ],
)
def test_a_wrong_value_is_refused_in_the_nodes_words(
    page: Page, luci: Luci, option: str, value: str, many: bool
) -> None:
    luci.open(page, "settings")
    page.type(field("node", option), value)
    said = refused(page, luci)
    node = by_the_node(luci, f"config node\n\t{'list' if many else 'option'} {option} '{value}'\n")
    assert said.endswith(node.partition(f"{option}: ")[2])
    assert node.partition(f"{option}: ")[2]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("gateway", "option gateway 'perhaps'"),
        ("fragments", "option fragments 'perhaps'"),
        ("directory", "option directory '/mnt/my disk'"),
        ("hub", "option hub 'huggingface.co'"),
        ("allow_peers", "list allow_peers 'Qm'"),
    ],
)
def test_a_wrong_value_in_the_file_is_shown_and_refused(
    page: Page, luci: Luci, option: str, line: str
) -> None:
    others = "" if option == "gateway" else "\toption gateway '1'\n"
    text = f"{SHORT}config cache 'cache'\n{others}\t{line}\n"
    luci.configure(text)
    luci.open(page, "settings")
    said = refused(page, luci)
    assert said.endswith(by_the_node(luci, text).partition(f"{option}: ")[2])


# --- the week ---


def windows(luci: Luci) -> list[tuple[list[str], str, str, str]]:
    found = uci.read(str(luci.uci.path)).repeated.get(Schedule.NAME, [])
    return [
        tuple(each[name].value for name in ("days", "start", "end", "mode"))  # type: ignore[misc]
        for each in found
    ]


def cell(day: str, time: str) -> str:
    slot = int(time[:2]) * 2 + (time[3] == "3")
    return f"[data-cell='{WEEK.index(day) * 48 + slot}']"


def test_hours_are_painted_with_the_mouse(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    turn(page, "Schedule")
    page.drag(cell("mon", "18:00"), cell("fri", "23:00"))
    page.click(".kwaainet-week label", "Relay")
    page.drag(cell("sat", "22:00"), cell("sat", "23:30"))
    page.drag(cell("sun", "00:00"), cell("sun", "05:30"))
    save(page, luci)
    assert windows(luci) == [
        (["mon", "tue", "wed", "thu", "fri"], "18:00", "23:30", "paused"),
        (["sat"], "22:00", "06:00", "relay"),
    ]
    luci.open(page, "settings")
    turn(page, "Schedule")
    assert page.text(cell("sun", "03:00")) == "R"
    page.click(".kwaainet-week label", "Not painted")
    page.drag(cell("mon", "00:00"), cell("sun", "23:30"))
    save(page, luci)
    assert windows(luci) == []


def test_hours_are_painted_with_a_finger(chromium: Chromium, luci: Luci) -> None:
    with chromium.page(PHONE) as page:
        luci.open(page, "settings")
        turn(page, "Schedule")
        page.evaluate("(s) => document.querySelector(s).scrollIntoView()", cell("tue", "08:00"))
        points = [
            page.evaluate(
                """(s) => { const box = document.querySelector(s).getBoundingClientRect();
                return {x: box.x + box.width / 2, y: box.y + box.height / 2}; }""",
                cell("tue", time),
            )
            for time in ("08:00", "09:00", "10:00")
        ]
        page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[points[0]])
        for point in points[1:]:
            page.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        page.until(cell("tue", "10:00"), "P")
        save(page, luci)
    assert windows(luci) == [(["tue"], "08:00", "10:30", "paused")]


def test_hours_are_painted_with_the_keyboard(page: Page, luci: Luci) -> None:
    luci.open(page, "settings")
    turn(page, "Schedule")
    page.evaluate("(s) => document.querySelector(s).focus()", cell("mon", "00:00"))
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.key(key)
    page.until(cell("tue", "00:30"), "P")
    assert page.evaluate("() => document.activeElement.dataset.cell") == "49"
    assert "Tuesday 00:30–01:00: Paused" in str(page.attribute(cell("tue", "00:30"), "aria-label"))  # noqa: RUF001
    save(page, luci)
    assert windows(luci) == [(["tue"], "00:30", "01:00", "paused")]


def test_what_cannot_be_painted_stays_behind_what_is(page: Page, luci: Luci) -> None:
    other = "config schedule\n\tlist days 'mon'\n\toption start '08:15'\n\toption rate '1M'\n"
    luci.configure(
        f"{SHORT}\nconfig schedule\n\toption mode 'light'\n\toption end '06:00'\n\n{other}"
    )
    luci.open(page, "settings")
    turn(page, "Schedule")
    assert page.text(cell("mon", "05:30")) == "L"
    assert "row of the table" in str(page.attribute(cell("mon", "09:00"), "aria-label"))
    page.drag(cell("mon", "08:00"), cell("mon", "09:30"))
    page.drag(cell("sun", "08:00"), cell("sun", "08:00"))
    text = save(page, luci)
    assert text.rstrip().endswith(other.rstrip())
    assert windows(luci) == [
        ([], "00:00", "06:00", "light"),
        (["mon"], "08:00", "10:00", "paused"),
        (["sun"], "08:00", "08:30", "paused"),
        (["mon"], "08:15", "24:00", "full"),
    ]


def test_a_file_that_luci_cannot_read_is_refused_in_the_nodes_words(page: Page, luci: Luci) -> None:
    luci.configure("config kwaainet 'main'\n\toption enabled '1\n")
    luci.open(page, "settings")
    page.until(".alert-message", "/etc/config/kwaainet:2: not valid UCI: missing closing '")
    assert page.count(".cbi-button-save") == 0


# --- strangers ---


def test_a_hostile_file_is_shown_and_nothing_runs(page: Page, luci: Luci) -> None:
    quoted = HOSTILE.replace("'", "'\\''")
    lines = [f"config kwaainet 'main'\n\toption enabled '{quoted}'\n"]
    for section in SECTIONS:
        lines += [f"config {section.NAME}\n"]
        for option in section.options():
            lines += [f"\t{'list' if option.many else 'option'} {option.name} '{quoted}'\n"]
    luci.configure("".join(lines))
    luci.answers["luci-rpc", "getNetworkDevices"] = {HOSTILE: {}}
    lease = {"hostname": HOSTILE, "macaddr": HOSTILE, "ipaddr": HOSTILE, "expires": 1}
    luci.answers["luci-rpc", "getDHCPLeases"] = {"dhcp_leases": [lease]}
    luci.open(page, "settings")
    for tab in ("Relay", "Cache", "Line", "Schedule", "Sleepers", "Peers", "Advanced"):
        turn(page, tab)
    turn(page, "Peers")
    assert HOSTILE in page.text("#cbi-kwaainet-peer td")
    page.click("#cbi-kwaainet-peer .cbi-button-edit")
    page.until(".modal [data-name=address]")
    page.click(".modal button", "Dismiss")
    page.until_gone(".modal")
    turn(page, "Sleepers")
    page.click("#cbi-kwaainet-wake .cbi-button-edit")
    page.until(".modal [data-name=mac]")
    page.click(".modal button", "Dismiss")
    page.until_gone(".modal")
    assert "got " in refused(page, luci)
    assert page.count("img") == 0


def test_who_may_not_write_has_a_form_to_read(page: Page, luci: Luci) -> None:
    luci.open(page, "settings", "reader")
    assert page.attribute(field("node", "memory_limit"), "disabled") == "true"
    turn(page, "Schedule")
    page.drag(cell("mon", "08:00"), cell("mon", "09:30"))
    assert page.text(cell("mon", "08:00")) == ""


# --- pictures ---


@pytest.mark.parametrize(
    ("name", "viewport", "dark"),
    [("desktop", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False)],
)
def test_it_fits_every_screen_and_reader(
    chromium: Chromium, luci: Luci, name: str, viewport: Viewport, dark: bool
) -> None:
    lines = [
        "config schedule\n\toption start '18:00'\n\toption end '23:30'\n\toption mode 'paused'\n"
    ]
    lines += [f"\tlist days '{day}'\n" for day in WEEK[:5]]
    lines += [
        "config schedule\n\toption start '22:00'\n\toption end '06:00'\n\toption mode 'relay'\n"
    ]
    luci.configure(luci.config + "\n" + "".join(lines))
    with chromium.page(viewport, dark=dark) as page:
        luci.open(page, "settings")
        page.screenshot(f"luci-settings-{name}")
        assert_accessible(page)
        turn(page, "Schedule")
        page.until(cell("mon", "18:00"))
        page.screenshot(f"luci-settings-week-{name}")
        assert_accessible(page)
        across = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert across <= 0

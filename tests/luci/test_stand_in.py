"""The stand-in of LuCI and of the router around it: that they deserve belief."""

import json
import urllib.request

from tests.counterparts.chromium import Page
from tests.luci.rights import SESSIONS
from tests.luci.server import Luci

VIEW = """'use strict';
'require form';
'require view';

return view.extend({
	render: function () {
		const m = new form.Map('kwaainet', _('Settings'));
		const s = m.section(form.NamedSection, 'relay', 'relay', _('Relay'));
		s.addremove = true;
		s.tab('general', _('General'));
		s.tab('more', _('More'));
		let o = s.taboption('general', form.Value, 'rate', _('Rate'));
		o.validate = (sid, value) => /^\\d*[KMG]?$/.test(value) || 'rate: got ' + value;
		o = s.taboption('general', form.Flag, 'private', _('Private'));
		o = s.taboption('general', form.DynamicList, 'allow_peers', _('Allowed peers'));
		o.depends('private', '1');
		o = s.taboption('more', form.ListValue, 'kind', _('Kind'));
		o.value('a', 'An a');
		o.value('b', 'A b');
		const g = m.section(form.GridSection, 'schedule', _('Schedule'));
		g.addremove = g.anonymous = true;
		g.option(form.Value, 'start', _('Start')).rmempty = false;
		g.option(form.MultiValue, 'days', _('Days')).value('mon');
		return m.render();
	},
});
"""


def _field(section: str, option: str) -> str:
    return f"[id='widget.cbid.kwaainet.{section}.{option}']"


def _show(page: Page, luci: Luci, session: str = "owner", view: str = VIEW) -> None:
    """Show `view` in the place of the app's."""
    luci.views["tried"] = view
    luci.open(page, "tried", session)


def test_a_change_is_saved_and_applied_as_uci_text(page: Page, luci: Luci) -> None:
    before = luci.config
    _show(page, luci)
    page.type(_field("relay", "rate"), "2M")
    page.click(_field("relay", "private"))
    page.type(_field("relay", "allow_peers"), "12D3KooWA")
    page.key("Enter")
    page.click(".cbi-button-save")
    page.until("[data-indicator='uci-changes']")
    assert luci.config == before
    page.click(".cbi-button-apply")
    page.until(".modal", "applied")
    assert "\nconfig relay 'relay'\n\toption rate '2M'\n\toption private '1'\n" in luci.config
    assert "\tlist allow_peers '12D3KooWA'\n" in luci.config


def test_a_wrong_value_is_refused_before_anything_is_sent(page: Page, luci: Luci) -> None:
    _show(page, luci)
    page.type(_field("relay", "rate"), "fast")
    page.click(".cbi-button-save")
    page.until(".modal", "rate: got fast")
    assert [method for name, method, _ in luci.calls if (name, method) == ("uci", "set")] == []
    page.take_error("invalid input value")


def test_a_row_of_a_grid_is_edited_in_a_dialog(page: Page, luci: Luci) -> None:
    _show(page, luci)
    page.click("#cbi-kwaainet-schedule .cbi-button-add")
    page.until(".modal input")
    page.type(".modal input", "18:00")
    page.choose(".modal select", "mon")
    page.click(".modal button", "Save")
    page.until("#cbi-kwaainet-schedule td", "18:00")
    page.click(".cbi-button-apply")
    page.until(".modal", "applied")
    assert "\nconfig schedule\n\toption start '18:00'\n\tlist days 'mon'\n" in luci.config


def test_who_may_not_write_has_a_form_to_read(page: Page, luci: Luci) -> None:
    _show(page, luci, "reader")
    assert page.attribute(_field("relay", "rate"), "disabled") == "true"
    assert page.attribute(".cbi-button-save", "disabled") == "true"


def test_nobody_gets_a_page_or_an_answer(page: Page, luci: Luci) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "call"}
    for session in ("nobody", "reader"):
        sid = SESSIONS[session][0]
        asked = [
            {**request, "params": [sid, "uci", "get", {"config": "kwaainet"}]},
            {**request, "params": [sid, "uci", "set", {"config": "kwaainet"}]},
            {**request, "params": [sid, "kwaainet", "service", {"action": "stop"}]},
            {**request, "params": [sid, "uci", "get", {"config": "network"}]},
        ]
        body = json.dumps(asked).encode()
        with urllib.request.urlopen(f"{luci.origin}/ubus/", body) as answer:
            told = json.load(answer)
        denied = [each.get("error", {}).get("code", each.get("result")) for each in told]
        assert denied[1:3] == [-32002, -32002]
        assert denied[3] == (-32002 if session == "nobody" else [6])
        assert (denied[0] == -32002) == (session == "nobody")


def test_a_string_is_html_and_a_list_is_text(page: Page, luci: Luci) -> None:
    _show(
        page,
        luci,
        view="""'require view';
        return view.extend({
            render: () => E([], [E('p', {}, '<b>bold</b>'), E('i', {}, ['<b>'])]),
        });""",
    )
    assert (page.text("p b"), page.text("i")) == ("bold", "<b>")

"""Texts by strangers on the views of the LuCI app: nothing of them runs."""

import pytest

from tests.counterparts.chromium import PHONE, Chromium, Page
from tests.layout import assert_fits
from tests.luci import hostile
from tests.luci.nodes import saying
from tests.luci.rights import APP
from tests.luci.server import Luci

VIEWS = sorted(path.stem for path in (APP / "htdocs").rglob("view/kwaainet/*.js"))


def _answer(luci: Luci, text: str) -> None:
    luci.answers["kwaainet", "overview"] = hostile.overview(text)
    luci.answers["kwaainet", "peers"] = hostile.peers()
    luci.answers["kwaainet", "log"] = hostile.log()
    luci.answers["kwaainet", "check"] = {"state": "running", "ok": False, "error": text}
    leases = [{"hostname": each, "macaddr": each, "ipaddr": each} for each in hostile.TEXTS]
    luci.answers["luci-rpc", "getDHCPLeases"] = {"dhcp_leases": leases, "dhcp6_leases": leases}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_nothing_but_hostile_texts(view: str, page: Page, luci: Luci) -> None:
    luci.configure(hostile.uci())
    _answer(luci, " ".join(hostile.TEXTS))
    luci.open(page, view)
    page.evaluate("() => document.querySelectorAll('details').forEach((e) => e.open = true)")
    page.until("#view", hostile.MARK)
    hostile.assert_harmless(page)


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_text_is_looked_up_as_a_key_that_is_not_there(name: str, page: Page, luci: Luci) -> None:
    _answer(luci, name)
    luci.open(page, "overview")
    assert "native code" not in page.text("#view")
    hostile.assert_harmless(page)


@pytest.mark.parametrize("view", VIEWS)
def test_no_text_is_too_long_for_a_phone(view: str, chromium: Chromium, luci: Luci) -> None:
    _answer(luci, hostile.TEXTS[-3])
    with chromium.page(PHONE) as page:
        luci.open(page, view)
        assert_fits(page)


def test_the_plugin_hands_on_what_a_hostile_node_says(page: Page, luci: Luci) -> None:
    """By the real way: the socket, `kwaainet ask`, the shell."""
    answers = {"overview": hostile.overview(hostile.TEXTS[1]), "peers": hostile.peers()}
    with saying(luci, answers):
        for view in ("overview", "peers"):
            luci.open(page, view)
            page.until("#view", hostile.MARK)
            hostile.assert_harmless(page)
        luci.router.write("/tmp/logread", "\n".join(hostile.log()["lines"]))
        luci.open(page, "log")
        page.until("#view", hostile.MARK)
        hostile.assert_harmless(page)
    assert not luci.router.path(f"/tmp/{hostile.MARK}").exists()


def test_a_page_of_a_stranger_calls_nothing(page: Page, luci: Luci) -> None:
    """In the browser of somebody who is logged in, and under a name that leads to the router."""
    luci.open(page, "log")
    luci.calls.clear()
    port = luci.origin.rpartition(":")[2]
    page.open(f"http://stranger.test:{port}/luci-static/resources/cbi.js")
    asked = """async ([origin, sid]) => {
        const call = (name, method) => ({ jsonrpc: '2.0', id: 1, method: 'call',
            params: [sid, name, method, { action: 'stop', config: 'kwaainet' }] });
        const body = JSON.stringify([call('kwaainet', 'service'), call('uci', 'get')]);
        const options = { method: 'POST', mode: 'no-cors', credentials: 'include', body };
        for (const to of ['/ubus/', '/cgi-bin/luci/admin/uci/apply_unchecked'])
            await fetch(origin + to, options);
        return (await fetch('/ubus/', { method: 'POST', body })).json(); }"""
    told = page.evaluate(asked, [luci.origin, "0" * 32])
    assert [each["error"]["code"] for each in told] == [-32002, -32002]
    assert luci.calls == []
    page.take_errors()  # Chromium's own, of answers that it keeps from the stranger

"""LuCI's app in a real browser, on stand-ins of LuCI and of the router around it.

A test of a view is a function of two fixtures (conftest.py, tests/conftest.py):

    def test_the_overview_says_why_nothing_is_relayed(page: Page, luci: Luci) -> None:
        luci.answers["kwaainet", "overview"] = {"state": "running", "mode": "paused", ...}
        luci.open(page, "overview")                 # or session="reader", language="de"
        page.until(".alert-message", "paused")      # waits, and fails after a while
        page.click("button", "Restart")
        assert ("kwaainet", "service", {"action": "restart"}) in luci.calls
        assert_accessible(page)                     # tests.counterparts.axe
        assert_fits(page)                           # tests.layout
        page.screenshot("luci-overview")            # build/screenshots/luci-overview.png

`page` (tests.counterparts.chromium.Page) is on a desktop; `chromium.page(PHONE, dark=True)` gives
others. The test fails if anything goes wrong in the page; what is meant to is taken with
page.take_error(). Without `luci.answers`, `kwaainet` is answered by the real plugin under busybox
ash in luci.router, and what is applied stands in luci.config. `python -m tests.luci` serves the
views to a browser of your own.
"""

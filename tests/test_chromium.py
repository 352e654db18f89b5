"""The browser that tests look at pages with: it notices what must not happen."""

import asyncio
from pathlib import Path

import pytest

from tests.counterparts.axe import assert_accessible, axe
from tests.counterparts.chromium import CANARY, DESKTOP, PHONE, Chromium, Page
from tests.counterparts.nginx import nginx
from tests.layout import assert_fits, assert_laid_out

_FORM = """<!doctype html><html lang=en><title>A form</title><body style="margin: 0">
<button onclick="setTimeout(() => document.querySelector('p').hidden = false, 50)">Show</button>
<label>Name <input value=before onchange="document.title = this.value"></label>
<label>Kind <select><option>one<option>two</select></label><p hidden>shown</p>"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"<img src=data: onerror={CANARY}('x')>", "a hostile text ran: x"),
        ("<script>alert('boo')</script>", "a dialog: boo"),
        ("<script>throw Error('thrown')</script>", "an exception: Error: thrown"),
        ("<script>console.error('said', 1)</script>", "console: said 1"),
        ("<script src=https://cdn.example.org/x.js></script>", "asked another machine: https:"),
    ],
)
def test_what_must_not_happen_is_noticed(chromium: Chromium, text: str, found: str) -> None:
    with pytest.raises(AssertionError, match=found.replace("(", r"\(")), chromium.page() as page:
        page.open(f"data:text/html,{text}")
        page.evaluate("() => new Promise((done) => setTimeout(done, 50))")


def test_a_page_is_used_as_by_a_person(page: Page) -> None:
    page.open(f"data:text/html,{_FORM}")
    page.click("button", "Show")
    page.until("p", "shown")
    page.type("input", "after")
    page.key("Tab")
    page.choose("select", "two")
    assert page.evaluate("() => document.title") == "after"
    assert (page.attribute("input", "value"), page.attribute("select", "value")) == ("after", "two")
    assert_accessible(page)


def test_a_page_is_seen_on_other_screens(chromium: Chromium) -> None:
    asked = "() => [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
    mobile = "<meta name=viewport content='width=device-width'>"
    with chromium.page(PHONE, dark=True) as page:
        page.open(f"data:text/html,{mobile}")
        assert page.evaluate(asked) == [360, True]
        page.resize(DESKTOP)
        page.prefer(dark=False)
        assert page.evaluate(asked) == [1280, False]


def test_a_page_without_scripts(page: Page) -> None:
    page.disable_scripts()
    page.open("data:text/html,<p>there</p><script>document.write('not')</script>")
    assert page.text() == "there"


def test_what_is_wrong_for_some_people_is_found(page: Page) -> None:
    page.open("data:text/html,<!doctype html><title>x</title><input><p>text")
    assert {"label", "html-has-lang"} <= {each["id"] for each in axe(page)}


def test_what_does_not_fit_is_found(page: Page) -> None:
    page.open("data:text/html,<p style='width: 2000px'>wide</p>")
    with pytest.raises(AssertionError, match=r"the page is \d+ px wide"):
        assert_fits(page)
    page.open("data:text/html,one <b style='position: absolute; left: 8px; top: 8px'>two</b>")
    with pytest.raises(AssertionError, match="over each other"):
        assert_fits(page)
    page.open(f"data:text/html,{_FORM}")
    assert_fits(page)


def test_places_are_compared(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KWAAINET_LAYOUTS", raising=False)
    page.open(f"data:text/html,{_FORM}")
    places = tmp_path / "form.json"
    places.write_text('{"button": [5, 0, 50, 25], "hidden": null}')
    assert_laid_out(page, places, {"button": "button", "hidden": "p"})
    page.evaluate("() => { document.body.style.paddingTop = '40px'; }")
    with pytest.raises(AssertionError):
        assert_laid_out(page, places, {"button": "button", "hidden": "p"})


def test_a_name_for_this_machine(page: Page, tmp_path: Path) -> None:
    """As a page of a stranger has one, whose name leads here."""

    async def look() -> None:
        async with nginx(tmp_path) as server:
            (server.files / "index.html").write_text("here")
            await asyncio.to_thread(page.open, f"http://stranger.test:{server.port}/")
            assert page.text() == "here"

    asyncio.run(look())

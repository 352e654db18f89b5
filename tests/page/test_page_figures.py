"""What stands on the page: words, shapes, and nothing that a stranger's text could become."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.page import assets, shapes
from edge.page.document import Document
from edge.page.figures import figures
from tests.page.overviews import BUSY, HOSTILE, YOUNG, hostile

FILES = assets.load()
PAGE = Document(FILES["page.html"])
PATH = re.compile(r"(M\d+ \d+|L\d+ \d+|[hv]-?\d+|Z)*")
RATES = st.lists(st.integers(0, 1 << 40), max_size=60)


class Parsed(HTMLParser):
    """The elements and attributes of a document, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


def filled(overview: dict[str, Any]) -> Parsed:
    return Parsed(PAGE.filled(figures(overview) | {"tag": "x"}).decode())


# --- the document ---


@pytest.mark.parametrize("overview", [BUSY, YOUNG, {}], ids=["busy", "young", "empty"])
def test_every_place_of_the_page_is_filled(overview: dict[str, Any]) -> None:
    assert set(PAGE.places) == set(figures(overview)) | {"tag"}
    assert "{{" not in filled(overview).text


def test_each_place_is_an_element_by_its_id() -> None:
    """What the script finds is what the server has filled."""
    html = PAGE.filled(figures(BUSY) | {"tag": "x"}).decode()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {place.partition("@")[0] for place in figures(BUSY)} <= set(ids)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_is_text(text: str) -> None:
    found = filled(hostile(text))
    assert found.elements == filled(BUSY).elements
    json.dumps(figures(hostile(text)))


@given(text=st.text())
def test_any_text_is_text(text: str) -> None:
    assert filled(hostile(text)).elements == filled(BUSY).elements


def test_nothing_of_the_page_is_elsewhere_or_in_line() -> None:
    for name in ("page.html", "locked.html"):
        html = FILES[name]
        assert not re.search(r"""\s(on\w+|style)=|https?:|<script(?! src="page.js)""", html)
        assert html.count("<style>") == 1
    assert not re.search(r"https?:|@import|url\(", FILES["page.css"])
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function", FILES["page.js"]
    )


# --- words ---


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({}, "title", "Relaying for others"),
        ({}, "reason", "Fit for light, but this version only relays."),
        ({"reason": ""}, "reason", "Nothing holds it back."),
        ({"mode": "paused"}, "title", "Taking a break"),
        ({"mode": "dozing"}, "title", "In mode dozing"),
        ({}, "limits", ""),
        ({"new_work": False}, "limits", "It takes on nothing new for now."),
        ({"rate": 131072}, "limits", "It relays at most 128.0 KiB/s."),
        ({"time": None}, "limits", "Its clock is not set yet."),
        ({}, "hours-relay", "relay 17 h 3 m"),
        ({}, "hours-full", ""),
        ({}, "uptime", "3 d 4 h"),
        ({}, "reach", "Others reach this node"),
        ({"reachable": "private"}, "reach", "Others cannot reach this node directly"),
        ({"reachable": "wherever"}, "reach@data-state", "open"),
        ({"listening": []}, "reach", "This node listens nowhere"),
        ({}, "links-note", "with 12 peers"),
        ({}, "line", "37 %"),
        ({"line": None}, "line-note", "not measured here"),
        ({}, "saved", "31.0 GiB"),
        ({}, "refused", "33 connections, 4 relay"),
        ({"refused": {"relay": 0}}, "refused", "nobody"),
    ],
)
def test_words(changes: dict[str, Any], place: str, text: str) -> None:
    assert figures({**BUSY, **changes})[place] == text


def test_advice_names_the_port_and_what_stands_in_the_way() -> None:
    behind = {**BUSY, "reachable": "private"}
    closed = figures({**behind, "ports": "closed"})["advice"]
    assert closed.startswith("Forward TCP port 4001 on your router")
    assert "a second router" in figures({**behind, "ports": "mapped"})["advice"]


def test_a_node_without_a_cache_shows_none() -> None:
    assert figures(BUSY)["cache@data-there"] == "yes"
    assert figures(YOUNG)["cache@data-there"] == "no"


def test_the_days_are_told_with_the_newest_first() -> None:
    found = figures(BUSY)
    assert found["day0-0"] == "2026-11-30"
    assert found["day13-0"] == "2026-11-17"
    assert figures({**BUSY, "days": BUSY["days"][-1:]})["day1-0"] == ""


# --- shapes ---


def test_a_line_is_drawn_to_the_right_edge_and_has_gaps() -> None:
    assert shapes.line([0, 50, 100], 100) == "M570 100L580 50L590 0"
    assert shapes.line([10, -1, 20], 100) == "M570 90M590 80"
    assert (
        shapes.area([10, 20, -1, 30], 100)
        == "M560 100L560 90L570 80L570 100ZM590 100L590 70L590 100Z"
    )


def test_bars_end_at_the_right_edge_and_stand_on_each_other() -> None:
    assert shapes.bars([10], [0], 100, 14) == "M130 100v-10h7v10Z"
    assert shapes.bars([10, 20], [0, 30], 100, 2) == "M0 100v-10h7v10ZM10 70v-20h7v20Z"
    assert shapes.bars([1], [0], 1 << 40, 1) == "M0 100v-1h7v1Z"  # little is not nothing


def test_a_day_is_as_long_as_it_is() -> None:
    day = [(90000.0, "relay"), (3600.0, "paused")]
    assert shapes.day_spans(day) == [(0, 82800, "relay"), (82800, 3600, "paused")]
    assert shapes.strips([(82800, 3600)]) == "M1380 0h60v100h-60Z"
    assert shapes.day_spans([(0.0, "relay")]) == []


@given(most=st.integers(0, 1 << 60))
def test_a_scale_is_round_and_holds_what_it_must(most: int) -> None:
    top = shapes.scale(most)
    assert top >= min(most, 1000 << 60)
    assert most < 1024 or top <= most * 2.5


@given(down=RATES, up=RATES, line=st.lists(st.integers(-1, 100), max_size=60))
def test_shapes_are_paths_within_their_place(
    down: list[int], up: list[int], line: list[int]
) -> None:
    samples = {"step": 5, "down": down, "up": up, "line": line}
    found = figures({**BUSY, "samples": samples})
    for place in [place for place in found if place.endswith("@d")]:
        assert PATH.fullmatch(found[place]), place
    for x, y in re.findall(r"[ML](\d+) (\d+)", found["down-line@d"] + found["line-area@d"]):
        assert int(x) <= 590
        assert int(y) <= 100


def test_portions() -> None:
    assert [shapes.portion(*each) for each in ((0, 9), (1, 1000), (5, 10), (20, 10), (1, 0))] == [
        *("0", "1", "50", "100", "0")
    ]

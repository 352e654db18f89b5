"""Where a page has what: compared with what is committed, by boxes and not by pixels.

A picture differs with each font and version of the browser; that the button stands right of the
title does not. KWAAINET_LAYOUTS=write puts what was found in the place of what is committed; look
at the screenshots before you commit it.
"""

import json
import os
from pathlib import Path

from tests.counterparts.chromium import Page

TOLERANCE = 16  # pixels, or a tenth, whichever is more: another version's fonts
_BOX = """(selector) => { const e = document.querySelector(selector);
    if (!e || !e.checkVisibility()) return null;
    const box = e.getBoundingClientRect();
    return [box.x, box.y + scrollY, box.width, box.height].map(Math.round); }"""
# Each line of text with the part of it that its ancestors do not clip.
_FAULTS = """(root) => {
    const faults = [], lines = [], wide = document.documentElement;
    const name = (e, text) => `<${e.localName} class="${e.getAttribute('class') || ''}"> ` +
        JSON.stringify(text.trim().slice(0, 40));
    if (wide.scrollWidth > wide.clientWidth)
        faults.push(`the page is ${wide.scrollWidth} px wide, the screen ${wide.clientWidth}`);
    const clipped = (e, box) => {
        let {left, right, top, bottom} = box;
        for (; e && e !== document.body; e = e.parentElement) {
            if (getComputedStyle(e).overflowX === 'visible') continue;
            const by = e.getBoundingClientRect();
            left = Math.max(left, by.left); right = Math.min(right, by.right);
            top = Math.max(top, by.top); bottom = Math.min(bottom, by.bottom);
        }
        return {left, right, top, bottom};
    };
    const walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const e = node.parentElement;
        if (!node.data.trim() || e.closest('option, script, style')) continue;
        if (!e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const rect of range.getClientRects()) {
            const box = clipped(e, rect);
            if (box.right - box.left < 2 || box.bottom - box.top < 2) continue;
            lines.push([e, node.data, box]);
            if (box.left < -1 || box.right > wide.clientWidth + 1)
                faults.push(`outside of the screen: ${name(e, node.data)}`);
        }
    }
    lines.sort((a, b) => a[2].top - b[2].top);
    lines.forEach(([e, text, a], i) => {
        for (let j = i + 1; j < lines.length && lines[j][2].top < a.bottom; j++) {
            const [other, its, b] = lines[j];
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - b.top;
            if (across > 3 && down > 0.5 * Math.min(a.bottom - a.top, b.bottom - b.top))
                faults.push(`over each other: ${name(e, text)} and ${name(other, its)}`);
        }
    });
    return [...new Set(faults)].slice(0, 10); }"""


def assert_fits(page: Page, root: str = "body") -> None:
    """Nothing is wider than the screen, no text is outside of it or over another below `root`."""
    found = page.evaluate(_FAULTS, root)
    assert not found, "\n".join(found)


def assert_laid_out(page: Page, at: Path, elements: dict[str, str]) -> None:
    """The elements, selectors by name, have the places that the JSON file `at` says.

    A place: [x, y, width, height] in pixels of the whole page, null for what is not seen.
    """
    found = {name: page.evaluate(_BOX, selector) for name, selector in elements.items()}
    if os.environ.get("KWAAINET_LAYOUTS") == "write":
        at.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"  {json.dumps(name)}: {json.dumps(box)}" for name, box in found.items()]
        at.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    expected = json.loads(at.read_text())
    assert found.keys() == expected.keys()
    moved = {name: box for name, box in found.items() if not _near(box, expected[name])}
    assert not moved, {name: (box, expected[name]) for name, box in moved.items()}


def _near(found: list[int] | None, expected: list[int] | None) -> bool:
    if found is None or expected is None:
        return found is expected
    pairs = zip(found, expected, strict=True)
    return all(abs(one - other) <= max(TOLERANCE, abs(other) / 10) for one, other in pairs)

"""Documents of HTML: a template's text with values in the places of {{names}}, escaped."""

from __future__ import annotations

import re

from edge.page.figures import DAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = re.compile(r"\{\{([a-z0-9@-]+)\}\}")
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\0": "\ufffd"}
)
# The rows of the table of days, which the template has as one place.
_ROW = "<tr>{}</tr>"
_CELL = '<td id="day{0}-{1}">{{{{day{0}-{1}}}}}</td>'
TABLE = "".join(
    [_ROW.format("".join([_CELL.format(day, n) for n in range(4)])) for day in range(DAYS)]
)


class Document:
    """`template`: with places, and {{table}} where the table of days is."""

    def __init__(self, template: str) -> None:
        # Text and names in turn, a text first.
        self._parts = _PLACE.split(template.replace("{{table}}", TABLE))

    @property
    def places(self) -> list[str]:
        """The names, in their order."""
        return self._parts[1::2]

    def filled(self, values: Mapping[str, str]) -> bytes:
        """With all of `values`, whatever they hold, as text."""
        parts = self._parts[:]
        parts[1::2] = [escaped(values[name]) for name in self.places]
        return "".join(parts).encode("utf-8", "replace")


def escaped(text: str) -> str:
    """For the text of an element, and for an attribute between quotes."""
    return text.translate(_ESCAPES)

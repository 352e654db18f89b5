"""A room's part of the texts that people read and of the metrics: its `view.py` makes one View.

All are functions of an answer of the status socket, which may come from a node of another version:
what it does not hold is not shown.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from edge.status.exposition import Exposition

    Answer = Mapping[str, Any]
    Rows = Sequence[tuple[str, str]]  # name, text


def _no_rows(_: Answer) -> Rows:
    return ()


def _no_metrics(_: Exposition, __: Answer) -> None:
    return


class Column:
    """A column of `kwaainet peers`. `cell`: its text for a peer; `right`: aligned so.

    `key`: of a peer's answer; the column is left out where no peer has it.
    """

    __slots__ = ("cell", "key", "name", "right")

    def __init__(
        self, name: str, key: str, cell: Callable[[Answer], str], right: bool = True
    ) -> None:
        self.name = name
        self.key = key
        self.cell = cell
        self.right = right


class View:
    """`head`: rows at the top of `kwaainet status`; `rows`: in the middle of it.

    `banner`: rows of what `kwaainet run` prints at a terminal. `columns`: of `kwaainet peers`.
    `metrics`: writes to the page /metrics.
    """

    __slots__ = ("banner", "columns", "head", "metrics", "rows")

    def __init__(
        self,
        head: Callable[[Answer], Rows] = _no_rows,
        rows: Callable[[Answer], Rows] = _no_rows,
        banner: Callable[[Answer], Rows] = _no_rows,
        columns: Sequence[Column] = (),
        metrics: Callable[[Exposition, Answer], None] = _no_metrics,
    ) -> None:
        self.head = head
        self.rows = rows
        self.banner = banner
        self.columns = columns
        self.metrics = metrics

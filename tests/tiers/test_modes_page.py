"""docs/modes.md says what the controller does: its table is that of the rules."""

import re

from edge.tiers.controller import Settings, Threshold, thresholds
from edge.tiers.ledger import MAX_DAYS
from edge.tiers.modes import PAUSED
from tests.test_docs import DOCS, rows


def number(cell: str) -> float:
    """The first number in it; a percentage as a share."""
    found = re.match(r"([\d.]+) ?(%)?", cell)
    assert found is not None, cell
    return float(found[1]) / (100 if found[2] else 1)


def shown(rule: Threshold) -> tuple[object, ...]:
    urgent = rule.patience == 0
    rate = "-" if rule.to == PAUSED else "`reduced_rate`" if rule.reduced else "as it was"
    to = f"{rule.to}, at once" if urgent else rule.to
    return rule.cause, round(rule.enter, 4), rule.patience, round(rule.leave, 4), to, "no", rate


def test_the_table_is_that_of_the_rules() -> None:
    table = [
        (cause, number(enter), float(patience), number(leave), to, new, rate)
        for cause, enter, patience, leave, to, new, rate in rows("modes.md", "cause")
    ]
    assert table == [shown(rule) for rule in thresholds(Settings())]


def test_other_figures() -> None:
    text = (DOCS / "modes.md").read_text()
    assert f"up to {MAX_DAYS}" in text

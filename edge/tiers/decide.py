"""The probe and the rules together: what `kwaainet tier` shows and `kwaainet run` starts with."""

from __future__ import annotations

from edge import log
from edge.tiers.fitness import Fitness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edge.tiers.child import Child
    from edge.tiers.classify import RelayCounts, Wishes

PATIENCE = 10.0  # seconds a start waits for the probe, which takes a fraction of one


def look(data_dir: str, mode: str, wishes: Wishes, relay_counts: RelayCounts) -> dict[str, Any]:
    """The machine's `profile` and the `decision`, as dictionaries for JSON."""
    from edge.tiers.classify import classify
    from edge.tiers.probe import probe_with_speed

    profile = probe_with_speed(data_dir)
    decision = classify(profile, mode, wishes, relay_counts)
    return {"profile": profile.as_dict(), "decision": decision._asdict()}


def start(data_dir: str, mode: str, wishes: Wishes, relay_counts: RelayCounts) -> Child | None:
    """Has a child process look meanwhile; None if there can be none."""
    from edge.tiers.child import Child

    try:
        return Child(lambda: look(data_dir, mode, wishes, relay_counts))
    except OSError as error:
        log.warning("probe-failed", reason=error.strerror)
        return None


def finish(child: Child | None) -> Fitness | None:
    """The decision of the child; None if it has none, which is logged."""
    found = child.answer(PATIENCE) if child else None
    if child and found is None:
        log.warning("probe-failed", reason="see above, or no answer in time")
    return Fitness(**found["decision"]) if found else None

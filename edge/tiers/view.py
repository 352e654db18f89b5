"""The mode and the machine's fitness in status, banner and metrics."""

from edge.text import shown, size
from edge.tiers.modes import MODES
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer

    Row = tuple[str, str]

_MACHINE = {
    "memory_used": ("machine_memory_used_ratio", "Fraction of the machine's memory in use."),
    "memory_stalled": (
        "machine_memory_stalled_ratio",
        "Fraction of time in which all tasks were stalled on memory.",
    ),
    "cpu": ("machine_cpu_others_ratio", "Fraction of the processor used by other processes."),
    "temperature": ("machine_temperature_celsius", "Temperature of the hottest sensor."),
    "wan": ("machine_wan_others_ratio", "Fraction of the WAN used by others."),
    "battery": ("machine_battery_charge_ratio", "Charge of the battery."),
}


def head(answer: "Answer") -> "list[Row]":
    """The mode, the fitness, what is throttled."""
    rows = _mode(answer)
    if "decision" in answer:
        rows.append(("fit for", _fitness(answer["decision"])))
    step = answer.get("step", {})
    words = [] if step.get("new_work", True) else ["no new reservations or circuits"]
    words += [f"at most {size(step['rate'])}/s"] if step.get("rate") else []
    return rows + ([("throttled", ", ".join(words))] if words else [])


def blocks_text(decision: "Answer") -> str:
    """How many model blocks it may serve."""
    low, high = decision["blocks"]
    return f"{range_text(low, high)} model block{'s' if high > 1 else ''}" if high else ""


def range_text(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _mode(answer: "Answer") -> "list[Row]":
    """The mode, and why it is this one."""
    if "mode" not in answer:
        return []
    mode, reason = shown(answer["mode"]), answer.get("mode_reason")
    return [("mode", f"{mode} ({shown(reason)})" if reason else mode)]


def _fitness(decision: "Answer") -> str:
    """In a few words."""
    low, high = decision["contribution"]
    words = [", ".join([shown(role) for role in decision["roles"]]), blocks_text(decision)]
    words.append(f"{range_text(low, high)} VDA an hour")
    text = "; ".join([word for word in words if word])
    return f"{shown(decision['mode'])}, tier {decision['tier']}: {text}"


def metrics(page: "Exposition", status: "Answer") -> None:
    """The mode, what it allows, and the readings behind it."""
    states = [({"mode": mode}, int(mode == status["mode"])) for mode in MODES]
    page.gauge("mode", "1 for the mode the node is in.", states)
    step = status["step"]
    page.gauge(
        "new_work_allowed",
        "Whether new reservations and circuits are accepted.",
        int(step["new_work"]),
    )
    page.gauge("relay_rate_limit_bytes_per_second", "0: none by the mode.", step["rate"])
    for key, (name, text) in _MACHINE.items():
        if key in status.get("machine", {}):
            page.gauge(name, text, status["machine"][key])


VIEW = View(head=head, banner=_mode, metrics=metrics)

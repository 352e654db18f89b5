"""The marks and the back-off in status."""

from edge.text import shown, size
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.view import Answer

_BACKOFF = {
    "off": "",
    "free": "",
    "line": " (others need the line)",
    "queue": " (the gateway answers slowly)",
}


def rows(answer: "Answer") -> list[tuple[str, str]]:
    """Marks, the rate that relaying may take, the use of the line."""
    qos = answer.get("qos", {})
    if not qos:
        return []
    marks = [f"DSCP {shown(qos['dscp']['relay'])}", f"priority {qos['priority']}"]
    if qos["mark"]:
        marks.append(f"mark {qos['mark']:#x}")
    if qos["refused"]:
        marks.append(f"not permitted: {', '.join([shown(name) for name in qos['refused']])}")
    rows = [("marks", ", ".join(marks))]
    why = _BACKOFF.get(qos["backoff"], shown(qos["backoff"]))
    rate = f"{size(qos['rate'])}/s" if qos["rate"] else "unlimited"
    if qos["rate"] or qos["backoff"] != "off":
        rows.append(("relay rate", f"{rate}{why}"))
    wan = qos.get("wan", {})
    if "others_up" in wan:
        use = f"others {size(wan['others_up'])}/s up, {size(wan['others_down'])}/s down"
        delay = f"; {wan['delay']} ms of queue to the gateway" if "delay" in wan else ""
        rows.append((f"on {shown(wan['interface'])}", f"{use}{delay}"))
    return rows


VIEW = View(rows=rows)

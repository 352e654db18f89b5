"""The text of `kwaainet tier`: facts, decision, reasons. Lines of text, no I/O."""

from edge.text import bold, counted, pairs, shown, size, wrapped
from edge.tiers.view import blocks_text, range_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.view import Answer

_REASON_WIDTH = 90  # columns


def tier_lines(answer: "Answer", colour: bool = False) -> list[str]:
    """`kwaainet tier`: what was found, what was decided, why."""
    profile, decision = answer["profile"], answer["decision"]
    found = [(name, text) for name, text in _found(profile) if text]
    low, high = decision["contribution"]
    decided = [
        ("mode", f"{shown(decision['mode'])} (tier {decision['tier']})"),
        ("roles", ", ".join([shown(role) for role in decision["roles"]])),
        ("blocks", blocks_text(decision) or "none"),
        ("cache", size(decision["cache_size"]) if decision["cache_size"] else "none"),
        ("relay", _relay_share(decision)),
        ("contribution", f"{range_text(low, high)} VDA an hour in the network's plan"),
    ]
    why = [line for reason in decision["reasons"] for line in wrapped(shown(reason), _REASON_WIDTH)]
    return [
        *[bold("Hardware", colour), *pairs(found, indent="  "), ""],
        *[bold("Tier", colour), *pairs(decided, indent="  "), ""],
        *[bold("Reasons", colour), *[f"  {line}" for line in why], ""],
        "This version does not serve inference yet, whatever the mode.",
    ]


def _relay_share(decision: "Answer") -> str:
    held, circuits = decision["relay_reservations"], decision["relay_circuits"]
    return f"{size(decision['relay_memory'])}, {held} reservations, {circuits} circuits at most"


def _found(profile: "Answer") -> list[tuple[str, str]]:
    """Names and texts of a profile's facts; an empty text where nothing is known."""
    return [
        ("machine", _joined(profile, "model", "machine")),
        ("system", _system(profile)),
        ("memory", _memory(profile)),
        ("processor", _processor(profile)),
        ("speed", _speed(profile)),
        ("gpu", _joined(profile, "gpu", "gpu_name") or "unknown"),
        ("disk", _disk(profile)),
        ("temperature", _heat(profile)),
        ("power", _power(profile)),
        ("links", _links(profile)),
    ]


def _joined(profile: "Answer", *names: str) -> str:
    return ", ".join([shown(profile[name]) for name in names if name in profile])


def _system(profile: "Answer") -> str:
    text = shown(profile.get("system", "unknown"))
    container = profile.get("container", "none")
    return text if container == "none" else f"{text}, in a container ({shown(container)})"


def _memory(profile: "Answer") -> str:
    if "memory" not in profile:
        return "unknown"
    words = [size(profile["memory"])]
    for name, label in (("memory_available", "free"), ("memory_limit", "for this cgroup")):
        if name in profile:
            words.append(f"{size(profile[name])} {label}")
    if profile.get("swap"):
        zram = f", {size(profile['zram'])} of it zram" if profile.get("zram") else ""
        words.append(f"swap {size(profile['swap'])}{zram}")
    return ", ".join(words)


def _processor(profile: "Answer") -> str:
    words = [shown(profile["cpu"])] if "cpu" in profile else []
    words.append(counted(profile["cores"], "core") if "cores" in profile else "cores unknown")
    if "cpu_limit" in profile and profile["cpu_limit"] != profile.get("cores"):
        words.append(f"{profile['cpu_limit']:g} of them for this cgroup")
    if "cpu_mhz" in profile:
        words.append(f"{profile['cpu_mhz']} MHz")
    if "fpu" in profile:
        words.append(" ".join(profile.get("vector", ())) or ("FPU" if profile["fpu"] else "no FPU"))
    return ", ".join(words)


def _speed(profile: "Answer") -> str:
    speed = profile.get("copy_speed")
    return f"copies {size(speed)} a second" if speed else "unknown"


def _disk(profile: "Answer") -> str:
    words = [shown(profile.get("disk", "of unknown kind"))]
    if "disk_free" in profile:
        words.append(f"{size(profile['disk_free'])} free of {size(profile['disk_size'])}")
    if "disk_wear" in profile:
        words.append(f"{profile['disk_wear']} % worn")
    return ", ".join(words)


def _heat(profile: "Answer") -> str:
    words = [f"{profile['temperature']:.0f} degrees C"] if "temperature" in profile else []
    if "throttled" in profile:
        words.append("throttled now" if profile["throttled"] else "not throttled")
    return ", ".join(words) or "unknown"


def _power(profile: "Answer") -> str:
    words = [shown(profile["power"])] if "power" in profile else []
    if "charge" in profile:
        charging = ", charging" if profile.get("charging") else ""
        words.append(f"battery at {profile['charge']} %{charging}")
    return ", ".join(words) or "unknown"


def _links(profile: "Answer") -> str:
    words = []
    if "wan" in profile:
        speed = f"{profile['wan_speed']} Mbit/s" if "wan_speed" in profile else "speed unknown"
        words.append(f"uplink {shown(profile['wan'])}, {speed}")
    if "lan_speed" in profile:
        words.append(f"others up to {profile['lan_speed']} Mbit/s")
    return "; ".join(words) or "unknown"

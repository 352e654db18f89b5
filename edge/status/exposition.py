"""Metrics in Prometheus' text format.

Written by hand: prometheus-client takes 5.3 MB of resident memory and 85 modules (CPython 3.11,
beside asyncio), which a router does not have. Label values are words of the program, never of a
peer, and MAX_VALUES of them at most, the rest counted as "other".

Source: prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4) and
prometheus.io/docs/practices/naming
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Samples = Iterable[tuple[Mapping[str, str], float]]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_VALUES = 64
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Exposition:
    """The text being written."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, samples: float | Samples) -> None:
        """A value that goes up and down. `samples`: one number, or several with their labels."""
        self._family(name, "gauge", text, samples)

    def counter(self, name: str, text: str, samples: float | Samples) -> None:
        """A value that only grows; "_total" is appended to its name."""
        self._family(f"{name}_total", "counter", text, samples)

    @staticmethod
    def labelled(label: str, counts: Mapping[str, int]) -> list[tuple[dict[str, str], float]]:
        """Samples of one label, in the order of its values."""
        found = [({label: name}, count) for name, count in sorted(counts.items())]
        rest = sum(count for _, count in found[MAX_VALUES - 1 :])
        if len(found) <= MAX_VALUES:
            return list(found)
        return [*found[: MAX_VALUES - 1], ({label: "other"}, rest)]

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _family(self, name: str, kind: str, text: str, samples: float | Samples) -> None:
        name = f"kwaainet_{name}"
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        if isinstance(samples, int | float):
            samples = [({}, samples)]
        for labels, value in samples:
            words = [f'{key}="{each.translate(_ESCAPES)}"' for key, each in labels.items()]
            self._lines.append(
                f"{name}{{{','.join(words)}}} {value}" if words else f"{name} {value}"
            )

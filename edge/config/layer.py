"""The values of one source, and the merging of sources."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.kinds import Option
    from edge.config.schema import Section


class Found:
    """A checked value and its origin."""

    __slots__ = ("origin", "value")

    def __init__(self, value: object, origin: str) -> None:
        self.value = value
        self.origin = origin


class Layer:
    """The values of a source by (section, option), and its repeated sections by name.

    `ignored`: names in the source that belong to other programs. `script`: the section for an init
    script, None if there is none.
    """

    __slots__ = ("ignored", "repeated", "script", "values")

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Found] = {}
        self.repeated: dict[str, list[dict[str, Found]]] = {}
        self.ignored: list[str] = []
        self.script: Section | None = None

    def put(self, upper: "Layer") -> None:
        """Merge `upper` over this layer: its values and its repeated sections take precedence."""
        self.values.update(upper.values)
        self.ignored += upper.ignored
        self.repeated.update(upper.repeated)
        self.script = upper.script or self.script


def missing(section: "type[Section]", found: dict[str, Found]) -> "Option | None":
    """The first required option that a repeated section lacks; adds the defaults."""
    for option in section.options():
        if option.name in found:
            continue
        if option.default is None:
            return option
        found[option.name] = Found(option.initial(), "default")
    return None

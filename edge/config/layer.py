"""What one source gives, and the laying of sources over each other."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.kinds import Option
    from edge.config.schema import Section


class Found:
    """A checked value, and where it stood."""

    __slots__ = ("origin", "value")

    def __init__(self, value: object, origin: str) -> None:
        self.value = value
        self.origin = origin


class Layer:
    """The values of a source by (section, option); its repeated sections by name, all or none.

    `ignored`: names the source holds that are another program's.
    """

    __slots__ = ("ignored", "repeated", "values")

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Found] = {}
        self.repeated: dict[str, list[dict[str, Found]]] = {}
        self.ignored: list[str] = []

    def put(self, upper: "Layer") -> None:
        """Lays `upper` over this one: its values win, its repeated sections replace ours."""
        self.values.update(upper.values)
        self.ignored += upper.ignored
        self.repeated.update(upper.repeated)


def missing(section: "type[Section]", found: dict[str, Found]) -> "Option | None":
    """The first option that a repeated section has to have and has not; defaults are put in."""
    for option in section.options():
        if option.name in found:
            continue
        if option.default is None:
            return option
        found[option.name] = Found(option.initial(), "default")
    return None

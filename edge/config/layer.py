"""What one source gives, and the laying of sources over each other."""


class Found:
    """A checked value, and where it stood."""

    __slots__ = ("origin", "value")

    def __init__(self, value: object, origin: str) -> None:
        self.value = value
        self.origin = origin


class Layer:
    """The values of a source by (section, option); its peers, None if it names none at all.

    `ignored`: names the source holds that are another program's.
    """

    __slots__ = ("ignored", "peers", "values")

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Found] = {}
        self.peers: list[dict[str, Found]] | None = None
        self.ignored: list[str] = []

    def put(self, upper: "Layer") -> None:
        """Lays `upper` over this one: its values win, its peers replace all of ours."""
        self.values.update(upper.values)
        self.ignored += upper.ignored
        if upper.peers is not None:
            self.peers = upper.peers

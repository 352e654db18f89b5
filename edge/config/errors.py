"""What can be wrong with a configuration, as one line for the person who wrote it."""

from edge.log import escape


class ConfigError(Exception):
    """One line: where, what was given, what is allowed. The command line prints it and exits 2."""


class RefusedError(ConfigError):
    """A value an option does not take; the reader that knows where it stood says so around it.

    `item`: which item of a list it was, None if it is the value as a whole.
    """

    def __init__(self, value: object, expected: str, item: int | None = None) -> None:
        super().__init__(f"got {shown(value)}; expected {expected}")
        self.value = value
        self.expected = expected
        self.item = item


def shown(value: object) -> str:
    """`value` as a person would write it, on one short line whatever it is."""
    if isinstance(value, str):
        return f'"{escape(value, 80)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        items = ["[...]" if isinstance(item, list) else shown(item) for item in value[:3]]
        return "[" + ", ".join(items + ["..."] * (len(value) > 3)) + "]"
    return escape(str(value), 80)


def suggestion(name: str, known: list[str], before: str = "", after: str = "") -> str:
    """The end of an error line about an unknown name: the nearest known one, else all of them."""
    import difflib  # 1.3 MB, and only a mistake needs it

    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name[:80].casefold(), folded, 1)
    if near:
        return f"did you mean {before}{folded[near[0]]}{after}?"
    if len(known) > 12:
        return "`kwaainet help run` lists them all"
    return "expected " + " or ".join([f"{before}{other}{after}" for other in known])

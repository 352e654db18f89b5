"""Errors of a configuration, each one line for its author."""

from edge.log import escape


class ConfigError(Exception):
    """One line with the place, the value and the allowed values. The command line exits with 2."""


class RefusedError(ConfigError):
    """An invalid value of an option; the reader that knows its place adds it to the message.

    `item`: the index of the item in a list, None for the value as a whole.
    """

    def __init__(self, value: object, expected: str, item: int | None = None) -> None:
        super().__init__(f"got {shown(value)}; expected {expected}")
        self.value = value
        self.expected = expected
        self.item = item


def shown(value: object) -> str:
    """Any `value` on one short line, in the form in which a person would write it."""
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


def suggestion(
    name: str, known: list[str], before: str = "", after: str = "", otherwise: str = ""
) -> str:
    """The end of an error line about an unknown name: the nearest known name, else all names.

    `otherwise`: the advice instead of all names.
    """
    import difflib  # 1.3 MB, needed only after a mistake

    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name[:80].casefold(), folded, 1)
    if near:
        return f"did you mean {before}{folded[near[0]]}{after}?"
    if otherwise:
        return otherwise
    if len(known) > 20:
        return "`kwaainet help run` lists them all"
    return "expected " + " or ".join([f"{before}{other}{after}" for other in known])

"""The kinds of option: each parses, validates, describes and formats its values.

A kind accepts two forms: `check` takes a TOML value (integers, lists, ...), `from_text` the text of
an environment variable, a flag or a UCI option. Both return the value for the program, or raise
RefusedError. `text` and `toml` format a value so that it can be read back.

An option is a class attribute of its section (see schema.py). The instance attribute of the same
name hides it and holds the value; `__get__` declares the value's type for the type checker.
"""

from edge.config.address_rules import MAX_TEXT
from edge.config.errors import RefusedError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.address_rules import AddressRule

SOFT = "soft"  # takes effect at SIGHUP, for what exists as well
HARD = "hard"  # takes effect at the next start

PEER_ID = "a peer id such as 12D3KooW... or Qm..."
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_ITEMS = 64  # of a list

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Option:
    """The base of all options. `kind`: its name in the documentation and in LuCI's form.

    `placeholder`: the value's name in the help of the command line.
    """

    kind = ""
    placeholder = "VALUE"
    section = ""
    name = ""
    flag = ""
    environment = ""
    many = False  # a list

    def __init__(self, default: object, reload: str, help_text: str) -> None:
        self.default = default
        self.reload = reload
        self.help = help_text

    def initial(self) -> object:
        """The default, as a copy for the caller."""
        return self.default

    def expected(self) -> str:
        """The allowed values, as a text that follows "expected"."""
        raise NotImplementedError

    def allowed(self) -> str:
        """The end of `expected`, for a reader who knows the kind."""
        return self.expected()

    def check(self, value: object) -> object:
        raise NotImplementedError

    def from_text(self, text: str) -> object:
        return self.check(text)

    def text(self, value: object) -> str:
        return str(value)

    def toml(self, value: object) -> str:
        return _toml_string(self.text(value))

    def refuse(self, value: object) -> RefusedError:
        return RefusedError(value, self.expected())


class Integer(Option):
    """A whole number from `low` to `high`; with `zero`, also 0 or the word `zero` for it."""

    kind = "integer"
    placeholder = "N"
    units: "dict[str, int]" = {"": 1}  # noqa: RUF012 - a constant table of the class

    def __init__(
        self,
        default: int,
        low: int,
        high: int,
        reload: str,
        help_text: str,
        unit: str = "",
        zero: str = "",
    ) -> None:
        super().__init__(default, reload, help_text)
        self.low = low
        self.high = high
        self.unit = unit
        self.zero = zero

    def expected(self) -> str:
        return f"{self.wanted()} from {self.allowed()}"

    def allowed(self) -> str:
        zero = f', or "{self.zero}"' if self.zero else ""
        return f"{self.text(self.low)} to {self.text(self.high)}{zero}"

    def wanted(self) -> str:
        return "a whole number"

    def check(self, value: object) -> int:
        number = self.number(value)
        if number is None or not (self.low <= number <= self.high or (self.zero and not number)):
            raise self.refuse(value)
        return number

    def number(self, value: object) -> int | None:
        """The number of `value`, in range or not; None if it is not a number."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return 0 if self.zero and value == self.zero else None

    def from_text(self, text: str) -> int:
        # int() would also accept "1_000", " 7 " and other scripts' digits; 18 digits bound its
        # work.
        if text.isascii() and text.isdecimal() and len(text) <= 18:
            return self.check_text(int(text), text)
        return self.check(text)

    def check_text(self, number: int, text: str) -> int:
        try:
            return self.check(number)
        except RefusedError:
            raise self.refuse(text) from None

    def text(self, value: object) -> str:
        assert isinstance(value, int)
        if self.zero and not value:
            return self.zero
        for suffix, factor in reversed(self.units.items()):
            if value and value % factor == 0:
                return f"{value // factor}{suffix}"
        return str(value)

    def toml(self, value: object) -> str:
        text = self.text(value)
        return text if text.isdecimal() else _toml_string(text)

    if TYPE_CHECKING:

        def __get__(self, section: object, owner: "type | None" = None) -> int: ...


class _Scaled(Integer):
    """A number with an optional unit: 64K, 5m."""

    def number(self, value: object) -> int | None:
        if not isinstance(value, str):
            return super().number(value)
        digits = value.rstrip("".join(self.units))
        suffix = value[len(digits) :]
        if suffix in self.units and digits.isascii() and digits.isdecimal() and len(digits) <= 18:
            return int(digits) * self.units[suffix]
        return super().number(value)


class Size(_Scaled):
    """Bytes: a number, or one with K, M, G or T for powers of 1024."""

    kind = "size"
    placeholder = "SIZE"
    units = _SIZES

    def wanted(self) -> str:
        return "a size (bytes, or with K, M, G or T)"


class Duration(_Scaled):
    """Seconds: a number, or one with s, m, h or d."""

    kind = "duration"
    placeholder = "TIME"
    units = _SECONDS

    def wanted(self) -> str:
        return "a duration (seconds, or with s, m, h or d)"


class Mark(Integer):
    """A number of 32 bits, hexadecimal as in firewall rules (0x10) or decimal."""

    kind = "mark"

    def wanted(self) -> str:
        return "a number such as 0x10"

    def number(self, value: object) -> int | None:
        if isinstance(value, str) and value[:2] == "0x" and 2 < len(value) <= 10:
            digits = value[2:].lower()
            if not digits.strip("0123456789abcdef"):
                return int(digits, 16)
        return super().number(value)

    def text(self, value: object) -> str:
        assert isinstance(value, int)
        return f"{value:#x}" if value or not self.zero else self.zero


class Bool(Option):
    kind = "bool"
    placeholder = "yes|no"

    def expected(self) -> str:
        return "true or false"

    def check(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise self.refuse(value)

    def from_text(self, text: str) -> bool:
        if text in ("yes", "true", "on", "1"):
            return True
        if text in ("no", "false", "off", "0"):
            return False
        raise self.refuse(text)

    def text(self, value: object) -> str:
        return "yes" if value else "no"

    def toml(self, value: object) -> str:
        return "true" if value else "false"

    if TYPE_CHECKING:

        def __get__(self, section: object, owner: "type | None" = None) -> bool: ...


class _String(Option):
    def check(self, value: object) -> str:
        raise NotImplementedError

    if TYPE_CHECKING:

        def __get__(self, section: object, owner: "type | None" = None) -> str: ...


class Choice(_String):
    kind = "choice"

    def __init__(
        self, default: str, choices: "tuple[str, ...]", reload: str, help_text: str
    ) -> None:
        super().__init__(default, reload, help_text)
        self.choices = choices
        self.placeholder = "|".join(choices)

    def expected(self) -> str:
        return ", ".join(self.choices[:-1]) + " or " + self.choices[-1]

    def check(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise self.refuse(value)


class Interface(_String):
    """The name of a network interface, or "auto" unless it is `required`."""

    AUTO = "auto"
    kind = "interface"
    placeholder = "NAME"

    def __init__(self, reload: str, help_text: str, required: bool = False) -> None:
        super().__init__(None if required else self.AUTO, reload, help_text)

    def expected(self) -> str:
        name = "an interface's name of 1 to 15 characters"
        return name if self.default is None else f"auto, or {name}"

    def check(self, value: object) -> str:
        if _is_interface(value) and (value != self.AUTO or self.default is not None):
            return str(value)
        raise self.refuse(value)


class Path(_String):
    """A path, or "auto": `auto` describes the default, which the user of the option resolves."""

    AUTO = "auto"
    kind = "path"
    placeholder = "DIR"

    def __init__(self, reload: str, help_text: str, auto: str) -> None:
        super().__init__(self.AUTO, reload, help_text)
        self.auto = auto

    def expected(self) -> str:
        return f"a path of 1 to {MAX_TEXT} printable characters"

    def check(self, value: object) -> str:
        if not (isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()):
            raise self.refuse(value)
        if value[0] in "~$":  # whose home it is depends on who runs what, and so would the identity
            raise RefusedError(value, "a path in full: only a shell knows what ~ and $ stand for")
        return value


class Address(_String):
    """One multiaddr accepted by `rule`; the value is in canonical form."""

    kind = "multiaddr"
    placeholder = "ADDR"

    def __init__(self, rule: "AddressRule", reload: str, help_text: str) -> None:
        super().__init__(None, reload, help_text)  # no default address
        self.rule = rule

    def expected(self) -> str:
        return self.rule.expected

    def check(self, value: object) -> str:
        return self.rule.check(value)


class TimeOfDay(_String):
    """Hours and minutes, 00:00 to 24:00."""

    kind = "time of day"
    placeholder = "HH:MM"

    def expected(self) -> str:
        return "a time of day from 00:00 to 24:00"

    def check(self, value: object) -> str:
        if not isinstance(value, str) or len(value) != 5 or not value.isascii():
            raise self.refuse(value)
        hours, colon, minutes = value.partition(":")
        if len(hours) != 2 or not colon or not (hours + minutes).isdecimal():
            raise self.refuse(value)
        if int(minutes) > 59 or int(hours) * 60 + int(minutes) > 24 * 60:
            raise self.refuse(value)
        return value


class TimeZone(_String):
    """A POSIX TZ string, or "auto" for the machine's."""

    AUTO = "auto"
    kind = "time zone"
    placeholder = "TZ"

    def expected(self) -> str:
        return 'a POSIX time zone such as "CET-1CEST,M3.5.0,M10.5.0/3", or "auto"'

    def check(self, value: object) -> str:
        from edge.zone import Zone, ZoneError

        if value == self.AUTO:
            return self.AUTO
        if not isinstance(value, str):
            raise self.refuse(value)
        try:
            return Zone.from_string(value).text
        except ZoneError as error:
            raise RefusedError(value, f"{self.expected()} ({error})") from None


class PeerIdOf(_String):
    """One peer id, in its canonical form."""

    kind = "peer id"
    placeholder = "PEER_ID"

    def __init__(self, reload: str, help_text: str) -> None:
        super().__init__(None, reload, help_text)

    def expected(self) -> str:
        return PEER_ID

    def check(self, value: object) -> str:
        from edge.wire.peerid import PeerId

        try:
            if isinstance(value, str):
                return str(PeerId.from_string(value))
        except WireError:
            pass  # refused below
        raise self.refuse(value)


class Mac(_String):
    """The hardware address of an Ethernet port; the value is in lower case with colons."""

    kind = "MAC address"
    placeholder = "MAC"

    def __init__(self, reload: str, help_text: str) -> None:
        super().__init__(None, reload, help_text)

    def expected(self) -> str:
        return "a MAC address such as 00:16:3e:12:34:56"

    def check(self, value: object) -> str:
        parts = value.replace("-", ":").lower().split(":") if isinstance(value, str) else []
        if len(parts) != 6 or not all(_is_octet(part) for part in parts):
            raise self.refuse(value)
        return ":".join(parts)


class _List(Option):
    """A list of items; as text they are separated by commas or spaces."""

    many = True

    def initial(self) -> list[str]:
        assert isinstance(self.default, tuple)
        return list(self.default)

    def expected(self) -> str:
        return f"a list of at most {MAX_ITEMS}, each {self.item_expected()}"

    def allowed(self) -> str:
        return self.item_expected()

    def item_expected(self) -> str:
        raise NotImplementedError

    def check_item(self, value: object) -> str:
        raise NotImplementedError

    def check(self, value: object) -> list[str]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise self.refuse(value)
        checked = []
        for index, item in enumerate(value):
            try:
                checked.append(self.check_item(item))
            except RefusedError as refused:
                raise RefusedError(refused.value, refused.expected, index) from None
        return checked

    def from_text(self, text: str) -> list[str]:
        return self.check(text.replace(",", " ").split())

    def text(self, value: object) -> str:
        assert isinstance(value, list | tuple)
        return ",".join(value)

    def toml(self, value: object) -> str:
        assert isinstance(value, list | tuple)
        return "[" + ", ".join([_toml_string(item) for item in value]) + "]"

    if TYPE_CHECKING:

        def __get__(self, section: object, owner: "type | None" = None) -> list[str]: ...


class Addresses(_List):
    kind = "list of multiaddr"
    placeholder = "ADDR"

    def __init__(
        self, default: "tuple[str, ...]", rule: "AddressRule", reload: str, help_text: str
    ) -> None:
        super().__init__(default, reload, help_text)
        self.rule = rule

    def item_expected(self) -> str:
        return self.rule.expected

    def check_item(self, value: object) -> str:
        return self.rule.check(value)


class Choices(_List):
    kind = "list of choices"

    def __init__(self, choices: "tuple[str, ...]", reload: str, help_text: str) -> None:
        super().__init__((), reload, help_text)
        self.choices = choices
        self.placeholder = "|".join(choices)

    def item_expected(self) -> str:
        return ", ".join(self.choices[:-1]) + " or " + self.choices[-1]

    def check_item(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise RefusedError(value, self.item_expected())


class PeerIds(_List):
    kind = "list of peer id"
    placeholder = "PEER_ID"

    def item_expected(self) -> str:
        return PEER_ID

    def check_item(self, value: object) -> str:
        from edge.wire.peerid import PeerId

        if not isinstance(value, str):
            raise RefusedError(value, self.item_expected())
        try:
            return str(PeerId.from_string(value))
        except WireError:
            raise RefusedError(value, self.item_expected()) from None


class Days(_List):
    """Days of the week; none means all."""

    kind = "list of days"
    placeholder = "DAY"

    def item_expected(self) -> str:
        return ", ".join(WEEKDAYS[:-1]) + " or " + WEEKDAYS[-1]

    def check_item(self, value: object) -> str:
        if isinstance(value, str) and value in WEEKDAYS:
            return value
        raise RefusedError(value, self.item_expected())


class Networks(_List):
    kind = "list of CIDR"
    placeholder = "CIDR"

    def item_expected(self) -> str:
        return "an IP address or range such as 192.0.2.0/24 or 2001:db8::/32"

    def check_item(self, value: object) -> str:
        import ipaddress

        try:
            if not isinstance(value, str):
                raise RefusedError(value, self.item_expected())
            return str(ipaddress.ip_network(value))
        except ValueError:
            raise RefusedError(value, self.item_expected()) from None


class Names(_List):
    """Names of hosts in the DNS or the owner's network; the values are in lower case."""

    kind = "list of host name"
    placeholder = "NAME"

    def item_expected(self) -> str:
        return "a host name such as router.lan"

    def check_item(self, value: object) -> str:
        if isinstance(value, str) and value.isascii() and 0 < len(value) <= 253:
            labels = value.lower().split(".")
            if all(label.strip("-_") and _NAME.issuperset(label) for label in labels):
                return value.lower()
        raise RefusedError(value, self.item_expected())


class Url(_String):
    """The address of an HTTP origin, in canonical form."""

    kind = "URL"
    placeholder = "URL"

    def expected(self) -> str:
        return "an address such as https://huggingface.co or http://192.168.1.2:8080/files"

    def check(self, value: object) -> str:
        from edge.url import Url as Parsed

        try:
            return str(Parsed.parse(value if isinstance(value, str) else ""))
        except ValueError:
            raise self.refuse(value) from None


class PathName(_String):
    """One part of a path, which names an origin of its own."""

    TAKEN = ("api", "datasets", "spaces", "models", "v2", "metrics", "health")
    kind = "name"
    placeholder = "NAME"

    def __init__(self, reload: str, help_text: str) -> None:
        super().__init__(None, reload, help_text)

    def expected(self) -> str:
        return "a name of 1 to 32 letters, digits, - and _, none of " + ", ".join(self.TAKEN)

    def check(self, value: object) -> str:
        named = isinstance(value, str) and 0 < len(value) <= 32 and value not in self.TAKEN
        if named and _NAME.issuperset(str(value).lower()):
            return str(value)
        raise self.refuse(value)


class Hosts(_List):
    """Hosts with ports, 443 where none is said; `*.` before a name stands for all below it."""

    kind = "list of host"
    placeholder = "HOST:PORT"

    def item_expected(self) -> str:
        return "a host such as cdn.example.org, *.example.org or 192.168.1.2:8080"

    def check_item(self, value: object) -> str:
        from edge.url import host_and_port

        text = value if isinstance(value, str) else ""
        star = "*." if text.startswith("*.") else ""
        try:
            host, port = host_and_port(text[len(star) :], 443)
        except ValueError:
            raise RefusedError(value, self.item_expected()) from None
        return f"{star}[{host}]:{port}" if ":" in host else f"{star}{host}:{port}"


class Interfaces(_List):
    kind = "list of interface"
    placeholder = "NAME"

    def item_expected(self) -> str:
        return "an interface's name of 1 to 15 characters"

    def check_item(self, value: object) -> str:
        if _is_interface(value):
            return str(value)
        raise RefusedError(value, self.item_expected())


def _is_interface(value: object) -> bool:
    if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= 15:
        return False
    return "".join([char for char in value if char not in "._-+@"]).isalnum()


def _is_octet(text: str) -> bool:
    return len(text) == 2 and all(char in "0123456789abcdef" for char in text)


def _toml_string(text: str) -> str:
    return '"' + "".join([_TOML_ESCAPES.get(char, char) for char in text]) + '"'


_TOML_ESCAPES = {'"': '\\"', "\\": "\\\\"}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")

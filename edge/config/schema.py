"""The schema: every option of the node, once. All readers, the help and the documents come from it.

To add an option, add its line to a section; to add a section, add its class to SECTIONS. Names are
those of the field (go-libp2p's relay) and are the same in TOML, in UCI and, with the section in
front, in the environment and on the command line; options of [node] go there without it.
"""

from edge.config.errors import ConfigError, suggestion
from edge.config.kinds import (
    EXTERNAL,
    HARD,
    LISTEN,
    PEER,
    RELAY,
    SOFT,
    Address,
    Addresses,
    Bool,
    Choice,
    Choices,
    Days,
    Duration,
    Integer,
    Interface,
    Mac,
    Mark,
    Networks,
    Option,
    Path,
    PeerIdOf,
    PeerIds,
    Size,
    TimeOfDay,
    TimeZone,
)
from edge.log import escape
from edge.units import KIB, MIB, TIB

MINUTE, HOUR, DAY = 60, 3600, 86400
ENVIRONMENT = "KWAAINET_"

MAX_REPEATED = 64  # sections of one name
# Those that ask for no more than an ordinary packet gets; edge/qos/marks.py has their numbers.
CODE_POINTS = ("none", "le", "cs1", "cs0", "af11", "af12", "af13")


class Section:
    """A section's values as attributes, and where each came from in `origins`."""

    NAME = ""
    MANY = False  # [[name]]: may stand several times, as UCI's anonymous sections do
    EXAMPLE = ""  # of one with MANY, as TOML
    HELP = ""

    def __init__(self, values: dict[str, object], origins: dict[str, str]) -> None:
        self.origins = origins
        for option in self.options():
            self.set(option.name, values[option.name])

    def __init_subclass__(cls) -> None:
        for name, option in vars(cls).items():
            if isinstance(option, Option):
                option.section = cls.NAME
                option.name = name
                option.flag = _flag(cls, name)
                if option.flag:
                    option.environment = ENVIRONMENT + option.flag.upper().replace("-", "_")

    @classmethod
    def options(cls) -> list[Option]:
        return [option for option in vars(cls).values() if isinstance(option, Option)]

    @classmethod
    def option(cls, name: str) -> Option:
        """Raises ConfigError with the nearest name if there is none such."""
        for option in cls.options():
            if option.name == name:
                return option
        names = [option.name for option in cls.options()]
        raise ConfigError(f"unknown option; {suggestion(name, names)}")

    def set(self, name: str, value: object) -> None:
        vars(self)[name] = value

    def value(self, option: Option) -> object:
        return vars(self)[option.name]


def _flag(section: type[Section], name: str) -> str:
    """Of repeated sections only one that is a single value can be written as a flag."""
    if section.NAME == "node":
        return name.replace("_", "-")
    if section.MANY:
        return section.NAME if len(section.options()) == 1 else ""
    return f"{section.NAME}-{name}".replace("_", "-")


# fmt: off
class Node(Section):
    NAME = "node"
    HELP = "The node as a whole: where it listens, what it keeps, what it may use."

    mode = Choice("auto", ("auto", "full", "light", "relay"), HARD,
        "What the node does; auto decides by the hardware it finds.")
    listen = Addresses(("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"), LISTEN, HARD,
        "Addresses to listen on; an empty list is a node that only dials. Port 0: any free one.")
    external_address = Addresses((), EXTERNAL, SOFT,
        "Addresses others reach this node at, such as a forwarded port; advertised unconfirmed.")
    data_dir = Path(HARD,
        "Directory of the identity and the peer store, which must outlive a reboot.",
        auto="/var/lib/kwaainet for root, else $XDG_DATA_HOME/kwaainet or ~/.local/share/kwaainet;"
             " on OpenWrt /etc/kwaainet")
    run_dir = Path(HARD,
        "Directory of the status socket, which need not outlive a reboot.",
        auto="the data directory; on OpenWrt /var/run/kwaainet")
    log_level = Choice("info", ("debug", "info", "warning", "error"), SOFT,
        "The least grave lines that are logged.")
    memory_limit = Size(0, 16 * MIB, TIB, SOFT,
        "Memory the process may use; auto takes a quarter of the machine's, at least 24M.",
        unit="bytes", zero="auto")
    max_connections = Integer(0, 1, 65536, SOFT,
        "Connections in all; auto: as many as the memory limit has room for.",
        unit="connections", zero="auto")
    max_connections_per_peer = Integer(8, 1, 1024, SOFT,
        "Connections of one peer.", unit="connections")
    max_connections_per_ip = Integer(32, 1, 65536, SOFT,
        "Connections from one IPv4 address or one IPv6 /64; several peers may share it.",
        unit="connections")
    max_pending_handshakes = Integer(64, 1, 4096, SOFT,
        "Incoming connections that have not shown an identity yet.", unit="connections")
    max_streams_per_connection = Integer(256, 8, 4096, SOFT,
        "Streams a peer may have open on one connection.", unit="streams")
    handshake_timeout = Duration(10, 1, 5 * MINUTE, SOFT,
        "Time from TCP to a known peer id, after which a connection is closed.", unit="seconds")
    idle_timeout = Duration(2 * MINUTE, 5, DAY, SOFT,
        "Time a connection without streams and reservation is kept.", unit="seconds")
    keepalive_interval = Duration(30, 1, HOUR, SOFT,
        "Time of silence on a connection after which the peer is asked whether it lives.",
        unit="seconds")
    timezone = TimeZone("auto", SOFT,
        "Where the hours of the schedule are read; auto takes the machine's.")
    crypto = Choice("auto", ("auto", "native", "pure"), HARD,
        "Backend of the ciphers: compiled, or Python for machines without; auto prefers native.")

    loop = Choice("auto", ("auto", "asyncio", "uvloop"), HARD,
        "Event loop; auto takes uvloop where it is installed, which costs 7 MB of memory.")

class Relay(Section):
    NAME = "relay"
    HELP = "Circuit relay v2: the service for others, and our own use of other relays behind NAT."

    service = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Relay for others; auto does so while a public address is confirmed.")
    max_reservations = Integer(0, 1, 65536, SOFT,
        "Peers that may hold a slot; auto: as many as the memory limit has room for.",
        unit="reservations", zero="auto")
    max_reservations_per_ip = Integer(8, 1, 65536, SOFT,
        "Slots of one IPv4 address or one IPv6 /64.", unit="reservations")
    max_circuits = Integer(0, 1, 65536, SOFT,
        "Circuits open at a time; auto: as many as the memory limit has room for.",
        unit="circuits", zero="auto")
    max_circuits_per_peer = Integer(16, 1, 4096, SOFT,
        "Circuits one peer is an end of.", unit="circuits")
    max_circuits_per_ip = Integer(64, 1, 65536, SOFT,
        "Circuits dialled from one IPv4 address or one IPv6 /64.", unit="circuits")
    reservation_ttl = Duration(HOUR, 5, 30 * DAY, SOFT,
        "Time a reservation lasts; peers renew it before its end.", unit="seconds")
    duration = Duration(0, 1, 30 * DAY, SOFT,
        "Time after which a circuit is cut.", unit="seconds", zero="unlimited")
    data = Size(0, 1, 1024 * TIB, SOFT,
        "Bytes in one direction after which a circuit is cut.", unit="bytes", zero="unlimited")
    buffer_size = Size(0, 128 * KIB, MIB, HARD,
        "Bytes read from a connection at once, in one buffer for all; auto: by the memory limit.",
        unit="bytes", zero="auto")
    rate = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second relayed in all: the cap of the line, up and down alike.",
        unit="bytes a second", zero="unlimited")
    rate_per_peer = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second relayed from one peer, and as many to it.",
        unit="bytes a second", zero="unlimited")
    private = Bool(False, SOFT,
        "Relay only for the peers and networks that are allowed by name.")
    foreign_share = Integer(25, 0, 100, SOFT,
        "Slots that peers of other networks may hold, and give up when one of ours needs one.",
        unit="percent")
    allow_peers = PeerIds((), SOFT,
        "Peers that count as this network's own, and that a private relay serves.")
    deny_peers = PeerIds((), SOFT, "Peers that may not connect.")
    allow_networks = Networks((), SOFT, "IP ranges that a private relay serves.")
    deny_networks = Networks((), SOFT, "IP ranges that may not connect.")
    client = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Be reachable through other relays; auto does so while this node is behind NAT.")
    relays = Addresses((), RELAY, SOFT,
        "Relays to use before those the node finds by itself.")
    reservations = Integer(2, 1, 16, SOFT,
        "Relays on which a slot is kept at a time.", unit="relays")


class Qos(Section):
    NAME = "qos"
    HELP = "How the node gives way to others on the line: marks, caps, back-off, hooks."

    dscp_relay = Choice("le", CODE_POINTS, SOFT,
        "DSCP of connections that carry circuits; none: the system's own.")
    dscp_control = Choice("cs1", CODE_POINTS, SOFT,
        "DSCP of all others: handshakes, reservations, identify.")
    priority = Integer(1, 0, 6, SOFT,
        "SO_PRIORITY of every socket; 1 is the lowest there is, 0 an ordinary one's.")
    mark = Mark(0x6B000000, 0x1, 0xFFFFFFFF, SOFT,
        "SO_MARK of every socket, for firewalls, where the kernel permits it.", zero="none")
    rate_up = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second that relaying may send; all of it comes in, too, so the least rate holds.",
        unit="bytes a second", zero="unlimited")
    rate_down = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second that relaying may receive.", unit="bytes a second", zero="unlimited")
    backoff = Bool(False, SOFT,
        "On a router: relay less while others fill the line, or the way to the gateway queues.")
    wan = Interface(SOFT,
        "The interface that leads to the internet; auto: where the default route goes.")
    line_up = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second the line sends; auto: the most that was seen.",
        unit="bytes a second", zero="auto")
    line_down = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second the line receives; auto: the most that was seen.",
        unit="bytes a second", zero="auto")
    max_delay = Integer(30, 5, 1000, SOFT,
        "What the way to the gateway may take beyond its least before relaying slows down.",
        unit="milliseconds")
    shaper = Choice("none", ("none", "auto", "cake", "fq_codel", "htb"), HARD,
        "Queueing discipline that the shipped hook puts on the WAN interface; wants line_up.")
    hooks = Path(HARD,
        "Directory of programs told of start, stop, begin and end of back-off; or a named pipe.",
        auto="/etc/kwaainet/qos.d")


class Tier(Section):
    NAME = "tier"
    HELP = "What this machine is and is fit for, where the probe or the rules should not decide."

    memory = Size(0, 8 * MIB, 64 * TIB, HARD,
        "Memory of the machine; auto: what the kernel says, or the cgroup's limit.",
        unit="bytes", zero="auto")
    gpu = Choice("auto", ("auto", "none", "cuda", "jetson", "mali", "other"), HARD,
        "The GPU; inference can use cuda and jetson.")
    storage = Choice("auto", ("auto", "nvme", "ssd", "hdd", "emmc", "sd", "usb", "flash", "ram",
        "network", "virtual"), HARD,
        "What the data directory lies on.")
    router = Choice("auto", ("auto", "yes", "no"), HARD,
        "Whether its first work is routing; auto: where it runs OpenWrt.")
    roles = Choices(("inference", "relay", "cache", "bootstrap"), HARD,
        "What it is to do; none: as the rules have it.")
    blocks = Integer(0, 1, 256, HARD,
        "Model blocks to serve.", unit="blocks", zero="auto")
    block_size = Size(0, MIB, TIB, HARD,
        "Weights of one block of the model; auto: those of Llama 3.1 8B in 16 bits, 416M.",
        unit="bytes", zero="auto")
    cache_size = Size(0, MIB, 1024 * TIB, HARD,
        "Disk for the cache; auto: a quarter of what is free, a tenth on cards and sticks.",
        unit="bytes", zero="auto")


class Peer(Section):
    NAME = "peer"
    MANY = True
    HELP = "A peer to stay connected to, redialled for ever: one section for each."

    EXAMPLE = 'address = "/dns4/bootstrap.example.org/tcp/4001/p2p/PEER_ID"'

    address = Address(PEER, SOFT, "Where to dial it.")


class Adapt(Section):
    NAME = "adapt"
    HELP = "Stepping back when the machine or the household needs what the node uses."

    enabled = Bool(True, SOFT,
        "Follow memory, processor, heat, WAN and battery; the schedule counts in any case.")
    stay = Duration(2 * MINUTE, 10, DAY, SOFT,
        "Time after a change before the node does more again; half of it must be calm.",
        unit="seconds")
    drain = Duration(5 * MINUTE, 1, DAY, SOFT,
        "Time that open circuits have to finish when the node pauses.", unit="seconds")
    reduced_rate = Size(128 * KIB, 16 * KIB, TIB, SOFT,
        "Bytes a second relayed in all while the node has stepped back.", unit="bytes a second")
    max_cpu = Integer(90, 10, 100, SOFT,
        "Use of the processor by others beyond which the node steps back; 100: never.",
        unit="percent")
    max_temperature = Integer(80, 40, 120, SOFT,
        "Heat of the hottest part beyond which it steps back; 15 degrees more pause it.",
        unit="degrees Celsius")
    max_wan = Integer(50, 5, 100, SOFT,
        "Use of the WAN by others beyond which it steps back, with [qos] backoff; 100: never.",
        unit="percent")


class Schedule(Section):
    NAME = "schedule"
    MANY = True
    HELP = "Hours with a limit of their own. The first section that covers a moment counts."
    EXAMPLE = '''days = ["mon", "tue", "wed", "thu", "fri"]
start = "18:00"
end = "23:30"
mode = "paused"'''

    days = Days((), SOFT,
        "Days on which it begins; none: every day.")
    start = TimeOfDay("00:00", SOFT, "When it begins, in local time.")
    end = TimeOfDay("24:00", SOFT,
        "When it ends; an end that is not after the start is on the next day.")
    mode = Choice("full", ("full", "light", "relay", "paused"), SOFT,
        "What the node does at most; full is no limit, paused keeps slots and relays nothing.")
    rate = Size(0, 16 * KIB, TIB, SOFT,
        "Bytes a second relayed in all, where that is less than [relay] rate.",
        unit="bytes a second", zero="unlimited")


class Wake(Section):
    NAME = "wake"
    MANY = True
    HELP = "A machine in this network that may sleep: its slot is kept, a call for it wakes it."
    EXAMPLE = '''peer = "PEER_ID"
mac = "00:16:3e:12:34:56"
interface = "br-lan"'''

    peer = PeerIdOf(SOFT, "The peer id of the node that runs on it.")
    mac = Mac(SOFT, "The MAC address that its Ethernet port wakes up to.")
    interface = Interface(SOFT,
        "The interface of this machine at whose network it stands.", required=True)
    port = Integer(9, 1, 65535, SOFT, "The UDP port that the magic packet is sent to.")
    days = Days((), SOFT,
        "Days on which it may be woken; none: every day.")
    start = TimeOfDay("00:00", SOFT, "From when on it may be woken, in local time.")
    end = TimeOfDay("24:00", SOFT,
        "Until when; an end that is not after the start is on the next day.")
    wait = Duration(MINUTE, 1, 5 * MINUTE, SOFT,
        "Time that a caller is held while it boots.", unit="seconds")


class Status(Section):
    NAME = "status"
    HELP = "What the node tells programs about itself over HTTP."

    http = Bool(False, SOFT,
        "Serve /metrics (for Prometheus) and /health.")
    http_listen = Addresses(("/ip4/127.0.0.1/tcp/9464",), LISTEN, SOFT,
        "Where, without a password: addresses beyond this machine let all their network read it.")
# fmt: on


SECTIONS: tuple[type[Section], ...] = (
    *(Node, Relay, Qos, Tier, Adapt, Status),
    *(Peer, Schedule, Wake),
)
REPEATED = tuple(section for section in SECTIONS if section.MANY)


def section_named(name: str) -> type[Section]:
    """Raises ConfigError with the nearest name if there is none such."""
    for section in SECTIONS:
        if name == section.NAME:
            return section
    names = [section.NAME for section in SECTIONS]
    raise ConfigError(f"unknown section; {suggestion(name, names, '[', ']')}")


def option_by_flag(flag: str) -> Option:
    """The option `--flag` sets. Raises ConfigError with the nearest flag if there is none such."""
    for option in every_option():
        if option.flag and option.flag == flag:
            return option
    flags = ["config", *[option.flag for option in every_option() if option.flag]]
    raise ConfigError(f"--{escape(flag, 80)}: unknown flag; {suggestion(flag, flags, '--')}")


def every_option() -> list[Option]:
    return [option for section in SECTIONS for option in section.options()]

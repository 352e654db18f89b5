"""The schema: every option of the node, defined once; readers, help and documents derive from it.

To add an option, add its line to a section; to add a section, add its class to SECTIONS. Names are
those of the field (go-libp2p's relay), the same in TOML and in UCI. In the environment and on the
command line the section is a prefix, which options of [node] omit.
"""

from edge.config.address_rules import EXTERNAL, LISTEN, PEER, RELAY
from edge.config.errors import ConfigError, suggestion
from edge.config.kinds import (
    HARD,
    SOFT,
    Address,
    Addresses,
    Bool,
    Choice,
    Choices,
    Days,
    Duration,
    Hosts,
    Integer,
    Interface,
    Interfaces,
    Mac,
    Mark,
    Names,
    Networks,
    Option,
    Path,
    PathName,
    PeerIdOf,
    PeerIds,
    Size,
    TimeOfDay,
    TimeZone,
    Url,
)
from edge.log import escape
from edge.networks import NETWORKS
from edge.units import KIB, MIB, TIB

MINUTE, HOUR, DAY = 60, 3600, 86400
ENVIRONMENT = "KWAAINET_"

MAX_REPEATED = 64  # sections of one name
# Code points of at most best-effort priority; edge/qos/marks.py has their numbers.
CODE_POINTS = ("none", "le", "cs1", "cs0", "af11", "af12", "af13")


class Section:
    """A section's values as attributes, and the origin of each in `origins`."""

    NAME = ""
    MANY = False  # [[name]]: may be repeated, as UCI's anonymous sections may
    EXAMPLE = ""  # TOML; for sections with MANY only
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
        """Raises ConfigError, which suggests the nearest name, if there is no such option."""
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
    """The flag of an option; "" for a repeated section of several options, which has no flags."""
    if section.NAME == "node":
        return name.replace("_", "-")
    if section.MANY:
        return section.NAME if len(section.options()) == 1 else ""
    return f"{section.NAME}-{name}".replace("_", "-")


# fmt: off
class Node(Section):
    NAME = "node"
    HELP = "Mode, addresses, directories and resource limits of the node."

    mode = Choice("auto", ("auto", "full", "light", "relay"), HARD,
        "Mode of the node; auto selects it from the hardware.")
    network = Choice("none", tuple(NETWORKS), SOFT,
        "Network to join through its bootstraps, beside those in [[peer]]; none: only those.")
    listen = Addresses(("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"), LISTEN, HARD,
        "Listen addresses; with an empty list the node only dials. Port 0 picks a free port.")
    external_address = Addresses((), EXTERNAL, SOFT,
        "Public addresses, such as a forwarded port; advertised without confirmation.")
    data_dir = Path(HARD,
        "Directory of the identity and the peer store; must persist across reboots.",
        auto="/var/lib/kwaainet for root, else $XDG_DATA_HOME/kwaainet or ~/.local/share/kwaainet;"
             " on OpenWrt /etc/kwaainet/data")
    run_dir = Path(HARD,
        "Directory of the status socket; may be volatile.",
        auto="the data directory; on OpenWrt /var/run/kwaainet")
    log_level = Choice("info", ("debug", "info", "warning", "error"), SOFT,
        "Minimum severity to log.")
    memory_limit = Size(0, 16 * MIB, TIB, SOFT,
        "Memory limit of the process; auto: a quarter of the machine's memory, at least 24M.",
        unit="bytes", zero="auto")
    max_connections = Integer(0, 1, 65536, SOFT,
        "Maximum number of connections; auto: derived from the memory limit.",
        unit="connections", zero="auto")
    max_connections_per_peer = Integer(8, 1, 1024, SOFT,
        "Maximum connections per peer.", unit="connections")
    max_connections_per_ip = Integer(32, 1, 65536, SOFT,
        "Maximum connections per relay, IPv4 address or /64; twice per /56, 4 times per /48, /24.",
        unit="connections")
    max_pending_handshakes = Integer(64, 1, 4096, SOFT,
        "Maximum incoming connections with an unfinished handshake.", unit="connections")
    max_streams_per_connection = Integer(256, 8, 4096, SOFT,
        "Maximum open streams of a peer per connection.", unit="streams")
    handshake_timeout = Duration(10, 1, 5 * MINUTE, SOFT,
        "Maximum time for the handshake.", unit="seconds")
    idle_timeout = Duration(2 * MINUTE, 5, DAY, SOFT,
        "Idle time after which a connection is closed; 5 times as long for peers of this network.",
        unit="seconds")
    keepalive_interval = Duration(30, 1, HOUR, SOFT,
        "Time without incoming data after which a keepalive ping is sent.",
        unit="seconds")
    timezone = TimeZone("auto", SOFT,
        "Time zone of schedules and wake windows; auto: that of the system.")
    crypto = Choice("auto", ("auto", "native", "pure"), HARD,
        "Cipher backend: compiled (native) or plain Python (pure); auto prefers native.")

    loop = Choice("auto", ("auto", "asyncio", "uvloop"), HARD,
        "Event loop; auto uses uvloop if installed, which costs 7 MB of memory.")

class Relay(Section):
    NAME = "relay"
    HELP = "Circuit relay v2: the relay service, and reservations on other relays while behind NAT."

    service = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Relay for other peers; auto: while a public address is confirmed.")
    max_reservations = Integer(0, 1, 65536, SOFT,
        "Maximum number of reservations; auto: derived from the memory limit.",
        unit="reservations", zero="auto")
    max_reservations_per_ip = Integer(8, 1, 65536, SOFT,
        "Maximum reservations per IPv4 address or IPv6 /64; twice per /56, 4 times per /48, /24.",
        unit="reservations")
    max_circuits = Integer(0, 1, 65536, SOFT,
        "Maximum number of open circuits; auto: derived from the memory limit.",
        unit="circuits", zero="auto")
    max_circuits_per_peer = Integer(16, 1, 4096, SOFT,
        "Maximum circuits per peer, at either end.", unit="circuits")
    max_circuits_per_ip = Integer(64, 1, 65536, SOFT,
        "Maximum circuits per dialer's IPv4 address or /64; twice per /56, 4 times per /48, /24.",
        unit="circuits")
    reservation_ttl = Duration(HOUR, 5, 30 * DAY, SOFT,
        "TTL of a reservation; peers renew it before it expires.", unit="seconds")
    duration = Duration(0, 1, 30 * DAY, SOFT,
        "Maximum duration of a circuit.", unit="seconds", zero="unlimited")
    data = Size(0, 1, 1024 * TIB, SOFT,
        "Maximum bytes per direction of a circuit.", unit="bytes", zero="unlimited")
    buffer_size = Size(0, 128 * KIB, MIB, HARD,
        "Size of the read buffer that all connections share; auto: derived from the memory limit.",
        unit="bytes", zero="auto")
    rate = Size(0, 16 * KIB, TIB, SOFT,
        "Maximum relay rate in total, in bytes per second; the line carries it in both directions.",
        unit="bytes per second", zero="unlimited")
    rate_per_peer = Size(0, 16 * KIB, TIB, SOFT,
        "Maximum relay rate per peer in bytes per second, in each direction.",
        unit="bytes per second", zero="unlimited")
    private = Bool(False, SOFT,
        "Relay only for allow_peers and allow_networks.")
    foreign_share = Integer(25, 0, 100, SOFT,
        "Share of reservations for foreign peers, evicted when peers of this network need them.",
        unit="percent")
    allow_peers = PeerIds((), SOFT,
        "Peers that count as members of this network and may wake sleepers; a private relay serves"
        " them.")
    deny_peers = PeerIds((), SOFT, "Peers whose connections are refused.")
    allow_networks = Networks((), SOFT, "IP ranges that a private relay serves.")
    deny_networks = Networks((), SOFT, "IP ranges whose connections are refused.")
    client = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Stay reachable through other relays; auto: while this node is behind NAT.")
    relays = Addresses((), RELAY, SOFT,
        "Preferred relays, used before those that the node discovers.")
    reservations = Integer(2, 1, 16, SOFT,
        "Reservations to hold on other relays.", unit="relays")


class Kad(Section):
    NAME = "kad"
    HELP = "Peer routing: finding peers by their id, by libp2p's DHT."

    service = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Answer the searches of other peers; auto: of those that can reach this node directly.")
    ipfs = Bool(False, SOFT,
        "Answer also under the name of IPFS, /ipfs/kad/1.0.0; the peers of IPFS come then, too.")
class Dht(Section):
    NAME = "dht"
    HELP = "The DHT of hivemind and KwaaiNet: records of who serves what, stored for others."

    enabled = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Store records for other peers; auto: while a public address is confirmed; no: no DHT.")
    decentralized = Bool(False, SOFT,
        "Store own records at the nearest nodes; otherwise at the configured peers only.")
    permissive = Bool(False, HARD,
        "Accept records that name another peer than their writer, as hivemind does.")
class Autonat(Section):
    NAME = "autonat"
    HELP = "Reachability: peers dial this node back to find out, and it does so for them (AutoNAT)."

    service = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Dial back peers that ask; auto: while this node is reachable itself.")
    client = Bool(True, SOFT,
        "Ask peers to dial back, to find out whether this node is reachable.")


class Cache(Section):
    NAME = "cache"
    HELP = "Cache of model files: pulled through over HTTP, shared in pieces with peers."

    gateway = Bool(False, SOFT,
        "Serve the Hugging Face hub and other origins to the local network, through the cache.")
    gateway_listen = Addresses(("/ip4/0.0.0.0/tcp/8421", "/ip6/::/tcp/8421"), LISTEN, SOFT,
        "Listen addresses of the gateway; clients of other than local networks are refused.")
    gateway_names = Names((), SOFT,
        "Names by which the gateway may be asked for, besides IP addresses and localhost.")
    gateway_networks = Networks((), SOFT,
        "IP ranges whose clients are served, besides private and link-local ones.")
    cors = Bool(False, SOFT,
        "Let pages of any site read through the gateway what is public (CORS).")
    directory = Path(HARD,
        "Directory of the cached files: on flash, a USB disk or a RAM disk.",
        auto="cache in the data directory")
    size = Size(0, 4 * MIB, 1024 * TIB, SOFT,
        "Maximum disk space; auto: [tier] cache_size. The disk's last 5 percent stay free.",
        unit="bytes", zero="auto")
    max_written = Size(0, MIB, TIB, SOFT,
        "Maximum bytes written per day; auto: size on raw flash (jffs2, ubifs), else unlimited.",
        unit="bytes per day", zero="auto")
    fragments = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Share cached files in pieces with peers; auto: while the cache holds any.")
    allow_peers = PeerIds((), SOFT,
        "Peers that pieces are shared with; empty: all.")
    deny_peers = PeerIds((), SOFT,
        "Peers that pieces are not shared with.")
    trusted = PeerIds((), SOFT,
        "Peers whose attestation of a file suffices; else two must agree.")
    hub = Url("https://huggingface.co", SOFT,
        "Address of the hub.")
    storage_hosts = Hosts(("*.huggingface.co:443", "*.hf.co:443", "*.xethub.hf.co:443"), SOFT,
        "Hosts to which the hub may redirect downloads; they are never sent tokens.")
    registry = Url("https://registry.ollama.ai", SOFT,
        "Address of the registry of Ollama models.")
    registry_hosts = Hosts(("*.r2.cloudflarestorage.com:443",), SOFT,
        "Hosts to which the registry may redirect downloads.")
    whole_files = Bool(False, SOFT,
        "Fetch a whole file when a range of it is asked for.")


class Origin(Section):
    NAME = "origin"
    MANY = True
    HELP = "HTTP origin that the gateway serves below /NAME/. One section per origin."
    EXAMPLE = '''name = "mirror"
url = "https://mirror.example.org/models"'''

    name = PathName(SOFT, "First part of the path under which the gateway serves the origin.")
    url = Url(None, SOFT, "Address of the origin.")
    hosts = Hosts((), SOFT, "Hosts to which the origin may redirect downloads.")


class Qos(Section):
    NAME = "qos"
    HELP = "Yielding to other traffic on the line: packet marks, rate limits, back-off and hooks."

    dscp_relay = Choice("le", CODE_POINTS, SOFT,
        "DSCP of connections that carry circuits; none: the system default.")
    dscp_control = Choice("cs1", CODE_POINTS, SOFT,
        "DSCP of all other connections: handshakes, reservations, identify.")
    priority = Integer(1, 0, 6, SOFT,
        "SO_PRIORITY of every socket: 1 is the lowest priority, 0 the system default.")
    mark = Mark(0x6B000000, 0x1, 0xFFFFFFFF, SOFT,
        "SO_MARK of every socket, for firewalls; set where the kernel permits it.", zero="none")
    rate_up = Size(0, 16 * KIB, TIB, SOFT,
        "Upload limit in bytes per second; relaying downloads as much: the lowest limit applies.",
        unit="bytes per second", zero="unlimited")
    rate_down = Size(0, 16 * KIB, TIB, SOFT,
        "Download limit in bytes per second.", unit="bytes per second", zero="unlimited")
    backoff = Bool(False, SOFT,
        "On a router: throttle while other traffic fills the line or delays the gateway's replies.")
    wan = Interface(SOFT,
        "WAN interface; auto: that of the default route.")
    line_up = Size(0, 16 * KIB, TIB, SOFT,
        "Upload capacity of the line in bytes per second; auto: the highest rate observed.",
        unit="bytes per second", zero="auto")
    line_down = Size(0, 16 * KIB, TIB, SOFT,
        "Download capacity of the line in bytes per second; auto: the highest rate observed.",
        unit="bytes per second", zero="auto")
    max_delay = Integer(30, 5, 1000, SOFT,
        "Queueing delay to the gateway that slows relaying.",
        unit="milliseconds")
    shaper = Choice("none", ("none", "auto", "cake", "fq_codel", "htb"), HARD,
        "Queueing discipline that the shipped hook sets on the WAN interface; requires line_up.")
    hooks = Path(HARD,
        "Directory of hooks for start, stop, and begin and end of back-off; or a named pipe.",
        auto="/etc/kwaainet/qos.d")


class Tier(Section):
    NAME = "tier"
    HELP = "Overrides for the hardware probe and for the rules that select a tier."

    memory = Size(0, 8 * MIB, 64 * TIB, HARD,
        "Memory of the machine; auto: the kernel's figure or the cgroup's limit.",
        unit="bytes", zero="auto")
    gpu = Choice("auto", ("auto", "none", "cuda", "jetson", "mali", "other"), HARD,
        "Type of the GPU; inference supports cuda and jetson.")
    storage = Choice("auto", ("auto", "nvme", "ssd", "hdd", "emmc", "sd", "usb", "flash", "ram",
        "network", "virtual"), HARD,
        "Storage type of the data directory.")
    router = Choice("auto", ("auto", "yes", "no"), HARD,
        "Treat the machine as a router; auto: if it runs OpenWrt.")
    roles = Choices(("inference", "relay", "cache", "bootstrap"), HARD,
        "Roles of the node; none: those that the rules assign.")
    blocks = Integer(0, 1, 256, HARD,
        "Number of model blocks to serve.", unit="blocks", zero="auto")
    block_size = Size(0, MIB, TIB, HARD,
        "Size of the weights of one model block; auto: 416M, as in Llama 3.1 8B at 16 bits.",
        unit="bytes", zero="auto")
    cache_size = Size(0, MIB, 1024 * TIB, HARD,
        "Disk space for the cache; auto: a quarter of the free space, a tenth on cards and sticks.",
        unit="bytes", zero="auto")


class Portmap(Section):
    NAME = "portmap"
    HELP = "Port mapping: the gateway is asked to forward the listening ports to this node."

    enabled = Choice("auto", ("auto", "yes", "no"), SOFT,
        "Ask by PCP, NAT-PMP or UPnP; auto: without a public address, configured or of this host.")


class Peer(Section):
    NAME = "peer"
    MANY = True
    HELP = "Peer to stay connected to, redialled without limit. One section per peer."

    EXAMPLE = 'address = "/dns4/bootstrap.example.org/tcp/4001/p2p/PEER_ID"'

    address = Address(PEER, SOFT, "Address of the peer, with its peer id.")


class Adapt(Section):
    NAME = "adapt"
    HELP = "Throttling while the machine or the household needs the resources."

    enabled = Bool(True, SOFT,
        "Throttle by memory, CPU, temperature, WAN and battery; schedules apply in any case.")
    stay = Duration(2 * MINUTE, 10, DAY, SOFT,
        "Time after a change before the node steps up; readings must stay low for half of it.",
        unit="seconds")
    drain = Duration(5 * MINUTE, 1, DAY, SOFT,
        "Time limit for open circuits to finish when the node pauses.", unit="seconds")
    reduced_rate = Size(128 * KIB, 16 * KIB, TIB, SOFT,
        "Maximum relay rate in bytes per second while the node is throttled.",
        unit="bytes per second")
    max_cpu = Integer(90, 10, 100, SOFT,
        "CPU usage by other processes that throttles the node; 100: never.",
        unit="percent")
    max_temperature = Integer(80, 40, 120, SOFT,
        "Temperature that throttles the node; it pauses 15 degrees above.",
        unit="degrees Celsius")
    max_wan = Integer(50, 5, 100, SOFT,
        "WAN usage by others that throttles the node; requires [qos] backoff; 100: never.",
        unit="percent")


class Schedule(Section):
    NAME = "schedule"
    MANY = True
    HELP = "Time window with its own limits. The first matching section applies."
    EXAMPLE = '''days = ["mon", "tue", "wed", "thu", "fri"]
start = "18:00"
end = "23:30"
mode = "paused"'''

    days = Days((), SOFT,
        "Days on which the window begins; none: every day.")
    start = TimeOfDay("00:00", SOFT, "Start of the window, in local time.")
    end = TimeOfDay("24:00", SOFT,
        "End of the window; an end that is not after the start is on the next day.")
    mode = Choice("full", ("full", "light", "relay", "paused"), SOFT,
        "Highest mode; full: no limit, paused: reservations are kept and nothing is relayed.")
    rate = Size(0, 16 * KIB, TIB, SOFT,
        "Maximum relay rate in bytes per second; the lower of this and [relay] rate applies.",
        unit="bytes per second", zero="unlimited")


class Wake(Section):
    NAME = "wake"
    MANY = True
    HELP = "Sleeper on the local network: keeps its reservation; circuits from allow_peers wake it."
    EXAMPLE = '''peer = "PEER_ID"
mac = "00:16:3e:12:34:56"
interface = "br-lan"'''

    peer = PeerIdOf(SOFT, "Peer id of the node on the sleeper.")
    mac = Mac(SOFT, "MAC address of the sleeper's Ethernet port.")
    interface = Interface(SOFT,
        "Local interface on the sleeper's network.", required=True)
    port = Integer(9, 1, 65535, SOFT, "UDP port of the magic packet.")
    days = Days((), SOFT,
        "Days on which the wake window begins; none: every day.")
    start = TimeOfDay("00:00", SOFT, "Start of the wake window, in local time.")
    end = TimeOfDay("24:00", SOFT,
        "End of the wake window; an end that is not after the start is on the next day.")
    wait = Duration(MINUTE, 1, 5 * MINUTE, SOFT,
        "Time that a circuit request waits for the sleeper to boot.", unit="seconds")


class Dcutr(Section):
    NAME = "dcutr"
    HELP = "Direct connections to peers behind NAT, which begin as circuits through a relay."

    enabled = Bool(True, SOFT,
        "Upgrade circuits of this node to direct connections (hole punching).")


class Mdns(Section):
    NAME = "mdns"
    HELP = "Discovery of peers on the local network by multicast DNS."

    enabled = Bool(True, SOFT,
        "Find peers on the local network, and be found; on a router on its LAN side alone.")
    interfaces = Interfaces((), SOFT,
        "Interfaces to use; none: br-lan on OpenWrt, else those with private addresses.")


class Status(Section):
    NAME = "status"
    HELP = "Metrics, health checks and a page to look at, over HTTP."

    http = Bool(False, SOFT,
        "Serve /metrics (Prometheus) and /health.")
    http_listen = Addresses(("/ip4/127.0.0.1/tcp/9464",), LISTEN, SOFT,
        "Listen addresses of the HTTP server; /metrics and /health are open to whoever reaches it.")
    page = Bool(False, SOFT,
        "Serve a page that shows the node; beyond this machine it asks for a token: kwaainet page.")
    http_names = Names((), SOFT,
        "Names by which the pages may be asked for, besides IP addresses and localhost.")
# fmt: on


SECTIONS: tuple[type[Section], ...] = (
    *(Node, Relay, Cache, Kad, Dht, Autonat, Dcutr, Qos, Tier, Adapt, Mdns, Portmap, Status),
    *(Peer, Origin, Schedule, Wake),
)
REPEATED = tuple(section for section in SECTIONS if section.MANY)


def section_named(name: str) -> type[Section]:
    """Raises ConfigError, which suggests the nearest name, if there is no such section."""
    for section in SECTIONS:
        if name == section.NAME:
            return section
    names = [section.NAME for section in SECTIONS]
    raise ConfigError(f"unknown section; {suggestion(name, names, '[', ']')}")


def option_by_flag(flag: str) -> Option:
    """The option that `--flag` sets. Raises ConfigError, which suggests the nearest flag."""
    for option in every_option():
        if option.flag and option.flag == flag:
            return option
    flags = ["config", *[option.flag for option in every_option() if option.flag]]
    raise ConfigError(f"--{escape(flag, 80)}: unknown flag; {suggestion(flag, flags, '--')}")


def every_option() -> list[Option]:
    return [option for section in SECTIONS for option in section.options()]

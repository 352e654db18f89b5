"""Each kind of option: what it takes as text and as TOML, what it refuses and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import address_rules, kinds
from edge.config.errors import RefusedError, shown
from edge.config.kinds import SOFT
from edge.config.schema import MIB, every_option

ED25519_PEER = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
RSA_PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

COUNT = kinds.Integer(5, 1, 100, SOFT, "")
COUNT_OR_NONE = kinds.Integer(0, 10, 100, SOFT, "", zero="unlimited")
SIZE = kinds.Size(0, 16 * MIB, 1 << 40, SOFT, "", zero="auto")
DURATION = kinds.Duration(60, 1, 86400, SOFT, "")
BOOL = kinds.Bool(default=False, reload=SOFT, help_text="")
CHOICE = kinds.Choice("a", ("a", "b", "c"), SOFT, "")
PATH = kinds.Path(SOFT, "", auto="there")
LISTEN = kinds.Addresses((), address_rules.LISTEN, SOFT, "")
EXTERNAL = kinds.Addresses((), address_rules.EXTERNAL, SOFT, "")
RELAYS = kinds.Addresses((), address_rules.RELAY, SOFT, "")
PEER = kinds.Address(address_rules.PEER, SOFT, "")
PEER_IDS = kinds.PeerIds((), SOFT, "")
NETWORKS = kinds.Networks((), SOFT, "")
NAMES = kinds.Names((), SOFT, "")
URL = kinds.Url(None, SOFT, "")
HOSTS = kinds.Hosts((), SOFT, "")
PATH_NAME = kinds.PathName(SOFT, "")


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (COUNT, "1", 1),
        (COUNT, "100", 100),
        (COUNT, "007", 7),
        (COUNT_OR_NONE, "0", 0),
        (COUNT_OR_NONE, "unlimited", 0),
        (SIZE, "16M", 16 * MIB),
        (SIZE, "16777216", 16 * MIB),
        (SIZE, "32768K", 32 * MIB),
        (SIZE, "1T", 1 << 40),
        (SIZE, "auto", 0),
        (SIZE, "0", 0),
        (DURATION, "90", 90),
        (DURATION, "90s", 90),
        (DURATION, "5m", 300),
        (DURATION, "2h", 7200),
        (DURATION, "1d", 86400),
        (BOOL, "yes", True),
        (BOOL, "on", True),
        (BOOL, "1", True),
        (BOOL, "no", False),
        (BOOL, "false", False),
        (CHOICE, "b", "b"),
        (PATH, "/var/lib/übung x", "/var/lib/übung x"),
        (PATH, "./~", "./~"),
        (PATH, "/srv/~a/$b", "/srv/~a/$b"),
        (LISTEN, "", []),
        (LISTEN, "/ip4/0.0.0.0/tcp/0", ["/ip4/0.0.0.0/tcp/0"]),
        (LISTEN, "/ip4/1.2.3.4/tcp/1, /ip6/::1/tcp/2", ["/ip4/1.2.3.4/tcp/1", "/ip6/::1/tcp/2"]),
        (LISTEN, "/ip6/2001:db8:0:0:0:0:0:1/tcp/2", ["/ip6/2001:db8::1/tcp/2"]),
        (EXTERNAL, "/dns4/relay.example.org/tcp/4001", ["/dns4/relay.example.org/tcp/4001"]),
        *[
            (EXTERNAL, f"/{host}/tcp/4001", [f"/{host}/tcp/4001"])
            for host in (
                "ip4/8.8.8.8",
                "ip4/10.0.0.1",  # in a network of one's own
                "ip4/192.168.1.1",
                "ip4/100.64.0.1",
                "ip4/192.0.2.9",  # examples of the documentation work
                "ip6/2001:db8::1",
                "ip6/2a00::1",
                "ip6/fd00::1",
                "dns/0x7f.example.org",
                "dns4/4001.example",
                "dns6/router.local",
            )
        ],
        (RELAYS, f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}", [f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}"]),
        (PEER, f"/ip4/1.2.3.4/tcp/1/ipfs/{RSA_PEER}", f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}"),
        (PEER_IDS, f"{RSA_PEER} {ED25519_PEER}", [RSA_PEER, ED25519_PEER]),
        (NETWORKS, "192.0.2.0/24,2001:db8::/32", ["192.0.2.0/24", "2001:db8::/32"]),
        (NETWORKS, "192.0.2.7", ["192.0.2.7/32"]),
        (NAMES, "Router.lan, nas", ["router.lan", "nas"]),
        (URL, "https://Hub.example", "https://hub.example"),
        (URL, "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        (URL, "https://hub.example:443/a/b/", "https://hub.example/a/b"),
        (URL, "http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
        (HOSTS, "CDN.example, *.a.example:8443", ["cdn.example:443", "*.a.example:8443"]),
        (HOSTS, "192.168.1.2:80,[::1]", ["192.168.1.2:80", "[::1]:443"]),
        (PATH_NAME, "my_mirror-2", "my_mirror-2"),
    ],
)
def test_text_that_is_taken(option: kinds.Option, text: str, value: object) -> None:
    assert option.from_text(text) == value


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *[(COUNT, text) for text in ("0", "101", "-1", "+1", " 1", "1_0", "1.0", "", "x", "٣")],
        (COUNT, "9" * 5000),
        (COUNT_OR_NONE, "9"),
        (COUNT_OR_NONE, "none"),
        *[
            (NAMES, text)
            for text in ("http://a", "a..b", ".", "-", "a:80", "a/b", "é.lan", "a" * 254)
        ],
        *[
            (URL, text)
            for text in (
                *("", "hub.example", "ftp://a", "https://", "https://a b", "https://u:p@a"),
                *(
                    "https://a/..",
                    "https://a//b",
                    "https://a/b?c",
                    "https://a/b#c",
                    "https://a/%2e",
                ),
                *("https://a:0", "https://a:65536", "https://[::1", "https://" + "a" * 600),
            )
        ],
        *[(HOSTS, text) for text in ("*", "*.", "a:0", "http://a", "a/b", "*.*.a", "[a]")],
        *[(PATH_NAME, text) for text in ("", "a/b", "api", "v2", "..", "a" * 33, "é", "metrics")],
        *[(SIZE, text) for text in ("15M", "1.5G", "24MB", "M", "24 M", "2T", "-24M", "24m", "")],
        (SIZE, "9" * 5000 + "M"),
        *[
            (DURATION, text)
            for text in ("0", "2d", "5 m", "1h30m", "s", "5ms", "1.5s", "unlimited")
        ],
        *[(BOOL, text) for text in ("", "YES", "2", "enabled")],
        *[(CHOICE, text) for text in ("", "A", "a,b", "d")],
        *[(PATH, text) for text in ("", "a\nb", "a\0b", "\udcff", "x" * 4097)],
        *[
            (LISTEN, text)
            for text in (
                "/ip4/300.0.0.1/tcp/1",
                "/ip4/1.2.3.4/tcp/65536",
                "/ip4/1.2.3.4/udp/1",
                "/dns4/example.org/tcp/1",
                f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}",
                "1.2.3.4:4001",
                "/ip4/1.2.3.4/tcp/1 x",
                "/ip4/1.2.3.4/tcp/1," * 65,
            )
        ],
        (EXTERNAL, "/ip4/1.2.3.4/tcp/0"),
        *[
            (EXTERNAL, f"/{host}/tcp/4001")
            for host in (
                "ip4/0.0.0.0",
                "ip4/0.1.2.3",
                "ip4/127.0.0.1",
                "ip4/127.255.255.255",
                "ip4/169.254.1.1",
                "ip4/224.0.0.1",
                "ip4/239.255.255.250",
                "ip4/240.0.0.1",
                "ip4/255.255.255.255",
                "ip4/198.18.0.1",
                "ip6/::",
                "ip6/::1",
                "ip6/fe80::1",
                "ip6/febf::1",
                "ip6/ff02::1",
                "ip6/::ffff:127.0.0.1",
                "ip6/::ffff:1.2.3.4",
                "ip6/64:ff9b::127.0.0.1",
                "ip6/4000::1",
                "dns/localhost",
                "dns4/LocalHost.",
                "dns6/a.localhost",
                "dns4/127.0.0.1",
                "dns4/127.1",
                "dns4/2130706433",
                "dns4/0x7f000001",
                "dns6/::1",
            )
        ],
        (EXTERNAL, f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}"),
        (RELAYS, "/ip4/1.2.3.4/tcp/1"),
        (RELAYS, f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}/p2p-circuit/p2p/{ED25519_PEER}"),
        (PEER, "/ip4/1.2.3.4/tcp/1"),
        (PEER, f"/p2p/{RSA_PEER}"),
        (PEER, "/ip4/1.2.3.4/tcp/1/p2p/Qm"),
        (PEER, "/ip4" * 5000),
        (PEER_IDS, "Qm"),
        (PEER_IDS, f"/p2p/{RSA_PEER}"),
        (NETWORKS, "192.0.2.1/24"),
        (NETWORKS, "192.0.2.0/33"),
        (NETWORKS, "example.org"),
    ],
)
def test_text_that_is_refused_in_one_short_line(option: kinds.Option, text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        option.from_text(text)
    line = str(caught.value)
    assert line.startswith("got ")
    assert "; expected " in line
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[(COUNT, value) for value in (0, 101, True, 5.0, "5", None, [5], {})],
        pytest.param(COUNT, 1 << 20000, id="20001 bits"),
        *[(SIZE, value) for value in (1, False, 24.0, ["24M"])],
        *[(DURATION, value) for value in (0, True, 1.5, {})],
        *[(BOOL, value) for value in (0, 1, "yes", [])],
        *[(CHOICE, value) for value in (True, 0, ["a"])],
        *[(PATH, value) for value in (7, True, [])],
        *[(LISTEN, value) for value in ("/ip4/1.2.3.4/tcp/1", {}, [1], [["/ip4/1.2.3.4/tcp/1"]])],
        *[(PEER, value) for value in (1, [f"/ip4/1.2.3.4/tcp/1/p2p/{RSA_PEER}"])],
        *[(PEER_IDS, value) for value in (RSA_PEER, [1])],
        *[(NETWORKS, value) for value in ("192.0.2.0/24", [0], [True])],
    ],
)
def test_toml_values_of_another_kind_are_refused(option: kinds.Option, value: object) -> None:
    with pytest.raises(RefusedError) as caught:
        option.check(value)
    assert len(str(caught.value)) < 400


def test_refusal_of_a_list_item_says_which() -> None:
    with pytest.raises(RefusedError) as caught:
        LISTEN.check(["/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2", "x"])
    assert caught.value.item == 2


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (COUNT, "a whole number from 1 to 100"),
        (COUNT_OR_NONE, 'a whole number from 10 to 100, or "unlimited"'),
        (SIZE, 'a size (bytes, or with K, M, G or T) from 16M to 1T, or "auto"'),
        (DURATION, "a duration (seconds, or with s, m, h or d) from 1s to 1d"),
        (CHOICE, "a, b or c"),
        (LISTEN, "a list of at most 64, each /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT"),
    ],
)
def test_words_for_what_is_allowed(option: kinds.Option, words: str) -> None:
    assert option.expected() == words


@given(st.integers(1, 1 << 40))
def test_sizes_and_durations_written_are_read_back(number: int) -> None:
    size = kinds.Size(1, 1, 1 << 40, SOFT, "")
    duration = kinds.Duration(1, 1, 1 << 40, SOFT, "")
    assert size.from_text(size.text(number)) == number
    assert duration.from_text(duration.text(number)) == number


@pytest.mark.parametrize("option", every_option(), ids=lambda option: option.flag)
def test_every_default_is_allowed_and_reads_back(option: kinds.Option) -> None:
    if option.default is None:
        assert option.section in ("peer", "origin", "wake")
        return
    default = option.initial()
    assert option.check(default) == default
    assert option.from_text(option.text(default)) == default


def test_flags_and_variables_are_unambiguous() -> None:
    flags = [option.flag for option in every_option() if option.flag]
    variables = [option.environment for option in every_option() if option.flag]
    taken = ["config", "help", "version", "json", "csv", "watch", "show", "count"]
    assert len({*flags, *taken}) == len(flags) + len(taken)
    assert len({*variables, "KWAAINET_CONFIG"}) == len(variables) + 1


def test_every_option_has_a_line_of_help() -> None:
    for option in every_option():
        assert option.help.endswith(".")
        assert "\n" not in option.help
        assert len(option.help) <= 100
        assert option.reload in ("soft", "hard")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_is_shown_on_one_short_line(value: object) -> None:
    line = shown(value)
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 2500


def test_what_is_wrong_with_an_external_address_is_said() -> None:
    with pytest.raises(RefusedError) as caught:
        EXTERNAL.from_text("/ip4/127.0.0.1/tcp/4001")
    assert str(caught.value) == (
        'got "/ip4/127.0.0.1/tcp/4001"; expected /ip4|ip6|dns|dns4|dns6/ADDRESS/tcp/PORT'
        " (a loopback address is another machine to everybody else)"
    )

"""What people see, to the letter."""

import textwrap

import examples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import text
from edge.status import view
from edge.status.banner import banner_text
from edge.tiers.report import tier_lines


def golden(block):
    return textwrap.dedent(block).strip("\n").splitlines()


def test_status_with_every_room():
    assert view.status_lines(examples.STATUS) == golden(
        """
        kwaainet 0.1.0, up 3 h 12 m
        peer id       12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp
        mode          relay (others use 83% of the WAN)
        fit for       light, tier 2: inference, relay; 1 to 2 model blocks; 20 to 40 VDA an hour
        throttled     no new reservations or circuits, at most 128.0 KiB/s
        reachable     yes, at a public address
        advertised    /ip4/203.0.113.5/tcp/4001
        listening     /ip4/0.0.0.0/tcp/4001
                      /ip6/::/tcp/4001
        not yet at    /ip4/10.9.9.9/tcp/4001
        unconfirmed   /ip6/2001:db8::5/tcp/4001 (by 1 peer)
        reservations  9 held for others (limit 128)
        own relays    12D3KooWJF..PykEq7, renewed within 45 m 10 s
        circuits      2 open, 41 since start (limit 256)
        relayed       1.2 GiB to listeners, 34.0 MiB to dialers
        port mapping  /ip4/203.0.113.5/tcp/4001 by PCP, renewed in 28 m
                      /ip4/203.0.113.5/tcp/50002 by UPnP, not confirmed yet, renewed in 28 m 20 s
        marks         DSCP le, priority 1, not permitted: mark
        relay rate    1.0 MiB/s (others need the line)
        on pppoe-wan  others 2.0 MiB/s up, 64.0 KiB/s down; 3.4 ms of queue to the gateway
        connections   14 open with 12 peers, 1 pending (limit 512)
        memory        23.0 MiB of 64.0 MiB (anonymous 15.0 MiB, peak 24.0 MiB)
        machine       61 MiB of memory: smaller windows, buffers and tables
        machine       nearly out of memory: new work is refused
        flash         12.0 KiB written since start
        refused       connections: 31 connections per ip, 2 handshake timeout
        refused       relay: 4 no reservation
        """
    )


def test_status_of_a_node_with_few_rooms():
    assert view.status_lines(examples.SPARSE) == golden(
        f"""
        kwaainet 0.1.0, up 2 s
        peer id      {examples.ID}
        mode         relay
        listening    nowhere
        connections  0 open with 0 peers, 0 pending (limit 512)
        """
    )


def test_tier_of_a_machine_that_is_known():
    answer = {"profile": examples.PROFILE, "decision": examples.STATUS["decision"]}
    assert tier_lines(answer) == golden(
        r"""
        Hardware
          machine      Raspberry Pi 400 Rev 1.0, aarch64
          system       debian, in a container (docker)
          memory       3.7 GiB, 3.4 GiB free, 2.0 GiB for this cgroup, swap 100.0 MiB, 50.0 MiB of it zram
          processor    Cortex-A72, 4 cores, 1.5 of them for this cgroup, 1800 MHz, asimd
          speed        copies 2.5 GiB a second
          gpu          other, v3d\x1b[31m
          disk         sd, 18.8 GiB free of 29.1 GiB, 10 % worn
          temperature  58 degrees C, throttled now
          power        battery, battery at 87 %, charging
          links        uplink eth0, 1000 Mbit/s; others up to 100 Mbit/s

        Tier
          mode          light (tier 2)
          roles         inference, relay
          blocks        1 to 2 model blocks
          cache         none
          relay         960.0 MiB, 2048 reservations, 2048 circuits at most
          contribution  20 to 40 VDA an hour in the network's plan

        Reasons
          It copies 2680 MB/s, enough for 3 blocks in 0.5 s a token.
          Its disk (sd) is no place for a full node's cache.

        This version does not serve inference yet, whatever the mode.
        """  # noqa: E501
    )


def test_tier_of_a_machine_of_which_nothing_is_known():
    decision = {
        **examples.STATUS["decision"],
        "mode": "relay",
        "tier": 3,
        "blocks": [0, 0],
        "cache_size": 5 << 30,
        "contribution": [5, 10],
        "reasons": ["How much memory it has is unknown.", "word " * 30],
    }
    lines = tier_lines({"profile": {}, "decision": decision})
    assert lines[:10] == golden(
        """
        Hardware
          system       unknown
          memory       unknown
          processor    cores unknown
          speed        unknown
          gpu          unknown
          disk         of unknown kind
          temperature  unknown
          power        unknown
          links        unknown
        """
    )
    assert "  blocks        none" in lines
    assert "  cache         5.0 GiB" in lines
    assert max(map(len, lines)) <= 100


def test_peers():
    lines = view.peers_lines(examples.PEERS)
    left = [
        ("PEER", "REMOTE", "UP", "RTT"),
        (examples.ID, "192.0.2.1:4001", "2 h 1 m", "12.3 ms"),
        (examples.OTHER, "[2001:db8::7]:52114", "59 s", "0.4 ms"),
        (examples.RSA, "relay 12D3KooWJF..PykEq7", "3 s", "-"),
    ]
    assert [line[:98] for line in lines[:4]] == [
        f"{peer:<52}  {remote:<24}  {up:>7}  {rtt:>7}  " for peer, remote, up, rtt in left
    ]
    assert [line[98:] for line in lines[:4]] == golden(
        r"""
        STREAMS  RESERVED  CIRCUITS     FROM       TO  AGENT
              3  yes              1  1.0 GiB  2.0 KiB  kwaainet-edge/0.1.0
              0  -                0      0 B      0 B  go-libp2p\x1b]0;owned\x07\u202e
              1  -                0      0 B      0 B  -
        """
    )
    assert lines[4:] == ["and 1 more"]


def test_peers_on_a_narrow_terminal_are_short_and_cut():
    lines = view.peers_lines(examples.PEERS, width=50)
    assert [line[:26] for line in lines] == [
        "PEER                REMOTE",
        "12D3KooWEy..c6iDEp  192.0.",
        "12D3KooWJF..PykEq7  [2001:",
        "QmaCpDMGvV..QLuvuJ  relay ",
        "and 1 more",
    ]
    assert max(map(len, lines)) == 50


def test_peers_without_a_relay_have_no_columns_for_it():
    peer = {key: examples.PEERS["peers"][2][key] for key in ("peer_id", "remote", "age", "streams")}
    assert view.peers_lines({"total": 1, "peers": [peer]}, width=100) == golden(
        """
        PEER                REMOTE                     UP  RTT  STREAMS  AGENT
        QmaCpDMGvV..QLuvuJ  relay 12D3KooWJF..PykEq7  3 s    -        1  -
        """
    )


def test_no_peers():
    assert view.peers_lines({"total": 0, "peers": []}) == ["no peer is connected"]


def test_connect():
    assert view.connect_lines(examples.CONNECTED) == golden(
        rf"""
        peer id    {examples.ID}
        connected  directly, 192.0.2.1:4001
        agent      js-libp2p/3.0.0 \x1b[31m
        protocols  /ipfs/id/1.0.0
                   /x/\x9b2J\r\n/\u202etxt
        """
    )


def test_connect_through_a_limited_relay_to_a_silent_peer():
    answer = {**examples.PEERS["peers"][2], "limited": True}
    assert view.connect_lines(answer) == golden(
        f"""
        peer id    {examples.RSA}
        connected  through a relay that limits the circuit's time or data, relay 12D3KooWJF..PykEq7
        agent      has not said who it is
        """
    )


def test_colour_is_for_the_head_alone_and_changes_no_text():
    plain, coloured = view.status_lines(examples.STATUS), view.status_lines(examples.STATUS, True)
    assert coloured[0] == f"\x1b[1m{plain[0]}\x1b[0m"
    assert coloured[1:] == plain[1:]


@pytest.mark.parametrize(
    ("remote", "seen"),
    [
        ("/ip4/192.0.2.1/tcp/4001", "192.0.2.1:4001"),
        ("/ip4/192.0.2.1/tcp/4001/p2p/" + examples.ID, "192.0.2.1:4001"),
        ("/ip6/::1/tcp/1", "[::1]:1"),
        ("/dns4/example.org/tcp/4001", "example.org:4001"),
        ("/ip4/192.0.2.1/udp/4001/quic-v1", "/ip4/192.0.2.1/udp/4001/quic-v1"),
        (f"/ip4/192.0.2.1/tcp/1/p2p/{examples.ID}/p2p-circuit", "relay 12D3KooWEy..c6iDEp"),
        ("/ip4/192.0.2.1/tcp/1/p2p-circuit", "relay 192.0.2.1:1"),
    ],
)
def test_where_a_connection_leads(remote, seen):
    assert view.endpoint({"remote": remote}) == seen


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (61, "1 m 1 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (7260, "2 h 1 m"),
        (86400 * 400 + 7200, "400 d 2 h"),
        (86460, "1 d"),
        (3610, "1 h"),
        (630, "10 m 30 s"),
    ],
)
def test_spans(seconds, seen):
    assert text.span(seconds) == seen


@pytest.mark.parametrize(
    ("count", "seen"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (1 << 20, "1.0 MiB"),
        (3 << 59, "1536.0 PiB"),
    ],
)
def test_sizes(count, seen):
    assert text.size(count) == seen


@given(st.text())
def test_whatever_is_shown_is_printable_ascii_of_bounded_length(value):
    seen = text.shown(value, 20)
    assert seen.isascii()
    assert seen == "" or seen.isprintable()
    assert len(seen) <= 20 * len("\\U00012345") + 3
    if value.isascii() and value.isprintable() and "\\" not in value and len(value) <= 20:
        assert seen == value


def unindented(text):
    lines = text.splitlines()
    assert all(line == "" or line.startswith("  ") for line in lines)
    return [line[2:] for line in lines[1:-1]]


def test_banner_of_a_node_that_others_reach():
    assert unindented(banner_text(examples.STATUS, "utf-8")) == golden(
        f"""
        kwaainet 0.1.0

        peer id     {examples.ID}
        mode        relay (others use 83% of the WAN)
        relay       up to 128 reservations, 256 circuits
        circuits    unlimited time and data
        listens at  /ip4/0.0.0.0/tcp/4001
                    /ip6/::/tcp/4001
        advertises  /ip4/203.0.113.5/tcp/4001
        memory      up to 64.0 MiB
        data        /var/lib/kwaainet

        → Give others this address: /ip4/203.0.113.5/tcp/4001/p2p/{examples.ID}
        → Another terminal: kwaainet status. To stop: Ctrl-C.

        """
    )


def behind_nat():
    return {
        **examples.STATUS,
        "nat": "private",
        "addresses": {"listening": ["/ip4/0.0.0.0/tcp/4001"], "advertised": []},
        "circuits": {**examples.STATUS["circuits"], "max_duration": 120, "max_data": 131072},
        "data_dir": "/tmp/kwaainet/dümmer",
    }


def test_banner_of_a_node_behind_nat_on_a_terminal_without_unicode():
    assert unindented(banner_text(behind_nat(), "ascii"))[4:] == golden(
        r"""
        relay       up to 128 reservations, 256 circuits
        circuits    closed after 2 m or 128.0 KiB each way
        listens at  /ip4/0.0.0.0/tcp/4001
        memory      up to 64.0 MiB
        data        /tmp/kwaainet/d\xfcmmer

        -> This node is behind NAT: forward TCP port 4001 on your router to this machine.
        -> Until then others reach it through relays only.
        -> Another terminal: kwaainet status. To stop: Ctrl-C.

        """
    )


@pytest.mark.parametrize(
    ("listening", "step"),
    [
        ([], None),
        (["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"], "Only this machine reaches it: "),
        (["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/2"], "Open TCP port 1 and 2 in your router's "),
    ],
)
def test_banner_says_what_is_left_to_do(listening, step):
    text = banner_text({**examples.SPARSE, "addresses": {"listening": listening}}, "ascii")
    steps = [line for line in text.splitlines() if line.startswith("  -> ")]
    assert steps[-1] == "  -> Another terminal: kwaainet status. To stop: Ctrl-C."
    assert (steps[0].startswith(f"  -> {step}")) == (step is not None)
    assert (len(steps) == 1) == (step is None)

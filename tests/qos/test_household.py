"""What a household gets beside a relay on its router, in network namespaces and bytes a second.

Needs root, iproute2, nftables and a kernel with htb. The peers are our own.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import ADDRESSES, DIALER, NetLab
from tests.qos.household import (
    HOOKS,
    MIB,
    ROUTER,
    count_code_points,
    download,
    give_internet,
    open_port,
    router,
    saturated,
    until_hooked,
    upload,
)

pytestmark = [pytest.mark.peers, pytest.mark.netns, pytest.mark.alone]

LINE = 4 * MIB
SHAPED = ("--qos-shaper", "auto", "--qos-line-up", str(LINE))
PORT = 5001
SECONDS = 4.0
INTERNET = "internet"
# A class of the hook's, changed by somebody: gone if the hook has made it anew.
MARKED = f"parent 6b:1 classid 6b:10 htb rate {LINE // 2}bps ceil {LINE}bps prio 3 quantum 6000"
LAST = Path("/var/run/kwaainet-tc")  # the hook's, of this machine and not of a namespace


@pytest.fixture
def lab() -> Iterator[NetLab]:
    LAST.unlink(missing_ok=True)
    with NetLab() as lab:
        give_internet(lab)
        open_port(lab)
        yield lab


def qdisc(lab: NetLab) -> str:
    return lab.run(ROUTER, "tc", "qdisc", "show", "dev", "wan")


def tables(lab: NetLab) -> str:
    return lab.run(ROUTER, "nft", "list", "tables")


def set_qdisc(lab: NetLab, host: str, interface: str, handle: str) -> None:
    """A line of LINE bytes a second with a queue of 150 ms, as a modem has it."""
    lab.run(host, *f"tc qdisc add dev {interface} root handle {handle}: htb default 1".split())
    one = f"tc class add dev {interface} parent {handle}: classid {handle}:1"
    lab.run(host, *one.split(), "htb", "rate", f"{LINE}bps", "quantum", "6000")
    queue = f"tc qdisc add dev {interface} parent {handle}:1 bfifo limit {LINE * 15 // 100}"
    lab.run(host, *queue.split())


@asynchronous(180)
async def test_uploads_keep_95_percent_beside_a_saturating_relay(lab: NetLab) -> None:
    before = qdisc(lab), tables(lab)
    async with router(lab, SHAPED) as relay:
        await until_hooked(relay, 2)
        assert "htb 6b:" in qdisc(lab)
        alone = await upload(lab, PORT, SECONDS)
        assert 0.6 * LINE < alone < LINE
        async with saturated(lab, relay):
            shares = []
            while len(shares) < 3 and max(shares, default=0) < 0.95:  # a busy machine stalls both
                shares.append(await upload(lab, PORT, SECONDS) / alone)
        listed = ", ".join([f"{share:.1%}" for share in shares])
        print(f"alone {alone / MIB:.2f} MiB/s, beside the relay {listed} of it")
        assert max(shares) >= 0.95
        marked = lab.run(ROUTER, "nft", "list", "counter", "inet", "kwaainet_qos", "sent")
        assert int(marked.split("bytes ")[1].split()[0]) > MIB
    assert (qdisc(lab), tables(lab)) == before


@asynchronous(180)
async def test_a_shaper_of_somebody_else_stays(lab: NetLab) -> None:
    set_qdisc(lab, ROUTER, "wan", "1")
    before = qdisc(lab)
    async with router(lab, SHAPED) as relay:
        await until_hooked(relay, 2)
        assert "no shaper on wan: already has htb 1:" in relay.log()
        assert qdisc(lab) == before
        assert "kwaainet_qos" in tables(lab)
    assert qdisc(lab) == before
    assert "kwaainet_qos" not in tables(lab)


@asynchronous(240)
async def test_downloads_are_given_way_to_on_a_line_that_is_known(lab: NetLab) -> None:
    """Nothing on the router can shape what comes in: the relay itself takes less."""
    set_qdisc(lab, INTERNET, "gateway", "1")
    lab.run(ROUTER, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    options = ("--qos-backoff", "yes", "--qos-line-down", str(LINE))
    async with router(lab, options) as relay:
        alone = await download(lab, PORT, SECONDS)
        async with saturated(lab, relay):
            await download(lab, PORT, 2 * SECONDS)
            beside = await download(lab, PORT, SECONDS)
            qos = (await relay.status())["qos"]
            print(f"alone {alone / MIB:.2f} MiB/s, beside the relay {beside / alone:.1%} of it")
            assert qos["backoff"] in ("line", "queue")
            assert qos["rate"] < LINE / 2
            assert qos["wan"]["probe"] == "icmp"
            assert beside >= 0.8 * alone
            assert "qos-backoff" in relay.log()
            await until_relaying_faster(relay, 4 * qos["rate"])


async def until_relaying_faster(relay: EdgeNode, rate: int) -> None:
    async def faster() -> bool:
        return bool((await relay.status())["qos"]["wan"]["own_down"] > rate)

    await until(faster, every=0.5)


@asynchronous(120)
async def test_what_a_killed_node_left_is_undone_by_the_next(lab: NetLab) -> None:
    before = qdisc(lab), tables(lab)
    async with router(lab, SHAPED) as relay:
        await until_hooked(relay, 2)
        await relay.kill()
        assert "htb 6b:" in qdisc(lab)
    async with router(lab, SHAPED) as relay:
        await until_hooked(relay, 2)
        assert "htb 6b:" in qdisc(lab)
    assert (qdisc(lab), tables(lab)) == before


@asynchronous(120)
async def test_a_node_without_rights_says_so_and_an_init_script_calls_the_hooks(
    lab: NetLab,
) -> None:
    before = qdisc(lab), tables(lab)
    jail = ("setpriv", "--bounding-set", "-net_admin,-net_raw")
    listen = [f"/ip4/{ADDRESSES[ROUTER]}/tcp/4001"]
    setup = Setup(listen=listen, within=(*lab.within(ROUTER), *jail))
    command = (sys.executable, "-m", "edge", "hooks")
    options = ("--qos-hooks", str(HOOKS), *SHAPED)
    async with EdgeNode(setup) as relay, saturated(lab, relay):
        assert (await relay.status())["qos"]["refused"] == ["mark"]
        lab.run(ROUTER, *command, "start", "--uid", "4001", *options)
        assert "meta skuid 4001" in lab.run(ROUTER, "nft", "list", "ruleset")
        lab.run(ROUTER, *command, "start", "--qos-mark", "none", *options)
        assert "tcp sport 4001" in lab.run(ROUTER, "nft", "list", "ruleset")
        assert "htb 6b:" in qdisc(lab)
        lab.run(ROUTER, *command, "stop", *options)
        assert (qdisc(lab), tables(lab)) == before


@asynchronous(120)
async def test_what_stands_stays_when_another_interface_has_an_event(lab: NetLab) -> None:
    """The table with its counters, the queue with its packets: nothing is made anew, or said."""
    command = (sys.executable, "-m", "edge", "hooks")
    options = ("--uid", "4001", "--qos-hooks", str(HOOKS), *SHAPED)
    lab.run(ROUTER, *command, "start", *options)
    made = lab.run(ROUTER, "nft", "-a", "list", "ruleset")
    assert "htb 6b:" in qdisc(lab)
    lab.run(ROUTER, "tc", "class", "change", "dev", "wan", *MARKED.split())
    for _ in range(2):
        assert lab.run(ROUTER, *command, "start", *options) == ""
        assert lab.run(ROUTER, "nft", "-a", "list", "ruleset") == made
        assert "prio 3" in lab.run(ROUTER, "tc", "class", "show", "dev", "wan")
    faster = [*options[:-1], str(2 * LINE)]
    lab.run(ROUTER, *command, "start", *faster)
    assert "prio 3" not in lab.run(ROUTER, "tc", "class", "show", "dev", "wan")
    lab.run(ROUTER, "nft", "flush", "chain", "inet", "kwaainet_qos", "out")
    lab.run(ROUTER, *command, "start", *faster)
    assert "jump ours" in lab.run(ROUTER, "nft", "list", "ruleset")
    lab.run(ROUTER, *command, "stop", *options)
    assert "6b:" not in qdisc(lab)


@asynchronous(120)
async def test_packets_bear_the_code_points(lab: NetLab) -> None:
    counted = count_code_points(lab, 1, 8, 0)
    async with router(lab) as relay, saturated(lab, relay):
        await until_hooked(relay, 2)
        le, cs1, plain = counted()
    assert le > 100  # what was relayed
    assert cs1 > 3  # the handshake and the reservation before it
    assert plain == 0


@asynchronous(120)
async def test_a_wan_that_comes_goes_and_is_another_one(lab: NetLab) -> None:
    lab.run(ROUTER, "ip", "route", "delete", "default")
    async with router(lab, SHAPED) as relay:
        await until_wan(relay, None)
        assert "kwaainet_qos" not in tables(lab)
        give_internet(lab)
        await until_wan(relay, "wan")
        await until_hooked(relay, 2)
        assert "htb 6b:" in qdisc(lab)
        lines = relay.log().count("qos-line")
        lab.run(ROUTER, "ip", "route", "replace", "default", "via", ADDRESSES[DIALER])

        async def other_gateway() -> bool:
            return relay.log().count("qos-line") > lines

        await until(other_gateway, every=0.2)  # which is nothing to hooks, as their count shows
        lab.run(ROUTER, "ip", "address", "add", "5.1.1.99/24", "dev", "wan")
        lab.run(ROUTER, "ip", "route", "replace", "default", "via", "192.168.7.2")
        await until_wan(relay, "lan")
        await until_hooked(relay, 6)
        assert "6b:" not in qdisc(lab)
        assert '"lan"' in lab.run(ROUTER, "nft", "list", "table", "inet", "kwaainet_qos")
        lab.run(ROUTER, "ip", "route", "delete", "default")
        await until_wan(relay, None)
        await until_hooked(relay, 8)
        assert "kwaainet_qos" not in tables(lab)
        give_internet(lab)
        async with saturated(lab, relay):  # it has relayed on all the while
            await until_wan(relay, "wan")
            await until_hooked(relay, 10)


async def until_wan(relay: EdgeNode, name: str | None) -> None:
    async def there() -> bool:
        wan = (await relay.status())["qos"].get("wan")
        return (wan["interface"] if wan else None) == name

    await until(there, every=0.2)

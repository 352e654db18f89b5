"""The init script under busybox ash: what it tells procd and the firewall for a given UCI file.

Procd, uci and rc.common are stand-ins (standin/), `kwaainet check-config` is the real one.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwrt.package.recipe import ROOT
from tests.openwrt.router_root import RouterRoot

CONFIG = "/etc/config/kwaainet"
ENABLED = "config kwaainet 'main'\n\toption enabled '1'\n"
WRONG = ENABLED + "\nconfig relay\n\toption max_circuits '70000'\n"
COMPLAINT = (
    f'{CONFIG}:5: [relay] max_circuits: got "70000"; '
    'expected a whole number from 1 to 65536, or "auto"\n'
)
MAIN = """\
instance node
command: '/usr/bin/kwaainet' '--confined' 'run' '--config' '/var/etc/kwaainet/config'
command+: '--data-dir' '/etc/kwaainet' '--run-dir' '/var/run/kwaainet'
command+: '--qos-hooks' '/var/etc/kwaainet/events'
file: '/usr/bin/kwaainet' '/var/etc/kwaainet/hard'
user: 'kwaainet'
group: 'kwaainet'
no_new_privs: '1'
capabilities: '/etc/capabilities/kwaainet.json'
nice: '5'
limits: 'core=0' 'nofile=65536 65536'
limits+: 'data={data}'
respawn: '3600' '10' '0'
term_timeout: '10'
stdout: '1'
stderr: '1'
jail: 'kwaainet' 'procfs' 'sysfs' 'ronly'
mount: '/var/etc/kwaainet' '/etc/resolv.conf' '/etc/hosts' '/tmp/resolv.conf' '/etc/TZ' '/tmp/TZ'
mount_rw: '/etc/kwaainet' '/var/run/kwaainet'
"""
LIMITED = "config node\n\toption memory_limit '32M'\n"
ELSEWHERE = "config node\n\toption data_dir '/mnt/usb'\n\toption run_dir '/var/run/there'\n"

pytestmark = pytest.mark.netns


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterRoot]:
    with RouterRoot(tmp_path) as found:
        for hook in ("10-tc", "20-nft"):  # tests/qos has theirs
            found.path(f"/etc/kwaainet/qos.d/{hook}").unlink()
        yield found


def half_of_the_memory() -> int:
    pages: int = os.sysconf("SC_PHYS_PAGES")
    return max(pages * os.sysconf("SC_PAGE_SIZE") // 2, 48 << 20)


# --- start ---


def test_nothing_runs_until_the_user_says_so(router: RouterRoot) -> None:
    done = router.service("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert router.events() == []
    assert router.read("/tmp/logread") == ""
    triggers = (
        "config.change: 'kwaainet'\nraw: 'interface.*' '2000' '/etc/init.d/kwaainet' 'relearn'\n"
    )
    assert router.read("/tmp/procd/triggers") == triggers


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (ENABLED, {}),
        (ENABLED.replace("'1'", "on"), {}),
        (ENABLED + "\toption nice '19'\n", {"nice: '5'": "nice: '19'"}),
        (ENABLED + LIMITED, {"limits+: 'data={data}'\n": ""}),
        (
            ENABLED + ELSEWHERE,
            {"'/etc/kwaainet'": "'/mnt/usb'", "'/var/run/kwaainet'": "'/var/run/there'"},
        ),
    ],
    ids=["enabled", "enabled by another word", "nicer", "its own memory limit", "elsewhere"],
)
def test_the_instance(text: str, changes: dict[str, str], router: RouterRoot) -> None:
    router.write(CONFIG, text)
    done = router.service("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert router.events() == ["started"]
    wanted = MAIN
    for before, after in changes.items():
        assert before in wanted
        wanted = wanted.replace(before, after)
    found = router.read("/tmp/procd/instance")
    if "data=" in found:
        (given,) = [line for line in found.splitlines() if "data=" in line]
        limit = int(given.strip("'").partition("=")[2])
        assert limit == pytest.approx(half_of_the_memory(), rel=0.05)
        found = found.replace(str(limit), "{data}")
    assert found == wanted


def test_its_directories_are_its_own_and_the_checked_copy_is_roots(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED, 0o600)  # as uci writes it
    router.service("start")
    for directory in ("/etc/kwaainet", "/var/run/kwaainet"):
        found = router.path(directory).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4001, 4001, 0o700)
    copy = router.path("/var/etc/kwaainet/config").stat()
    assert (copy.st_uid, copy.st_mode & 0o777) == (0, 0o644)
    assert router.read("/var/etc/kwaainet/config") == ENABLED


def test_a_wrong_value_stops_the_start_with_one_line(router: RouterRoot) -> None:
    router.write(CONFIG, WRONG)
    assert router.service("start").returncode == 0  # to procd: a service without instance
    assert router.read("/tmp/logread") == COMPLAINT
    assert router.events() == []
    assert "config.change" in router.read("/tmp/procd/triggers")  # so that a repair starts it


def test_a_wrong_value_leaves_alone_what_runs(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    before = router.read("/tmp/procd/instance")
    router.write(CONFIG, WRONG)
    for command in ("reload", "start", "restart"):
        assert router.service(command).returncode == 1
        assert router.read("/tmp/procd/instance") == before
    assert router.events() == ["started"]
    assert router.read("/tmp/logread") == COMPLAINT * 3
    assert router.read("/var/etc/kwaainet/config") == ENABLED


def test_a_restart_is_one(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    for _ in range(2):
        assert router.service("restart").returncode == 0
    router.write(CONFIG, ENABLED.replace("'1'", "'0'"))
    assert router.service("restart").returncode == 0
    assert router.events() == ["started", "stopped", "started", "stopped"]


def test_a_restart_of_nothing_with_a_wrong_value_waits_for_its_repair(router: RouterRoot) -> None:
    router.write(CONFIG, WRONG)
    assert router.service("restart").returncode == 0
    assert router.read("/tmp/logread") == COMPLAINT
    assert router.events() == []
    assert "config.change" in router.read("/tmp/procd/triggers")


# --- reload ---


def listening(router: RouterRoot) -> None:
    """What a node has made as soon as it serves."""
    socket = str(router.path("/var/run/kwaainet/status.sock"))
    os.mknod(socket, 0o140600)


def test_soft_options_are_a_signal_and_hard_ones_a_restart(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    listening(router)
    router.events()
    router.write(CONFIG, ENABLED + "config relay\n\toption rate '1M'\n")
    assert router.service("reload").returncode == 0
    assert router.events() == ["kept", "signal HUP"]
    assert "rate '1M'" in router.read("/var/etc/kwaainet/config")
    router.write(CONFIG, ENABLED + "config node\n\tlist listen '/ip4/0.0.0.0/tcp/5001'\n")
    assert router.service("reload").returncode == 0
    assert router.events() == ["restarted"]
    router.write(CONFIG, ENABLED + "\toption nice '9'\n")
    router.service("reload")
    assert router.events() == ["restarted"]


def test_a_node_that_is_still_starting_is_not_signalled(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.events()
    router.service("reload")
    router.service("relearn")
    assert router.events() == ["kept"]


def test_another_binary_is_a_restart(router: RouterRoot) -> None:
    """As an upgrade by apk, which does not stop the service, leaves it."""
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.write("/usr/bin/kwaainet", router.read("/usr/bin/kwaainet") + "# newer\n", 0o755)
    router.service("start")
    assert router.events() == ["started", "restarted"]


def test_disabling_stops_it_and_stop_does(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.write(CONFIG, ENABLED.replace("'1'", "'0'"))
    router.service("reload")
    assert router.events() == ["started", "stopped"]
    router.write(CONFIG, ENABLED)
    router.service("reload")
    router.service("stop")
    assert router.events() == ["started", "stopped"]


def test_the_network_has_changed(router: RouterRoot) -> None:
    router.service("relearn")
    assert router.events() == []
    router.write(CONFIG, ENABLED)
    router.service("start")
    listening(router)
    router.service("relearn")
    assert router.events() == ["started", "signal USR1"]


# --- the firewall ---

RULE = "/var/run/kwaainet.nft.d/open_port.nft"
OPEN = ENABLED + "\toption open_port '1'\n"


def test_the_port_is_open_only_if_asked_for_and_while_it_runs(router: RouterRoot) -> None:
    router.write(CONFIG, OPEN)
    router.service("start")
    accept = 'tcp dport {{ {} }} counter accept comment "!kwaainet: open_port"\n'
    assert router.read(RULE) == accept.format("4001")
    assert router.events() == ["fw4 -q reload", "started"]
    router.service("reload")
    assert router.events() == ["kept"]  # nothing new for the firewall
    listen = "config node\n\tlist listen '/ip4/0.0.0.0/tcp/{}'\n\tlist listen '/ip6/::/tcp/{}'\n"
    router.write(CONFIG, OPEN + listen.format(5002, 5001))
    router.service("reload")
    assert router.read(RULE) == accept.format("5001, 5002")
    assert router.events() == ["fw4 -q reload", "restarted"]
    router.service("stop")
    assert not router.path(RULE).exists()
    assert router.events() == ["fw4 -q reload", "stopped"]


@pytest.mark.parametrize("text", [ENABLED, OPEN.replace("enabled '1'", "enabled '0'")])
def test_the_port_is_closed_again(text: str, router: RouterRoot) -> None:
    router.write(CONFIG, OPEN)
    router.service("start")
    router.write(CONFIG, text)
    router.service("reload")
    assert not router.path(RULE).exists()
    assert "fw4 -q reload" in router.events()[1:]


# --- hooks ---

HOOK = """#!/bin/sh
echo "hook $QOS_EVENT of $QOS_UID at $QOS_PORTS" >>/tmp/procd/events
echo "said by a hook"
"""


def test_hooks_are_called_by_root_when_it_starts_when_the_network_changes_and_at_the_end(
    router: RouterRoot,
) -> None:
    router.write("/etc/kwaainet/qos.d/50-hook", HOOK, 0o755)
    router.service("start")
    router.service("stop")
    assert router.events() == []  # it was never enabled
    router.write(CONFIG, ENABLED)
    router.service("start")
    assert router.events() == ["started", "hook start of 4001 at 4001"]
    router.service("relearn")
    assert router.events() == ["hook start of 4001 at 4001"]
    assert "said by a hook" in router.read("/tmp/logread")
    router.service("stop")
    assert router.events() == ["hook stop of 4001 at 4001", "stopped"]
    assert router.path("/etc/kwaainet/qos.d/50-hook").stat().st_uid == 0


CARES = """#!/bin/sh
case "$1" in busy | free) echo "$(id -u) $1 $QOS_RATE of $QOS_UID" >>/tmp/procd/events ;; esac
"""
READER = """\
instance events
command: '/usr/libexec/kwaainet-events' '/var/etc/kwaainet/events' '/var/etc/kwaainet/config'
respawn: '3600' '10' '0'
stdout: '1'
stderr: '1'
"""
READ_ONLY = """
mount --bind /var/etc/kwaainet /var/etc/kwaainet
mount -o remount,bind,ro /var/etc/kwaainet
! touch /var/etc/kwaainet/new 2>/dev/null || exit 1
"""
TELL = """if True:
    import asyncio, os
    from edge.qos.hooks import Hooks
    os.setgroups([]), os.setgid(4001), os.setuid(4001)
    hooks = Hooks("/var/etc/kwaainet/events")
    for event, rate in ("start", "0"), ("busy", "4096"), ("free", "0"), ("stop", "0"):
        asyncio.run(hooks.call(event, {"QOS_RATE": rate}))
    print(hooks.ran, hooks.failed)
"""


def test_a_pipe_and_its_reader_are_there_if_a_hook_cares(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.write("/etc/kwaainet/qos.d/50-hook", HOOK, 0o755)
    router.service("start")
    assert not router.path("/var/etc/kwaainet/events").exists()
    assert "instance events" not in router.read("/tmp/procd/instance")
    router.write("/etc/kwaainet/qos.d/50-hook", CARES, 0o755)
    router.service("reload")
    pipe = router.path("/var/etc/kwaainet/events").stat()
    assert (pipe.st_uid, pipe.st_gid, oct(pipe.st_mode)) == (0, 4001, "0o10620")
    reader = router.read("/tmp/procd/instance").partition("instance events\n")[2]
    assert "instance events\n" + reader == READER
    router.service("reload")
    assert router.path("/var/etc/kwaainet/events").stat().st_ino == pipe.st_ino
    router.service("stop")
    assert not router.path("/var/etc/kwaainet/events").exists()


def test_what_a_node_in_a_jail_tells_reaches_hooks_as_root(router: RouterRoot) -> None:
    """The jail's part here: another user, who sees the pipe in a directory mounted read-only."""
    router.write(CONFIG, ENABLED)
    router.write("/etc/kwaainet/qos.d/50-hook", CARES, 0o755)
    router.service("start")
    router.events()
    pipe = "/var/etc/kwaainet/events"
    with router.started("/usr/libexec/kwaainet-events", pipe, "/var/etc/kwaainet/config"):
        router.run("/applets/ash", "-c", f"echo >{pipe}")  # waits until it is read
        node = f"PYTHONPATH={ROOT} exec {sys.executable} -c '{TELL}'"
        jailed = f"{READ_ONLY}\n{node}"
        done = router.run("/applets/unshare", "-m", "/applets/ash", "-ec", jailed)
        assert (done.stdout, done.stderr) == ("2 0\n", "")
        for line in ("stop 1", "busy 1;reboot", "busy", "free -1", "free 1 2", "free 77"):
            router.run("/applets/ash", "-c", f"echo '{line}' >{pipe}")
        wanted = ["0 busy 4096 of 4001", "0 free 0 of 4001", "0 free 77 of 4001"]
        found: list[str] = []
        deadline = time.monotonic() + 60
        while len(found) < len(wanted):
            found += router.events()
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found == wanted


# --- the rest ---


def test_status_asks_the_node(router: RouterRoot) -> None:
    done = router.service("status")
    assert (done.returncode, done.stdout) == (3, "not running\n")
    router.write(CONFIG, ENABLED)
    router.service("start")
    done = router.service("status")  # procd's stand-in starts nothing
    assert (done.returncode, done.stderr) == (3, "kwaainet: no node runs in /var/run/kwaainet\n")


def test_a_file_without_our_sections_gets_them(router: RouterRoot) -> None:
    router.write(CONFIG, "config node\n\toption mode 'relay'\n")
    done = router.run("/applets/ash", "/etc/uci-defaults/kwaainet")
    assert done.returncode == 0, done.stderr
    text = router.read(CONFIG)
    for section in ("kwaainet main", "node node", "relay relay", "qos qos"):
        assert text.count(f"config {section}\n") == 1
    assert text.count("config ") == 4
    assert router.run("/usr/bin/kwaainet", "check-config", "--uci").returncode == 0


def test_the_shipped_file_is_valid_and_leaves_it_as_it_is(router: RouterRoot) -> None:
    before = router.read(CONFIG)
    assert router.run("/usr/bin/kwaainet", "check-config", "--uci").stdout.startswith("OK\n")
    router.run("/applets/ash", "/etc/uci-defaults/kwaainet")
    assert router.read(CONFIG) == before

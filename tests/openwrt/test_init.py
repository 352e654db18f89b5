"""The init script under busybox ash: what it tells procd and the firewall for a given UCI file.

Procd, uci and rc.common are stand-ins (standin/), `kwaainet check-config` is the real one.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.config.uci import END
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
command: '/usr/bin/kwaainet' '--confined' 'run' '--procd' '--config' '/var/etc/kwaainet/config'
command+: '--data-dir' '/etc/kwaainet/data' '--run-dir' '/var/run/kwaainet'
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
mount: '/var/etc/kwaainet' '/etc/resolv.conf' '/tmp/resolv.conf' '/tmp/resolv.conf.d' '/etc/hosts'
mount: '/etc/openwrt_release' '/tmp/sysinfo'
mount_rw: '/etc/kwaainet/data' '/var/run/kwaainet'
"""
LIMITED = "config node\n\toption memory_limit '64M'\n"
ELSEWHERE = "config node\n\toption data_dir '/mnt/usb'\n\toption run_dir '/var/run/there'\n"

COPY = "/var/etc/kwaainet/config"

pytestmark = pytest.mark.netns


def copy_of(text: str) -> str:
    return f"{text}\n{END}\n"


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
        "config.change: 'kwaainet' 'system'\n"
        "raw: 'interface.*' '2000' '/etc/init.d/kwaainet' 'relearn'\n"
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
            {"'/etc/kwaainet/data'": "'/mnt/usb'", "'/var/run/kwaainet'": "'/var/run/there'"},
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
    for name in ("identity.key", "peers", "calibration.json", "ledger.today", "ledger.days"):
        router.write(f"/etc/kwaainet/data/{name}", "of root's", 0o600)
    router.service("start")
    for directory in ("/etc/kwaainet/data", "/var/run/kwaainet"):
        found = router.path(directory).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4001, 4001, 0o700)
    assert {file.stat().st_uid for file in router.path("/etc/kwaainet/data").iterdir()} == {4001}
    assert_owner_and_mode(router, "/etc/kwaainet", 0, 0o755)
    copy = router.path("/var/etc/kwaainet/config").stat()
    assert (copy.st_uid, copy.st_mode & 0o777) == (0, 0o644)
    assert router.read("/var/etc/kwaainet/config") == copy_of(ENABLED)


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
    assert router.read("/var/etc/kwaainet/config") == copy_of(ENABLED)


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


SOCKET = "/var/run/kwaainet/status.sock"
LISTEN = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
open("/var/run/kwaainet/listening", "w").close()
time.sleep(600)
"""


@contextmanager
def listening(router: RouterRoot) -> Iterator[None]:
    """A process with what a node has as soon as it serves."""
    with router.started(sys.executable, "-c", LISTEN, SOCKET):
        until_there(router, "/var/run/kwaainet/listening")
        yield


def until_there(router: RouterRoot, path: str) -> None:
    deadline = time.monotonic() + 60
    while not router.path(path).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_soft_options_are_a_signal_and_hard_ones_a_restart(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.events()
    router.write(CONFIG, ENABLED + "config relay\n\toption rate '1M'\n")
    with listening(router):
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
    """Also beside the socket that one before it has left."""
    router.write(CONFIG, ENABLED)
    router.service("start")
    os.mknod(router.path(SOCKET), 0o140600)
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
    with listening(router):
        router.service("relearn")
    assert router.events() == ["started", "signal USR1"]


# --- what the node could do to root ---

OURS = 4001


def assert_owner_and_mode(router: RouterRoot, path: str, owner: int, mode: int) -> None:
    found = router.path(path).lstat()
    assert (found.st_uid, oct(found.st_mode & 0o777)) == (owner, oct(mode))


def older_layout(router: RouterRoot) -> None:
    """/etc/kwaainet as versions had it that gave it to the node, with a hook of the owner's."""
    for name in ("identity.key", "peers", "ledger.days"):
        router.write(f"/etc/kwaainet/{name}", f"the {name}", 0o600)
        os.chown(router.path(f"/etc/kwaainet/{name}"), OURS, OURS)
    router.write("/etc/kwaainet/qos.d/50-hook", HOOK, 0o755)
    router.path("/etc/kwaainet").chmod(0o700)
    os.chown(router.path("/etc/kwaainet"), OURS, OURS)


def test_an_upgrade_gives_the_hooks_parent_to_root_and_keeps_what_is_there(
    router: RouterRoot,
) -> None:
    older_layout(router)
    router.write(CONFIG, ENABLED)
    for _ in range(2):
        assert router.service("start").returncode == 0
        assert "hook start of 4001 at 4001" in router.events()
        assert_owner_and_mode(router, "/etc/kwaainet", 0, 0o755)
        assert_owner_and_mode(router, "/etc/kwaainet/data", OURS, 0o700)
        for name in ("identity.key", "peers", "ledger.days"):
            assert router.read(f"/etc/kwaainet/data/{name}") == f"the {name}"
            assert_owner_and_mode(router, f"/etc/kwaainet/data/{name}", OURS, 0o600)
            assert not router.path(f"/etc/kwaainet/{name}").exists()


TRAPS = {
    "qos.d is a link": "mv qos.d hidden; ln -s /etc/init.d qos.d",
    "qos.d is its own": "mv qos.d hidden; mkdir qos.d; cp /applets/true qos.d/50-hook",
    "a fifo is a hook": "mv qos.d hidden; mkdir qos.d; mkfifo -m 0755 qos.d/50-hook",
    "data leads elsewhere": "ln -s /etc/init.d data; rm identity.key",
    "data has traps": "mkdir data; cd data; ln -s /etc/init.d peers; ln -s /etc identity.key",
    "a copy leads elsewhere": "ln -s /etc/passwd config.good.new; ln -s /etc/passwd config.good",
    "a copy is its own": "echo 'config node' >config.good",
    "a file that root's commands read": "echo '[node]' >kwaainet.toml",
    "the key leads elsewhere": "ln -sf /etc/shadow identity.key",
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_the_nodes_user_has_root_do_nothing_for_it(trap: str, router: RouterRoot) -> None:
    """Whatever it has made of its directory before the upgrade."""
    older_layout(router)
    router.write("/etc/shadow", "root:secret:\n", 0o600)
    script = f"cd /etc/kwaainet; {trap}"
    user = ("/usr/bin/setpriv", "--reuid", "4001", "--clear-groups")
    done = router.run(*user, "/applets/ash", "-ec", script)
    assert done.returncode == 0, done.stderr
    listed = sorted(os.listdir(router.path("/etc/init.d")))
    passwords = router.read("/etc/passwd")
    router.write(CONFIG, ENABLED)
    for command in ("start", "reload", "stop", "start"):
        assert router.service(command).returncode == 0
    if "qos.d" in trap:
        assert not any("hook" in event for event in router.events())
    assert router.read("/etc/passwd") == passwords
    assert not router.path("/etc/kwaainet/kwaainet.toml").exists()
    assert_owner_and_mode(router, "/etc/kwaainet", 0, 0o755)
    assert_owner_and_mode(router, "/etc/shadow", 0, 0o600)
    assert_owner_and_mode(router, "/etc/init.d", 0, 0o755)
    assert_owner_and_mode(router, "/etc/kwaainet/data", OURS, 0o700)
    assert sorted(os.listdir(router.path("/etc/init.d"))) == listed


def test_a_directory_in_use_for_something_else_is_not_given_to_the_node(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.events()
    for path in ("/etc", "/", "/etc/config"):
        router.write(CONFIG, ENABLED + f"config node\n\toption data_dir '{path}'\n")
        before = router.path(path).stat()
        assert router.service("reload").returncode == 1
        assert_owner_and_mode(router, path, before.st_uid, before.st_mode & 0o777)
        assert f"{path}: has files of others; nothing was changed\n" in router.read("/tmp/logread")
    assert router.events() == []


def test_a_directory_that_the_node_could_replace_is_not_touched(router: RouterRoot) -> None:
    """One below its own: a link there would have root give away what it leads to."""
    inside = "config node\n\toption data_dir '/mnt/a'\n\toption run_dir '/mnt/a/b/run'\n"
    router.write(CONFIG, ENABLED + inside.replace("/b/", "/"))
    assert router.service("start").returncode == 1
    assert "/mnt/a/run: /mnt/a is not root's; nothing was changed" in router.read("/tmp/logread")
    router.path("/mnt/a/b").symlink_to("/etc")
    router.write(CONFIG, ENABLED + inside.replace("/run", ""))
    assert router.service("start").returncode == 1
    assert "/mnt/a/b: has files of others; nothing was changed" in router.read("/tmp/logread")
    assert_owner_and_mode(router, "/etc", 0, 0o755)
    assert router.events() == []


# --- what cannot be written ---

PRIVATE = ENABLED + "config relay\n\toption private '1'\n\toption rate '2M'\n"
LONG = "# a comment of some length, as people write them\n" * 200


@pytest.mark.parametrize("free_pages", range(4))
def test_a_full_tmp_changes_nothing(free_pages: int, router: RouterRoot) -> None:
    """So that a private relay stays one: the copy of its configuration is never a part of it."""
    router.write(CONFIG, LONG + PRIVATE)
    router.service("start")
    kept = {name: router.read(f"/var/etc/kwaainet/{name}") for name in ("config", "hard")}
    router.events()
    router.write(CONFIG, LONG + PRIVATE.replace("2M", "3M") + "config node\n" + LONG)
    router.fill(free_pages)
    with listening(router):
        for command in ("reload", "start", "restart"):
            assert router.service(command).returncode == 1
    assert router.events() == []
    line = f"{COPY}: No space left on device; nothing was changed\n"
    assert router.read("/tmp/logread") == line * 3
    for name, text in kept.items():
        assert router.read(f"/var/etc/kwaainet/{name}") == text
        assert not router.path(f"/var/etc/kwaainet/{name}.new").exists()
    router.path("/tmp/ballast").unlink()
    assert router.service("reload").returncode == 0
    assert router.events() == ["kept"]


@pytest.mark.parametrize(
    ("free_pages", "path"),
    [(1, "/var/etc/kwaainet/hard"), (2, "/var/run/kwaainet.nft.d/open_port.nft")],
)
def test_whichever_file_does_not_fit(free_pages: int, path: str, router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    kept = router.read("/var/etc/kwaainet/hard")
    router.events()
    router.write(CONFIG, OPEN + "\toption nice '9'\n")
    router.fill(free_pages)
    assert router.service("reload").returncode == 1
    assert router.events() == []
    assert router.read("/tmp/logread") == f"{path}: No space left on device; nothing was changed\n"
    assert router.read("/var/etc/kwaainet/hard") == kept
    assert router.read(COPY) == copy_of(ENABLED)


def test_a_start_with_a_full_tmp_says_so(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.fill()
    assert router.service("start").returncode == 1
    assert router.events() == []
    assert router.read("/tmp/logread").count("\n") == 1
    assert "No space left on device" in router.read("/tmp/logread")


# --- damage ---


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "[kwaainet]: missing; expected config kwaainet 'main'"),
        ("config node 'node'\n", "[kwaainet]: missing; expected config kwaainet 'main'"),
        ("\0" * 64, "1: not valid UCI: a zero byte"),
        ("\ufeff" + ENABLED, ":1: not valid UCI: unknown command"),
        (None, "incomplete: its end is missing"),
    ],
    ids=["empty", "without main", "zeros", "byte order mark", "none"],
)
def test_damage_is_one_line_and_leaves_alone_what_runs(
    text: str | None, line: str, router: RouterRoot
) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.events()
    if text is None:
        router.path(CONFIG).unlink()
    else:
        router.write(CONFIG, text)
    for command in ("reload", "start", "restart"):
        assert router.service(command).returncode == 1
    assert router.events() == []
    said = router.read("/tmp/logread").splitlines()
    assert len(said) == 3
    assert all(each.startswith(f"{CONFIG}:") and line in each for each in said)


# --- the last valid configuration ---

GOOD = "/etc/kwaainet/config.good"


@pytest.mark.parametrize("text", [WRONG, "", "\0\0\0", None])
def test_a_boot_with_an_invalid_file_starts_from_the_last_valid_one(
    text: str | None, router: RouterRoot
) -> None:
    good = OPEN + "\toption nice '9'\n" + ELSEWHERE
    router.write(CONFIG, good)
    router.service("start")
    assert router.read(GOOD) == copy_of(good)
    assert_owner_and_mode(router, GOOD, 0, 0o644)
    started = router.read("/tmp/procd/instance")
    if text is None:
        router.path(CONFIG).unlink()
    else:
        router.write(CONFIG, text)
    assert router.service("reload").returncode == 1
    router.service("stop")
    router.run("/applets/rm", "-rf", "/var/etc", "/var/run", "/tmp/procd/logread")
    assert router.service("start").returncode == 0
    assert router.read("/tmp/procd/instance") == started
    assert router.read(COPY) == copy_of(good)
    assert "4001" in router.read(RULE)
    problem, told = router.read("/tmp/logread").splitlines()
    assert problem.startswith(f"{CONFIG}:")
    assert told == f"starting with the last valid configuration, {GOOD}"
    assert router.service("reload").returncode == 1  # it runs: as ever
    router.write(CONFIG, ENABLED)
    assert router.service("reload").returncode == 0
    assert router.read(GOOD) == copy_of(ENABLED)


def test_a_node_that_was_disabled_stays_so(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.write(CONFIG, ENABLED.replace("1", "0"))
    router.service("reload")
    assert not router.path(GOOD).exists()
    router.write(CONFIG, WRONG)
    router.service("start")
    assert router.events() == ["started", "stopped"]


def test_the_last_valid_configuration_is_none_if_it_was_cut_short(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED + "config relay\n\toption private '1'\n")
    router.service("start")
    router.service("stop")
    router.events()
    router.write(GOOD, router.read(GOOD)[:40])
    router.write(CONFIG, WRONG)
    router.service("start")
    assert router.events() == []
    assert f"{GOOD}: incomplete: its end is missing\n" in router.read("/tmp/logread")


def test_the_flash_is_written_only_for_another_configuration(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.service("start")
    written = router.path(GOOD).stat()
    for command in ("reload", "restart", "start"):
        router.service(command)
    found = router.path(GOOD).stat()
    assert (found.st_ino, found.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


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


NFT = """#!/bin/sh
case "$*" in
"list table inet fw4") {table} ;;
"list chain inet fw4 input_wan") {chain} ;;
esac
"""
SHOWN = """echo 'tcp dport 4001 counter packets 0 bytes 0 accept comment "!kwaainet: open_port"'"""


@pytest.mark.parametrize(
    ("table", "chain", "says"),
    [
        ("true", SHOWN, False),
        ("true", "exit 1", True),
        ("true", "true", True),
        ("exit 1", "exit 1", False),
    ],
    ids=["it is there", "no zone named wan", "a chain without the include", "no firewall"],
)
def test_a_port_that_is_not_open_is_told_of(
    table: str, chain: str, says: bool, router: RouterRoot
) -> None:
    """The kernel's tables are nft's, here a stand-in."""
    router.write("/standin/nft", NFT.format(table=table, chain=chain), 0o755)
    router.write(CONFIG, OPEN)
    for _ in range(2):
        assert router.service("start").returncode == 0
    line = "open_port: the firewall does not have the rule; it needs a zone named wan\n"
    assert router.read("/tmp/logread") == line * says
    assert not router.path(f"{RULE}.new").exists()


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
cd -P /var/etc/kwaainet
mount --bind "$PWD" "$PWD"
mount -o remount,bind,ro "$PWD"
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


# --- in the jail ---

ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"


def in_jail(router: RouterRoot, *words: str) -> str:
    done = router.run(*router.jailed(sys.executable, *words))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_jail_does_not_hide_that_this_is_a_router(router: RouterRoot) -> None:
    router.write("/etc/openwrt_release", "DISTRIB_ID='OpenWrt'\n")
    router.write("/tmp/sysinfo/model", "A router with a name\n")
    router.write(CONFIG, ENABLED)
    router.service("start")
    tier = ("tier", "--json", "--data-dir", "/etc/kwaainet/data")
    outside = json.loads(router.run("/usr/bin/kwaainet", *tier).stdout)
    inside = json.loads(in_jail(router, "-m", "edge", *tier))
    for found in (inside, outside):
        assert found["profile"]["system"] == "openwrt"
        assert found["profile"]["model"] == "A router with a name"
        assert found["decision"]["mode"] == "relay"
    assert inside["decision"]["roles"] == outside["decision"]["roles"]


@pytest.mark.parametrize("source", ["system", "localtime", "neither"])
def test_the_time_zone_is_the_routers(source: str, router: RouterRoot) -> None:
    """Also with the time zone database, which takes /tmp/TZ away."""
    if source == "system":
        router.write("/etc/config/system", f"config system\n\toption timezone '{ZONE}'\n")
    elif source == "localtime":
        router.write("/tmp/localtime", f"TZif\0\n{ZONE}\n")
        router.path("/etc/localtime").symlink_to("/tmp/localtime")
    router.write(CONFIG, ENABLED)
    router.service("start")
    script = "from edge.zone import system_zone; print(system_zone().text)"
    assert in_jail(router, "-c", script) == ("UTC0\n" if source == "neither" else f"{ZONE}\n")
    router.service("reload")
    router.write("/etc/config/system", "config system\n\toption timezone 'JST-9'\n")
    router.service("reload")
    assert router.events() == ["started", "kept", "restarted"]


SERVERS = "/tmp/resolv.conf.d/resolv.conf.auto"
NODE = f"""
import fcntl, os, time
held = os.open("/var/run/kwaainet", os.O_RDONLY)
fcntl.flock(held, fcntl.LOCK_EX)
{LISTEN}
"""


@contextmanager
def jailed_node(router: RouterRoot) -> Iterator[None]:
    """What there is of a node in its jail, when it serves."""
    router.path(SOCKET).unlink(missing_ok=True)
    router.path("/var/run/kwaainet/listening").unlink(missing_ok=True)
    with router.started(*router.jailed(sys.executable, "-c", NODE, SOCKET)):
        until_there(router, "/var/run/kwaainet/listening")
        yield


def renamed_over(router: RouterRoot, path: str, text: str) -> None:
    """As netifd and editors write."""
    router.write(f"{path}.tmp", text)
    router.path(f"{path}.tmp").rename(router.path(path))


def test_a_node_that_has_other_names_than_the_router_is_restarted(router: RouterRoot) -> None:
    """The jail has the files of its start; after a boot with the WAN down these name no server."""
    for path, target in (("/etc/resolv.conf", "/tmp/resolv.conf"), ("/tmp/resolv.conf", SERVERS)):
        router.path(path).unlink(missing_ok=True)
        router.path(path).symlink_to(target)
    router.write(SERVERS, "# nothing yet\n")
    router.write(CONFIG, ENABLED)
    router.service("start")
    router.events()
    with jailed_node(router):
        router.service("relearn")
        renamed_over(router, SERVERS, "nameserver 192.0.2.1\n")
        router.service("relearn")
        assert router.events() == ["signal USR1", "signal TERM"]
    with jailed_node(router):
        router.service("relearn")
        renamed_over(router, SERVERS, "nameserver 192.0.2.1\n")
        router.service("relearn")
        renamed_over(router, SERVERS, "# the WAN is down\n")
        router.service("relearn")
        assert router.events() == ["signal USR1"] * 3
        renamed_over(router, SERVERS, "nameserver 192.0.2.2\n")
        router.service("reload")
        assert router.events() == ["kept", "signal TERM"]
    with jailed_node(router):
        router.service("reload")
        renamed_over(router, "/etc/hosts", "192.0.2.3 relay.example\n")
        router.service("reload")
        assert router.events() == ["kept", "signal HUP", "kept", "signal TERM"]


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

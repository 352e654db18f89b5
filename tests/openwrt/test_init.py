"""The init script under busybox ash: what it tells procd and the firewall for a given UCI file.

Procd, uci and rc.common are stand-ins (standin/), `kwaainet check-config` is the real one.
"""

import os

import pytest

from tests.openwrt.init_script import (
    CONFIG,
    ELSEWHERE,
    ENABLED,
    HOOK,
    OPEN,
    OURS,
    RULE,
    SOCKET,
    WRONG,
    assert_owner_and_mode,
    copy_of,
    listening,
)
from tests.openwrt.router_root import RouterRoot

pytestmark = pytest.mark.netns


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
mount: '/etc/openwrt_release' '/tmp/sysinfo' '/etc/ssl/certs/ca-certificates.crt'
mount_rw: '/etc/kwaainet/data' '/var/run/kwaainet'
"""
LIMITED = "config node\n\toption memory_limit '64M'\n"


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


# --- the cache ---

CACHE = "config cache\n\toption gateway '1'\n\toption directory '/mnt/usb/models'\n"


def test_the_directory_of_the_cache_is_made_and_is_in_the_jail(router: RouterRoot) -> None:
    router.path("/mnt/usb").mkdir(parents=True)
    router.write(CONFIG, ENABLED + CACHE)
    assert router.service("start").stderr == ""
    found = router.read("/tmp/procd/instance")
    assert "mount_rw: '/mnt/usb/models'\n" in found
    assert_owner_and_mode(router, "/mnt/usb/models", OURS, 0o700)


def test_a_disk_that_is_not_there_does_not_stop_the_node(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED + CACHE)
    assert router.service("start").returncode == 0
    told = router.read("/tmp/logread")
    assert told.startswith("/mnt/usb/models: ")
    assert told.endswith("; the cache may not use it\n")
    assert router.events() == ["started"]
    assert "/mnt/usb" not in router.read("/tmp/procd/instance")


def test_a_directory_of_others_is_not_given_to_the_cache(router: RouterRoot) -> None:
    router.write("/mnt/usb/models/photo.jpg", "")
    router.write(CONFIG, ENABLED + CACHE)
    assert router.service("start").returncode == 0
    assert "has files of others; the cache may not use it" in router.read("/tmp/logread")
    assert_owner_and_mode(router, "/mnt/usb/models", 0, 0o755)


def test_a_directory_that_is_the_nodes_need_not_be_below_roots(router: RouterRoot) -> None:
    """All of a FAT disk belongs to the user that it was mounted for, and cannot be given."""
    router.write("/mnt/usb/models/0000002a.seg", "")
    router.run("/applets/chown", "-R", "4001:4001", "/mnt/usb")
    router.write(CONFIG, ENABLED + CACHE)
    assert router.service("start").returncode == 0
    assert router.read("/tmp/logread") == ""
    assert "mount_rw: '/mnt/usb/models'\n" in router.read("/tmp/procd/instance")


def test_a_link_of_the_nodes_gives_it_nothing(router: RouterRoot) -> None:
    router.path("/mnt/usb").mkdir(parents=True)
    router.path("/mnt/usb/models").symlink_to("/etc/config")
    router.run("/applets/chown", "-hR", "4001:4001", "/mnt/usb")
    router.write(CONFIG, ENABLED + CACHE)
    assert router.service("start").returncode == 0
    assert "has files of others; the cache may not use it" in router.read("/tmp/logread")
    assert "/mnt/usb" not in router.read("/tmp/procd/instance")


def test_a_disk_that_comes_later_is_given_to_the_node(router: RouterRoot) -> None:
    """block-mount tells of it, by a file that hotplug-call reads."""
    plugged = ("/applets/ash", "-c", "ACTION=add; . /etc/hotplug.d/mount/50-kwaainet")
    router.path("/etc/init.d/kwaainet").chmod(0o755)
    router.write(CONFIG, ENABLED + CACHE)
    router.run(*plugged)
    assert router.events() == []  # it does not run yet
    router.service("start")
    router.path("/mnt/usb").mkdir(parents=True)
    router.run(*plugged)
    assert router.events() == ["started", "restarted"]
    assert "mount_rw: '/mnt/usb/models'\n" in router.read("/tmp/procd/instance")


def test_the_gateway_goes_on_and_off_by_a_reload(router: RouterRoot) -> None:
    """The node does it, at SIGHUP; another directory is another jail."""
    router.path("/mnt/usb").mkdir(parents=True)
    router.write(CONFIG, ENABLED + CACHE.replace("gateway '1'", "gateway '0'"))
    router.service("start")
    router.events()
    with listening(router):
        router.write(CONFIG, ENABLED + CACHE)
        router.service("reload")
        router.write(CONFIG, ENABLED + CACHE.replace("gateway '1'", "gateway '0'"))
        router.service("reload")
        assert router.events() == ["kept", "signal HUP"] * 2
        router.write(CONFIG, ENABLED + CACHE.replace("models", "others"))
        router.service("reload")
        assert router.events() == ["restarted"]


def test_the_gateway_is_not_opened_to_the_wan(router: RouterRoot) -> None:
    router.write(CONFIG, OPEN + CACHE.replace("/mnt/usb/models", "auto"))
    router.service("start")
    assert "{ 4001 }" in router.read(RULE)


# --- the firewall ---


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

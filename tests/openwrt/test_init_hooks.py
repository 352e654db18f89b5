"""The init script and the hooks of qos.d: root calls them, also for a node in a jail."""

import sys
import time

import pytest

from openwrt.package.recipe import ROOT
from tests.openwrt.init_script import CONFIG, ENABLED, HOOK
from tests.openwrt.router_root import RouterRoot

pytestmark = pytest.mark.netns


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

"""What a node in the jail sees of the router, and when it is started anew to see it as it is."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.openwrt.init_script import CONFIG, ENABLED, LISTEN, SOCKET, until_there
from tests.openwrt.router_root import RouterRoot

pytestmark = pytest.mark.netns


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


def test_a_node_whose_disk_was_another_is_restarted(router: RouterRoot) -> None:
    """Its jail holds the disk that was pulled, at the path where there is one again."""
    plug = ("/applets/ash", "-c", "mkdir -p /mnt/usb && mount -t tmpfs tmpfs /mnt/usb")
    assert router.run(*plug).returncode == 0
    router.write(CONFIG, ENABLED + "config cache\n\toption directory '/mnt/usb/models'\n")
    router.service("start")
    router.events()
    with jailed_node(router):
        router.service("reload")
        router.run("/applets/umount", "-l", "/mnt/usb")
        router.service("relearn")
        assert router.run(*plug).returncode == 0
        router.service("reload")
        assert router.events() == ["kept", "signal HUP", "signal USR1", "kept", "signal TERM"]

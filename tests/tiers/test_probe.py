"""The probe: on trees of real machines, on this one, without rights, with psutil and without."""

import json
import os
from pathlib import Path

import psutil
import pytest

from edge import machine
from edge.tiers.child import Child
from edge.tiers.probe import probe, probe_with_speed, speed
from edge.tiers.probe.proc import Proc
from edge.tiers.probe.ps import Psutil
from edge.tiers.probe.tree import Tree
from edge.tiers.profile import Profile
from tests.tiers.trees import (
    CONTAINER,
    CONTAINER_LINKS,
    JETSON,
    JETSON_LINKS,
    NAS,
    NAS_LINKS,
    PI,
    PI_LINKS,
    ROUTER,
    plant,
)

KIB, MIB = 1 << 10, 1 << 20


def test_a_router(tmp_path: Path) -> None:
    assert probe("/etc/kwaainet", plant(tmp_path, ROUTER)).as_dict() == {
        "model": "Netgear R6700 v2",
        "compatible": ("netgear,r6700-v2", "mediatek,mt7621-soc"),
        "machine": "mips",
        "system": "openwrt",
        "container": "none",
        "memory": 252000 * KIB,
        "memory_available": 180000 * KIB,
        "swap": 126972 * KIB,
        "zram": 130019328,
        "cpu": "MIPS 1004Kc V2.15",
        "cores": 4,
        "fpu": False,
        "vector": (),
        "gpu": "none",
        "disk": "flash",
        "power": "mains",
        "wan": "wan",
        "wan_speed": 1000,
        "lan_speed": 1000,
    }
    assert probe("/tmp/kwaainet", str(tmp_path)).disk == "ram"


def test_a_raspberry_pi(tmp_path: Path) -> None:
    profile = probe("/var/lib/kwaainet", plant(tmp_path, PI, PI_LINKS))
    assert profile.model == "Raspberry Pi 5 Model B Rev 1.1"
    assert (profile.disk, profile.disk_wear) == ("sd", None)
    assert (profile.cpu_mhz, profile.cores, profile.vector) == (2400, 4, ("asimd",))
    assert profile.fpu is True
    assert (profile.temperature, profile.throttled) == (57.65, True)
    (tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text("50000\n")
    assert probe("/", str(tmp_path)).throttled is False  # it was, since the start


def test_a_jetson(tmp_path: Path) -> None:
    profile = probe("/var/lib/kwaainet", plant(tmp_path, JETSON, JETSON_LINKS))
    assert (profile.gpu, profile.gpu_name) == ("jetson", "tegra210")
    assert (profile.disk, profile.disk_wear) == ("emmc", 90)
    (tmp_path / "dev/nvhost-gpu").unlink()
    assert probe("/", str(tmp_path)).gpu == "other"  # a mainline kernel computes nothing on it


def test_a_nas_on_a_ups(tmp_path: Path) -> None:
    profile = probe("/volume1/kwaainet", plant(tmp_path, NAS, NAS_LINKS))
    assert (profile.model, profile.system) == ("DS920+", "synology")
    assert (profile.disk, profile.cores) == ("hdd", 4)
    assert (profile.power, profile.charge, profile.charging) == ("battery", 87, False)


def test_a_container(tmp_path: Path) -> None:
    root = plant(tmp_path, CONTAINER, CONTAINER_LINKS)
    profile = probe("/data/kwaainet", root)
    assert (profile.container, profile.cores, profile.cpu_limit) == ("docker", 11, 1.5)
    assert (profile.memory, profile.memory_limit) == (32768000 * KIB, 512 * MIB)
    assert profile.disk == "nvme"
    assert probe("/var/lib/kwaainet", root).disk is None  # what is under the overlay is outside


@pytest.mark.parametrize(
    ("path", "content", "field", "value"),
    [
        ("etc/config/uLinux.conf", "[System]", "system", "qnap"),
        ("etc/os-release", "ID=balena-os\n", "system", "balena"),
        ("etc/os-release", "ID=immortalwrt\n", "system", "openwrt"),
        ("proc/self/environ", b"BALENA=1\0PATH=/bin\0", "system", "balena"),
        ("proc/self/environ", b"container=lxc\0", "container", "lxc"),
        ("proc/self/environ", b"KUBERNETES_SERVICE_HOST=10.0.0.1\0", "container", "kubernetes"),
        ("run/.containerenv", "", "container", "podman"),
        ("proc/self/cgroup", "3:cpu:/docker/0123\n", "container", "docker"),
        ("sys/class/dmi/id/product_name", "NUC7PJYH\n", "model", "NUC7PJYH"),
        ("proc/driver/nvidia/gpus/0/information", "Model: \t RTX 2000\n", "gpu_name", "RTX 2000"),
        ("proc/driver/nvidia/gpus/0/information", "", "gpu", "cuda"),
        ("sys/bus/platform/drivers/panfrost/ff9a0000.gpu/.keep", "", "gpu", "mali"),
        ("sys/class/drm/card0/device/vendor", "0x8086\n", "gpu_name", "Intel"),
        ("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0\n", "throttled", None),
        ("proc/cpuinfo", "processor : 0\ncpu model : MIPS 74Kc V5.0  FPU V0.0\n", "fpu", True),
        ("proc/cpuinfo", "processor : 0\nFeatures : swp half thumb fastmult edsp\n", "fpu", False),
        ("proc/cpuinfo", "processor : 0\nisa : rv64imafdc\n", "fpu", True),
        ("proc/cpuinfo", "processor : 0\nisa : rv64imac\n", "fpu", False),
        ("proc/cpuinfo", "processor : 0\ncpu : e500v2\n", "fpu", None),
        (
            "proc/net/ipv6_route",
            f"{'0' * 32} 00 {'0' * 32} 00 {'fe80' + '0' * 28} 0400 0 0 3 pppoe-wan\n",
            "wan",
            "pppoe-wan",
        ),
    ],
)
def test_markers(
    path: str, content: str | bytes, field: str, value: object, tmp_path: Path
) -> None:
    base: dict[str, str | bytes] = {"proc/version": "Linux", "sys/class/.keep": ""}
    assert getattr(probe("/", plant(tmp_path, {**base, path: content})), field) == value


def test_nothing_at_all_is_nothing_known(tmp_path: Path) -> None:
    assert probe("/", str(tmp_path)).as_dict() == {"zram": 0}
    assert probe("/", str(tmp_path / "missing")).as_dict() == {"zram": 0}


def test_this_machine(tmp_path: Path) -> None:
    profile = probe(str(tmp_path / "not" / "yet"))
    assert profile.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert profile.cores == os.cpu_count()
    assert profile.machine == os.uname().machine
    assert profile.disk_free is not None
    assert min(profile.memory, profile.memory_limit or profile.memory) == machine.memory()


def test_no_rights_are_needed(tmp_path: Path) -> None:
    def unprivileged() -> dict[str, object]:
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        return probe("/").as_dict()

    found = Child(unprivileged).answer(30)
    assert found is not None
    assert {"memory", "cores", "disk_free", "gpu"} <= set(found)


def test_psutil_and_the_files_say_the_same() -> None:
    by_psutil, by_hand = Psutil(), Proc(Tree())
    assert by_psutil.memory()[0] == by_hand.memory()[0]
    assert by_psutil.swap() == by_hand.swap()
    assert by_psutil.cores() == by_hand.cores()
    assert by_psutil.speeds() == by_hand.speeds()
    assert by_psutil.battery() == by_hand.battery()


def test_what_psutil_cannot_tell_is_read_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such counter")

    expected = probe("/")
    for name in ("virtual_memory", "swap_memory", "cpu_count", "net_if_stats", "sensors_battery"):
        monkeypatch.setattr(psutil, name, broken)
    found = probe("/")
    assert (found.memory, found.swap, found.cores) == (
        expected.memory,
        expected.swap,
        expected.cores,
    )


def test_psutil_is_held_to_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        total, available = 0, 1 << 70

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert Psutil().memory() == (None, None)


def test_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    monkeypatch.delitem(__import__("sys").modules, "edge.tiers.probe.ps")
    assert probe("/").memory


def test_the_speed_is_measured_once(tmp_path: Path) -> None:
    first = probe_with_speed(str(tmp_path))
    assert first.copy_speed is not None
    kept = json.loads((tmp_path / speed.FILE).read_text())
    assert kept["copy_speed"] == first.copy_speed
    (tmp_path / speed.FILE).write_text(json.dumps({**kept, "copy_speed": 123 * MIB}))
    assert probe_with_speed(str(tmp_path)).copy_speed == 123 * MIB


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[" * 4000,
        b"[]",
        b'{"cpu": "another", "copy_speed": 1000000000}',
        b'{"cpu": null}',
        b'{"copy_speed": 1000000000}',
    ],
)
def test_a_speed_of_another_machine_or_none_is_measured_anew(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / speed.FILE).write_bytes(content)
    assert probe_with_speed(str(tmp_path)).copy_speed != 1000000000
    assert json.loads((tmp_path / speed.FILE).read_bytes())["copy_speed"] > MIB


@pytest.mark.parametrize("kept", [True, 0, -5, 1.5, "fast", 1 << 50])
def test_an_absurd_speed_is_not_believed(kept: object, tmp_path: Path) -> None:
    profile = Profile()
    (tmp_path / speed.FILE).write_text(
        json.dumps({"cpu": "None None None None", "copy_speed": kept})
    )
    speed.fill(profile, str(tmp_path))
    assert type(profile.copy_speed) is int
    assert profile.copy_speed != kept


def test_a_small_machine_copies_small_buffers() -> None:
    assert speed.measure(8 * MIB, seconds=0) > 0


def test_a_directory_that_is_not_there_keeps_nothing(tmp_path: Path) -> None:
    assert probe_with_speed(str(tmp_path / "missing")).copy_speed is not None
    assert not (tmp_path / "missing").exists()

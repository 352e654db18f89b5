"""Readings from /proc and /sys: ordinary ones, missing ones, ones that lie."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.tiers.controller import Readings
from edge.tiers.sensors import Sensors

ROUTER = """\
MemTotal:         124380 kB
MemFree:           31200 kB
MemAvailable:      24876 kB
Buffers:            4120 kB
"""
PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 total={}\n"


class Machine:
    """A /proc and /sys of our own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def sensors(self, memory_limit: int = 0) -> Sensors:
        return Sensors(memory_limit, str(self.root))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def memory(sensors: Sensors, *moments: float) -> Readings:
    readings = Readings()
    for now in moments:
        sensors.memory(readings, now)
    return readings


def others(sensors: Sensors) -> Readings:
    readings = Readings()
    sensors.others(readings)
    return readings


def test_memory_of_a_router(machine: Machine) -> None:
    machine.write("proc/meminfo", ROUTER)
    assert memory(machine.sensors(), 1.0).memory_used == pytest.approx(0.8)


def test_of_much_memory_only_the_last_gigabytes_count(machine: Machine) -> None:
    machine.write("proc/meminfo", f"MemTotal: {64 << 20} kB\nMemAvailable: {6 << 20} kB\n")
    assert memory(machine.sensors(), 1.0).memory_used == pytest.approx(0.25)


def test_a_cgroup_may_be_fuller_than_its_machine(machine: Machine) -> None:
    machine.write("proc/meminfo", ROUTER)
    machine.write("sys/fs/cgroup/memory.current", f"{62 << 20}\n")
    machine.write("sys/fs/cgroup/memory.stat", f"anon 1\ninactive_file {2 << 20}\n")
    assert memory(machine.sensors(64 << 20), 1.0).memory_used == pytest.approx(60 / 64)


def test_time_lost_to_want_of_memory(machine: Machine) -> None:
    sensors, readings = machine.sensors(), Readings()
    machine.write("proc/pressure/memory", PRESSURE.format(9_000_000, 1_000_000))
    sensors.memory(readings, 10.0)
    assert readings.memory_stalled is None  # a counter alone says nothing
    machine.write("proc/pressure/memory", PRESSURE.format(9_900_000, 1_500_000))
    sensors.memory(readings, 12.0)
    assert readings.memory_stalled == pytest.approx(0.25)


def test_the_processor_that_others_use(machine: Machine) -> None:
    sensors = machine.sensors()
    machine.write("proc/stat", "cpu  1000 0 500 8000 100 0 50 0 0 0\ncpu0 1 2 3\n")
    assert others(sensors).cpu is None
    machine.write("proc/stat", "cpu  1600 0 700 8150 100 10 90 77 0 0\ncpu0 1 2 3\n")
    assert others(sensors).cpu == pytest.approx(0.85, abs=0.05)  # this process took some of it


def test_the_hottest_zone_that_can_be_believed(machine: Machine) -> None:
    for number, text in enumerate(["45000", "61234", "-274000", "255000", "", "hot", "9" * 40]):
        machine.write(f"sys/class/thermal/thermal_zone{number}/temp", text + "\n")
    machine.write("sys/class/thermal/cooling_device0/temp", "99000\n")
    assert others(machine.sensors()).temperature == pytest.approx(61.234)


@pytest.mark.parametrize(
    ("supplies", "battery", "charging"),
    [
        ({"AC": {"type": "Mains", "online": "1"}}, None, None),
        ({"BAT0": {"type": "Battery", "capacity": "83", "status": "Charging"}}, 0.83, True),
        ({"BAT0": {"type": "Battery", "capacity": "83", "status": "Discharging"}}, 0.83, False),
        (
            {
                "BAT0": {"type": "Battery", "capacity": "60", "status": "Not charging"},
                "AC": {"type": "Mains", "online": "1"},
            },
            0.6,
            True,
        ),
        ({"hid-mouse": {"type": "Battery", "scope": "Device", "capacity": "5"}}, None, None),
        ({"BAT0": {"type": "Battery", "present": "0", "capacity": "5"}}, None, None),
        ({"ups": {"type": "UPS", "capacity": "40", "status": "Discharging"}}, 0.4, False),
        ({"BAT0": {"type": "Battery", "capacity": "255"}}, None, None),
        ({"BAT0": {"type": "Battery", "capacity": "-1"}}, None, None),
        ({"BAT0": {"type": "Battery"}}, None, None),
    ],
)
def test_batteries(supplies, battery, charging, machine: Machine) -> None:
    for name, files in supplies.items():
        for file, text in files.items():
            machine.write(f"sys/class/power_supply/{name}/{file}", text + "\n")
    found = others(machine.sensors())
    assert (found.battery, found.charging) == (battery, charging)


def test_a_machine_that_tells_nothing(machine: Machine) -> None:
    sensors = machine.sensors(64 << 20)
    readings = memory(sensors, 1.0, 3.0)
    sensors.others(readings)
    sensors.others(readings)
    assert all(getattr(readings, name) is None for name in Readings.__slots__)


FILES = (
    "proc/meminfo",
    "proc/pressure/memory",
    "proc/stat",
    "sys/fs/cgroup/memory.current",
    "sys/fs/cgroup/memory.stat",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/class/power_supply/BAT0/type",
    "sys/class/power_supply/BAT0/capacity",
    "sys/class/power_supply/BAT0/status",
)
words = st.sampled_from(
    ["MemTotal:", "MemAvailable:", "kB", "full", "total=", "cpu", "Battery", "inactive_file"]
)
texts = st.one_of(
    st.text(max_size=60),
    st.lists(words | st.integers().map(str), max_size=12).map(" ".join),
    st.lists(words | st.integers(-10, 1 << 70).map(str), max_size=12).map("\n".join),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FILES), texts), min_size=1, max_size=3))
def test_whatever_the_files_say_shares_are_shares(tmp_path_factory, moments) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    sensors, readings = machine.sensors(64 << 20), Readings()
    for moment, files in enumerate(moments):
        for path, text in files.items():
            machine.write(path, text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
        sensors.memory(readings, 10.0 + moment)
        sensors.others(readings)
        for name in ("memory_used", "memory_stalled", "cpu", "battery"):
            value = getattr(readings, name)
            assert value is None or 0 <= value <= 1, name


def test_this_machine() -> None:
    """The kernel under the test tells of its memory and its processor at least."""
    sensors = Sensors()
    readings = memory(sensors, time.monotonic())
    sensors.others(readings)
    assert readings.memory_used is not None
    assert 0 <= readings.memory_used < 1

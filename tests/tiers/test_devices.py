"""The rules on the figures of real machines: devices.toml says where each figure is from."""

import tomllib
from pathlib import Path

import pytest

from edge.config.load import load
from edge.relay.resources import fitting_counts
from edge.tiers.classify import CACHE_LEAST, classify
from edge.tiers.decision import CACHE, INFERENCE
from edge.tiers.profile import FLASH, RAM, Profile

DATA = tomllib.loads(Path(__file__).with_name("devices.toml").read_text())
DEVICES = DATA["device"]
DEFAULTS = load(None, {"KWAAINET_CONFIG": "/dev/null"}, {}).tier
FREE = 64 << 30  # bytes of a disk: a large part of any that is sold, and room for a full cache
ASKED = ("memory", "cores", "fpu", "copy_speed", "disk", "gpu", "system")  # of every machine
UNITS = {"M": 1 << 20, "G": 1 << 30}
NOT_FACTS = {"name", "source", "note", "unknown", "mode", "blocks"}


def name_of(device: dict) -> str:
    return device["name"]


def profile_of(device: dict) -> Profile:
    profile = Profile()
    for name in set(device) - NOT_FACTS:
        value = device[name]
        if name in ("memory", "memory_limit"):
            value = int(float(value[:-1]) * UNITS[value[-1]])
        setattr(profile, name, value)
    if profile.disk not in (FLASH, RAM):
        profile.disk_free = FREE
    return profile


@pytest.mark.parametrize("device", DEVICES, ids=name_of)
def test_a_device_gets_its_mode(device: dict) -> None:
    decision = classify(profile_of(device), "auto", DEFAULTS, fitting_counts)
    assert (decision.mode, list(decision.blocks)) == (device["mode"], device.get("blocks", [0, 0]))
    assert (INFERENCE in decision.roles) == (decision.mode != "relay")
    assert (CACHE in decision.roles) == (decision.cache_size >= CACHE_LEAST)
    assert decision.reasons


@pytest.mark.parametrize("device", DEVICES, ids=name_of)
def test_a_figure_has_a_source_or_is_said_to_be_unknown(device: dict) -> None:
    assert device["source"]
    for source in device["source"]:
        site, _, _ = source.partition(":")
        assert site == "https" or site in DATA["sources"], source
    for name in ASKED:
        assert (name in device) != (name in device.get("unknown", ())), name


def test_there_are_enough_of_every_kind() -> None:
    modes = [device["mode"] for device in DEVICES]
    page = Path(__file__).parents[2] / "docs" / "tiers.md"
    assert len(DEVICES) >= 40
    assert f"the figures of {len(DEVICES)} machines" in page.read_text()
    assert len({device["name"] for device in DEVICES}) == len(DEVICES)
    assert min(modes.count(mode) for mode in ("full", "light", "relay")) >= 10

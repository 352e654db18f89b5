"""Sources that lie: zero, absurd figures, binary junk, directories, loops, silent pipes."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.load import load
from edge.config.schema import Tier
from edge.relay.resources import fitting_counts
from edge.tiers.classify import classify
from edge.tiers.probe import probe
from edge.tiers.probe.tree import MAX_BYTES, Tree
from edge.tiers.profile import Profile
from tests.tiers.trees import CONTAINER, JETSON, NAS, NAS_LINKS, PI, PI_LINKS, ROUTER, plant

DEFAULTS = load(None, {"KWAAINET_CONFIG": "/dev/null"}, {})[Tier]
PATHS = sorted({*ROUTER, *PI, *JETSON, *NAS, *CONTAINER})
LIES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"0",
            b"-1",
            b"4294967295",
            b"9" * 40,
            b"max",
            b"0::/../../../..\0/x\n",
            b"MemTotal: 0 kB\nMemAvailable: -5 kB\nSwapTotal: 99999999999999999999 kB\n",
            b"MemTotal: 18446744073709551615 kB\n",
            b"0-18446744073709551615",
            b"1-0,,",
            b"processor :" * 2000,
            b"flags :\nFeatures\t:\nisa : rv\n",
            b"1 1 0:1 / / rw - ext4 /dev/\\000 rw\n",
            b"1 1 0:1 / / rw - overlay x upperdir=/\n",
            b"x\t00000000\t0\tzz\t0\t0\t-1\t00000000\t0\n" * 2,
            b"0x0b 0xff",
            "١٢٣".encode(),
        ]
    ),
)
BOUNDS = {
    "memory": (1 << 22, 1 << 46),
    "memory_available": (0, 1 << 46),
    "memory_limit": (1 << 22, 1 << 46),
    "swap": (0, 1 << 46),
    "cores": (1, 4096),
    "cpu_limit": (1e-9, 1e9),
    "cpu_mhz": (20, 20000),
    "disk_wear": (1, 100),
    "temperature": (-40, 130),
    "charge": (0, 100),
    "wan_speed": (1, 1_600_000),
    "lan_speed": (1, 1_600_000),
}


def believable(profile: Profile) -> None:
    found = profile.as_dict()
    json.dumps(found).encode("ascii")
    for name, (low, high) in BOUNDS.items():
        assert name not in found or low <= found[name] <= high, (name, found[name])
    if profile.memory and profile.memory_available is not None:
        assert profile.memory_available <= profile.memory
    for name in ("model", "system", "container"):
        assert name not in found or (str(found[name]).isprintable() and len(found[name]) <= 120)
    assert classify(profile, "auto", DEFAULTS, fitting_counts).reasons


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(PATHS), LIES, max_size=12), st.sampled_from([PI, NAS]))
def test_whatever_the_files_say(lies: dict[str, bytes], truth: dict[str, str | bytes]) -> None:
    with tempfile.TemporaryDirectory() as root:
        links = PI_LINKS if truth is PI else NAS_LINKS
        believable(probe("/var/lib/kwaainet", plant(Path(root), {**truth, **lies}, links)))


@pytest.mark.parametrize("path", PATHS)
def test_a_directory_a_loop_or_a_silent_pipe_in_place_of_a_file(path: str, tmp_path: Path) -> None:
    whole: dict[str, str | bytes] = {**ROUTER, **NAS}
    whole.pop(path, None)
    for kind in ("directory", "loop", "pipe"):
        root = tmp_path / kind
        plant(root, whole)
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "directory":
            place.mkdir()
        elif kind == "loop":
            place.symlink_to(place.name)
        else:
            os.mkfifo(place)
        believable(probe("/var/lib/kwaainet", str(root)))


def test_devices_that_lie_on_each_other_in_a_circle_end(tmp_path: Path) -> None:
    files = {
        "proc/self/mountinfo": "1 1 9:0 / / rw - ext4 /dev/md0 rw\n",
        "sys/class/block/md0/slaves/md1/.keep": "",
        "sys/class/block/md1/slaves/md0/.keep": "",
    }
    assert probe("/", plant(tmp_path, files)).disk is None


def test_reads_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "big").write_bytes(b"x" * (MAX_BYTES + 1))
    tree = Tree(str(tmp_path))
    assert len(tree.data("zero")) == len(tree.data("big")) == MAX_BYTES

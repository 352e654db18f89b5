"""`kwaainet esp32`: images made without a device, and what is done with one at a cable."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from boots import Flash, slot
from devices import MICROPYTHON
from hypothesis import given
from hypothesis import strategies as st

from cross.contents import application
from edge import cli
from edge.crypto import ED25519, Ed25519Key, verify
from edge.wire.noise import SIGNATURE_PREFIX
from edge.wire.peerid import PublicKey
from esp32 import cable, firmware, images, records
from esp32.boot import kwboot
from tests.counterparts import micropython

PEER = "12D3KooWQARxC9WmggZ1rrqeSf8T5eDHwhMghDYXKqjBUKMNHE9L"


def kwaainet(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_an_image_has_the_settings_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password, out = tmp_path / "password", tmp_path / "flash.img"
    password.write_text("correct horse\n")
    settings = ["--ssid", "home", "--password-file", password, "--own", PEER, "--others", "2"]
    settings += ["--port", "4002", "--wake", f"{PEER}=AA:bb:cc:dd:ee:ff", "--led", "2"]
    settings += ["--address", f"/ip4/5.1.1.1/tcp/4001/p2p/{PEER}"]
    keys = ["--identity", tmp_path / "key", "--update-key", tmp_path / "update"]
    assert kwaainet("esp32", "image", "--out", out, "--chip", "x86", *settings, *keys) == 0
    told = capsys.readouterr().out.split()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    flash = Flash.__new__(Flash)
    flash.path = out
    config, identity = (kwboot.decode(flash.read(f"{name}.0")) for name in ("config", "identity"))
    assert config[1].pop("setup_password") in told
    [key] = config[1].pop("update_keys")
    assert bytes.fromhex(key) == (tmp_path / "update").read_bytes()[36:]
    assert config[1] == {
        "ssid": "home",
        "password": "correct horse",
        "own": [PEER],
        "others": 2,
        "port": 4002,
        "wake": {PEER: "aa:bb:cc:dd:ee:ff"},
        "led": 2,
        "addresses": ["0405010101060fa1"],
    }
    found = {name: bytes.fromhex(value) for name, value in identity[1].items()}
    assert str(PublicKey(type=1, data=found["public"]).peer_id()) in told
    assert found["seed"] == (tmp_path / "key").read_bytes()[4:36]
    signed = SIGNATURE_PREFIX + found["noise"]
    assert verify(ED25519, found["public"], signed, found["signature"])


@pytest.mark.parametrize(
    "wrong",
    [
        ("--ssid", ""),
        ("--ssid", "x" * 33),
        ("--password-file", "/nonexistent"),
        ("--own", "nobody"),
        ("--others", "9"),
        ("--port", "0"),
        ("--wake", f"{PEER}=aa:bb"),
        ("--wake", "aa:bb:cc:dd:ee:ff"),
        ("--address", "5.1.1.1"),
        ("--chip", "esp8266"),
        ("--out", "/nonexistent/file"),
    ],
)
def test_what_is_wrong_is_told_by_its_flag(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"--out": os.devnull, "--chip": "x64"} | dict([wrong])
    assert kwaainet("esp32", "image", *[word for pair in words.items() for word in pair]) == 2
    assert capsys.readouterr().err.startswith(wrong[0])


# --- firmware ---

OFFICIAL = {"nvs": (0x9000, 0x6000), "phy_init": (0xF000, 0x1000), "factory": (0x10000, 0x1F0000)}


def official(chip: str, partitions: dict[str, tuple[int, int]]) -> bytes:
    """A file with the headers of one, by ESP-IDF's documentation."""
    begins, number = firmware.CHIPS[chip].begins, firmware.CHIPS[chip].number
    table = b"".join(
        struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, at, size, name.encode(), 0)
        for name, (at, size) in partitions.items()
    )
    head = struct.pack("<BBBBI4xH", 0xE9, 3, 2, 0x20, 0x40080000, number)
    return head.ljust(0x8000 - begins, b"\xff") + table.ljust(0x8000, b"\xff") + b"program"


@pytest.mark.parametrize("chip", firmware.CHIPS)
@pytest.mark.parametrize("with_vfs", [False, True])
def test_firmware_and_file_system_are_joined(chip: str, with_vfs: bool, tmp_path: Path) -> None:
    partitions = OFFICIAL | ({"vfs": (0x200000, 0x200000)} if with_vfs else {})
    (tmp_path / "firmware.bin").write_bytes(official(chip, partitions))
    (tmp_path / "image").write_bytes(image := images.littlefs("x86", slot(), {}))
    files = ["--firmware", tmp_path / "firmware.bin", "--image", tmp_path / "image"]
    assert kwaainet("esp32", "merge", "--chip", chip, "--out", tmp_path / "out", *files) == 0
    flash = (tmp_path / "out").read_bytes()
    assert len(flash) == 4 << 20
    begins = 0x1000 if chip in ("esp32", "esp32s2") else 0
    assert flash[begins] == 0xE9 and flash[:begins] == b"\xff" * begins
    assert flash[0x8000:0x8002] == b"\xaa\x50" and flash[0x200000:] == image


def test_a_firmware_that_does_not_fit_is_refused() -> None:
    chip = firmware.CHIPS["esp32"]
    refused = {
        "no firmware": b"\x7fELF" + bytes(100),
        "for esp32c3": official("esp32c3", OFFICIAL),
        "no partition table": official("esp32", {})[:0x9000],
        "begins at 0x310000": official("esp32", OFFICIAL | {"ota_1": (0x190000, 0x180000)}),
        "begins at 0x1e0000": official("esp32", OFFICIAL | {"vfs": (0x1E0000, 0x220000)}),
        "whole flash": official("esp32", OFFICIAL).ljust(4 << 20, b"\0"),
    }
    for why, data in refused.items():
        with pytest.raises(firmware.FirmwareError, match=why):
            firmware.merge(data, b"", chip)


@given(st.sampled_from(sorted(firmware.CHIPS)), st.data())
def test_any_file_is_a_firmware_or_refused(name: str, data: st.DataObject) -> None:
    chip = firmware.CHIPS[name]
    whole = bytearray(official(name, OFFICIAL))
    table = 0x8000 - chip.begins
    at = data.draw(st.integers(0, 40) | st.integers(table, table + 100))
    part = data.draw(st.binary(max_size=40))
    whole[at : at + len(part)] = part
    for file in (bytes(whole), part, bytes(whole[:at])):
        with contextlib.suppress(firmware.FirmwareError):
            firmware.check(file, chip)


@given(st.binary(max_size=100))
def test_bytes_that_were_not_written_are_no_record(data: bytes) -> None:
    assert kwboot.decode(data) is None


# --- at a cable ---


@pytest.mark.parametrize("interpreter", ["64", "32"])
def test_what_provisioning_runs_changes_what_was_given_alone(
    interpreter: str, tmp_path: Path
) -> None:
    program = MICROPYTHON if interpreter == "64" else micropython.micropython()
    boot = images.ROOT / "esp32" / "boot"
    first, second = (records.identity(Ed25519Key.generate()) for _ in range(2))
    for config, identity in (({"ssid": "é'\"", "port": 1}, first), ({"ssid": "b"}, second)):
        (tmp_path / "script.py").write_text(cable.script(config, identity))
        done = subprocess.run(
            [program, "script.py"],
            cwd=tmp_path,
            env={**os.environ, "MICROPYPATH": str(boot)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"public {first['public']}\n"
        assert kwboot.decode((tmp_path / "identity.0").read_bytes())[1] == first
    assert kwboot.decode((tmp_path / "config.1").read_bytes())[1] == {"ssid": "b", "port": 1}


def test_without_a_device_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("provision",), ("status",), ("update", "--update-key", tmp_path / "k")):
        assert kwaainet("esp32", *words, "--serial", "/dev/nonexistent") == 1
        error = capsys.readouterr().err
        assert error.startswith("kwaainet: ") and error.count("\n") == 1
        assert kwaainet("esp32", *words) == 2
        assert capsys.readouterr().err.startswith("--serial: got nothing")


def test_an_update_can_be_kept_in_a_file(tmp_path: Path) -> None:
    out, key = tmp_path / "update", tmp_path / "key"
    words = ("--out", out, "--chip", "x64", "--update-key", key)
    assert kwaainet("esp32", "update", *words) == 0
    assert out.read_bytes().startswith(kwboot.UPDATE_MAGIC)


def test_a_status_line_is_taken_apart() -> None:
    assert cable.parsed("status version=0.1.0 peers=2 \r\n") == {"version": "0.1.0", "peers": "2"}
    assert cable.parsed("wifi up") == {}


def test_it_needs_nothing_that_only_a_checkout_has() -> None:
    text = (
        "import sys; sys.modules |= dict.fromkeys(('bench', 'cross', 'tests'));"
        "from esp32 import cable, commands, firmware, images, updates"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


def test_no_router_has_any_of_it() -> None:
    assert not [name for name in application() if "esp32" in name]

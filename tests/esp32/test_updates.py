"""Updates of a device: signed, on trial, rolled back, and never half there after a power cut."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from boots import ADDRESS, POWER_CUT, RESET, Booted, Flash, sent, slot

from edge.crypto import Ed25519Key
from esp32 import romfs, updates
from esp32.boot import kwboot
from tests.counterparts import micropython
from tests.counterparts.base import asynchronous

KEY = Ed25519Key.generate()
CONFIG = {
    "ssid": "home",
    "password": "correct horse",
    "setup_password": "",
    "update_keys": [Ed25519Key.generate().public.hex(), KEY.public.hex()],
}
STEP = 173  # writes to the flash between two cuts
FAST = 100  # five minutes in three seconds


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    micropython.micropython()
    slot()


@pytest.fixture
def flash(tmp_path: Path) -> Flash:
    flash = Flash(tmp_path, CONFIG)
    flash.world(ssid="home", password="correct horse", address=ADDRESS)
    return flash


def good() -> bytes:
    return updates.signed(slot(), KEY)


@asynchronous(90)
async def test_an_update_that_runs_for_five_minutes_is_kept(flash: Flash) -> None:
    sent(flash, good())
    async with Booted(flash) as device:
        await device.said("in slot b, on trial")
        assert await device.ended() == RESET
    assert flash.read(kwboot.UPDATE) is None
    async with Booted(flash, speed=FAST) as device:
        await device.said("boot: slot b")
        await device.said("is kept")
    async with Booted(flash) as device:
        await device.said("boot: slot b")
        await device.said("listening")
    sent(flash, updates.signed({**slot(), "kw/extra.mpy": b""}, KEY))  # the next one goes to a
    async with Booted(flash) as device:
        await device.said("in slot a, on trial")


@asynchronous(90)
async def test_an_update_that_was_not_healthy_for_five_minutes_is_given_up(flash: Flash) -> None:
    sent(flash, good())
    async with Booted(flash) as device:
        assert await device.ended() == RESET
    async with Booted(flash) as device:  # and is switched off before that
        await device.said("boot: slot b")
        await device.said("listening")
    async with Booted(flash) as device:
        await device.said("the old version runs again")
        await device.said("boot: slot a")
        await device.said("listening")


@asynchronous(90)
async def test_an_update_without_its_network_does_not_prove_itself(flash: Flash) -> None:
    sent(flash, good())
    async with Booted(flash) as device:
        assert await device.ended() == RESET
    flash.world()
    async with Booted(flash, speed=10 * FAST) as device:
        await device.said("status version")
        assert not [line for line in device.lines if "is kept" in line]


@asynchronous(90)
async def test_an_update_that_does_not_start_is_given_up(flash: Flash) -> None:
    sent(flash, updates.signed({**slot(), "kw/loop.mpy": b"M\6\x1f\x1f"}, KEY))
    async with Booted(flash) as device:
        assert await device.ended() == RESET
    async with Booted(flash) as device:
        await device.said("boot: slot b")
        assert await device.ended() == RESET
    async with Booted(flash) as device:
        await device.said("boot: slot a")
        await device.said("listening")


def other_processor() -> bytes:
    about = b'{"architecture": "xtensawin", "version": "9"}'
    return updates.signed({**slot(), kwboot.ABOUT: about}, KEY)


def of_nobody() -> bytes:
    return updates.signed(slot(), Ed25519Key.generate())


def damaged() -> bytes:
    whole = bytearray(good())
    whole[len(whole) // 2] ^= 1
    return bytes(whole)


def out_of_its_folder() -> bytes:
    return updates.signed({**slot(), "kw/..": b"x"}, KEY)


REFUSED = (
    (other_processor, "for xtensawin"),
    (of_nobody, "not signed"),
    (damaged, "not signed"),
    (out_of_its_folder, "strange name"),
    (lambda: good()[:30], "not signed"),
    (lambda: b"", "no update"),
    (lambda: romfs.image(slot()), "no update"),
)


@pytest.mark.parametrize(("make", "why"), REFUSED)
@asynchronous(60)
async def test_what_is_not_for_it_is_refused_and_changes_nothing(
    make: object, why: str, tmp_path: Path
) -> None:
    flash = Flash(tmp_path, CONFIG)
    sent(flash, make())
    async with Booted(flash) as device:
        assert why in await device.said("update: refused")
        assert await device.ended() == RESET
    async with Booted(flash) as device:
        await device.said("boot: slot a")
        await device.said("listening")
    assert flash.read(kwboot.UPDATE) is None


@asynchronous(110)
async def test_a_power_cut_at_any_step_leaves_a_version_that_runs(flash: Flash) -> None:
    """A sample of steps; an installation writes to the flash seven hundred times or so."""
    sent(flash, good())
    before = flash.path.read_bytes()
    cuts = 0
    for cut in itertools.count(0, STEP):
        flash.path.write_bytes(before)
        async with Booted(flash, cut=cut) as device:
            status = await device.ended()
        for _ in range(3):  # it goes on where it can, and starts
            async with Booted(flash) as device:
                await device.said("boot: slot")
                if flash.read(kwboot.UPDATE) is None:
                    await device.said("listening")
                    break
                assert await device.ended() == RESET
        else:
            raise AssertionError("it never got to listen")
        if status == RESET:
            break
        assert status == POWER_CUT
        cuts += 1
    assert cuts >= 4

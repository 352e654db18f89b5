"""The init script on a router whose /tmp is full or whose configuration is damaged."""

import pytest

from tests.openwrt.init_script import (
    CONFIG,
    COPY,
    ELSEWHERE,
    ENABLED,
    OPEN,
    RULE,
    WRONG,
    assert_owner_and_mode,
    copy_of,
    listening,
)
from tests.openwrt.router_root import RouterRoot

pytestmark = pytest.mark.netns


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

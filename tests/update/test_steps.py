"""Fetching a version, trying it, keeping it; and kill -9 at each step."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.http.errors import OriginError
from edge.update import launch, place, release, steps
from edge.update.errors import UpdateError
from edge.update.place import Place, State
from tests.update.installed import TARGET, Releases, Web, install, program, served

OLD, NEW = "0.1.0", "0.2.0"


@pytest.fixture
def maker(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


@pytest.fixture
def web(maker: Releases) -> Iterator[Web]:
    maker.publish(NEW, program(NEW))
    with served(maker.folder) as found:
        yield found


@pytest.fixture
def where(tmp_path: Path, maker: Releases, web: Web) -> Place:
    return install(tmp_path / "opt", maker, web.url, program(OLD))


@pytest.fixture(autouse=True)
def _binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "target", lambda: TARGET)


def bring(where: Place) -> None:
    """All that `kwaainet update` does before the node is ended."""

    async def work() -> None:
        client = steps.client()
        try:
            signed, found = await steps.latest(client, where)
            state = where.state()
            steps.tidy(where, state)
            await steps.bring(client, where, signed, found, TARGET)
            steps.ask(where, found.version, [])
            state.trial = found.version
            where.write(state)
        finally:
            client.close()

    asyncio.run(work())


class Became(BaseException):
    """In the place of a process that is another program from then on."""


def start(where: Place, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which version a start of the node becomes; it is executed, too."""

    def become(path: str, arguments: list[str]) -> None:
        raise Became(path)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setattr(place, "here", lambda: (where, ""))
    monkeypatch.setattr(launch, "here", lambda: (where, ""))
    monkeypatch.setattr(sys, "argv", ["kwaainet", "run"])
    version = ""
    try:
        launch.launch()
    except Became as became:
        version = Path(str(became)).parent.name
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    steps.ask(where, version or OLD, []) if version else None
    return version


def let_go(where: Place) -> None:
    """As the end of the process on trial does with its lock."""
    fd = where.state().lock
    if fd >= 0:
        os.close(fd)


def stays(where: Place) -> None:
    trial = launch.Trial(where, where.state().lock)
    trial.stays()


# --- a version comes, and is tried ---


def test_a_version_is_tried_once_and_kept_when_it_stays(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(where)
    assert start(where, monkeypatch) == NEW
    stays(where)
    state = where.state()
    assert (state.current, state.previous, state.trial) == (NEW, "", "")
    assert start(where, monkeypatch) == NEW


def test_one_that_ends_early_is_refused_and_the_one_before_is_back(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(where)
    assert start(where, monkeypatch) == NEW
    let_go(where)
    assert start(where, monkeypatch) == ""
    assert where.state().refused == [NEW]
    found = release.parse(f"kwaainet {NEW}\n".encode())
    assert "did not stay" in steps.wanted(found, OLD, where.state(), False)
    assert not steps.wanted(found, OLD, where.state(), True)


def test_one_that_the_owner_ends_early_is_tried_again(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(where)
    assert start(where, monkeypatch) == NEW
    launch.Trial(where, where.state().lock).stopped()
    where_state = where.state()
    assert (where_state.trial, where_state.lock) == (NEW, -1)


def test_another_start_leaves_a_trial_alone(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(where)
    assert start(where, monkeypatch) == NEW
    assert start(where, monkeypatch) == ""
    assert where.state().trial == NEW
    let_go(where)


def test_the_kernel_ends_one_that_is_not_ready(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer is set before the version is executed."""
    bring(where)
    seen = []

    def become(path: str, arguments: list[str]) -> None:
        seen.append(signal.getitimer(signal.ITIMER_REAL)[0])
        raise Became(path)

    with monkeypatch.context() as patched:
        patched.setattr(signal, "setitimer", lambda *a: seen.append(a[1]))
        start(where, patched)
    assert seen[0] == launch.READY_WITHIN
    let_go(where)


@pytest.mark.parametrize("wrong", ["program", "index"])
def test_a_version_that_is_damaged_later_is_passed_over(
    where: Place, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    bring(where)
    start(where, monkeypatch)
    stays(where)
    name = place.PROGRAM if wrong == "program" else place.INDEX
    path = Path(where.versions) / NEW / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert start(where, monkeypatch) == ""


def test_an_installed_program_that_is_newer_counts(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(where)
    start(where, monkeypatch)
    stays(where)
    monkeypatch.setattr(launch, "VERSION", "0.3.0")
    assert start(where, monkeypatch) == ""


# --- what is refused ---


@pytest.mark.parametrize("version", [OLD, "0.0.9"])
def test_the_version_never_goes_back(maker: Releases, version: str) -> None:
    found = release.parse(f"kwaainet {version}\n".encode())
    assert steps.wanted(found, OLD, State(), True) == f"{OLD} is the newest version"


def test_a_file_of_another_hash_is_not_kept(where: Place, maker: Releases, tmp_path: Path) -> None:
    maker.publish(NEW, program(NEW), digest="ab" * 32)
    with pytest.raises(UpdateError, match="SHA-256"):
        bring(where)
    assert not (Path(where.versions) / NEW).exists()
    maker.publish(NEW, program(NEW))
    bring(where)


def test_one_that_says_it_is_another_is_not_tried(where: Place, maker: Releases) -> None:
    maker.publish(NEW, program("0.3.0"))
    with pytest.raises(UpdateError, match="another version"):
        bring(where)
    assert not where.state().trial


def test_one_that_refuses_the_configuration_is_not_tried(where: Place, maker: Releases) -> None:
    wrong = program(NEW).replace(b"check-config) ;;", b"check-config) echo bad; exit 2;;")
    maker.publish(NEW, wrong)
    with pytest.raises(UpdateError, match="check-config failed: bad"):
        bring(where)
    assert not where.state().trial


# --- the way here ---


def test_a_fetch_goes_on_where_it_ended(where: Place, web: Web) -> None:
    web.cut = 100_000
    bring(where)
    size = len(program(NEW))
    begun = [start for path, start in web.asked if path.endswith(TARGET)]
    assert begun == list(range(0, size, 100_000))


def test_a_server_without_ranges_begins_anew(where: Place, web: Web) -> None:
    new = Path(where.versions) / place.NEW
    web.cut = 100_000
    web.ranges = False
    with pytest.raises(OriginError, match="cut short at 100000"):
        bring(where)
    assert (new / place.PROGRAM).stat().st_size == 100_000
    web.cut = 0
    bring(where)


def test_what_is_there_of_another_release_is_not_gone_on_with(
    where: Place, web: Web, maker: Releases
) -> None:
    web.cut, web.ranges = 1000, False
    with pytest.raises(OriginError):
        bring(where)
    web.cut, web.ranges = 0, True
    web.asked.clear()
    maker.publish("0.2.1", program("0.2.1"))
    bring(where)
    assert [start for _, start in web.asked] == [0, 0]


# --- kill -9, and the power, at each step ---


# Runs to the end, one after the other, before all steps have had their turn: how many writes a
# fetch takes is the network's business.
WHOLE = 6
CHANGES = ("write", "fsync", "rename", "replace", "mkdir", "unlink", "ftruncate", "chmod")


class Doom:
    """Ends this process at its so many change of a file. `lose`: with it what was not flushed, of
    files; names in directories stay as they are.
    """

    def __init__(self, call: int, rng: random.Random, lose: bool) -> None:
        self.left = call
        self.rng = rng
        self.lose = lose
        self.dirty: set[str] = set()
        self.truncate = os.truncate
        for name in CHANGES:
            setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if not self.left and self.rng.random() < 0.5:
                self.end()
            self.note(name, arguments)
            done = real(*arguments, **named)
            if not self.left:
                self.end()
            return done

        return called

    def note(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("write", "fsync"):
            path = os.readlink(f"/proc/self/fd/{arguments[0]}")
            (self.dirty.add if name == "write" else self.dirty.discard)(path)
        elif name in ("rename", "replace"):
            was, now = (os.fspath(each) for each in arguments)
            moved = {each for each in self.dirty if f"{each}/".startswith(f"{was}/")}
            self.dirty -= moved
            self.dirty |= {now + each[len(was) :] for each in moved}

    def end(self) -> None:
        for path in self.dirty if self.lose else ():
            if os.path.isfile(path):
                self.truncate(path, self.rng.randrange(os.stat(path).st_size + 1))
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("lose", [False, True], ids=["killed", "power cut"])
def test_at_each_step_one_of_two_versions_runs(
    where: Place, web: Web, monkeypatch: pytest.MonkeyPatch, lose: bool
) -> None:
    """The update, the trial and its end, ended at every change of a file; then started again."""
    rng = random.Random(7)
    call, seen, whole = 0, set(), 0
    while whole < WHOLE:
        call += 1
        process = os.fork()
        if not process:
            status = 1
            try:
                Doom(call, rng, lose)
                bring(where)
                if start(where, monkeypatch) == NEW:
                    stays(where)
                    status = 0
            finally:
                os._exit(status)
        ended = os.waitpid(process, 0)[1]
        assert ended in (0, signal.SIGKILL), call
        whole = 0 if ended else whole + 1
        before = where.state()
        for named in filter(None, (before.current, before.trial)):
            where.check(named, TARGET)  # what the state names is whole
        version = start(where, monkeypatch)
        assert version in ("", NEW), call
        if version:
            where.check(version, TARGET)
            steps.ask(where, version, [])
        seen.add((version, where.state().refused == [NEW]))
        let_go(where)
        bring(where)  # goes on over what was left
        for left in ("state", "state.tmp"):
            Path(where.versions, left).unlink(missing_ok=True)
    assert call > 15
    assert seen >= {("", False), (NEW, False), ("", True)}


def test_another_users_versions_are_not_executed(
    where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(where)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(where.versions).st_uid + 1)
    assert start(where, monkeypatch) == ""
    assert where.state().trial == NEW

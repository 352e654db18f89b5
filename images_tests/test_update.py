"""`kwaainet update` of real static binaries, from a web server on loopback.

With a shell's loop in the place of a service manager, a user without rights, and a root without the
marks of a container.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cross import binary, contents
from cross.targets import TARGETS
from edge.update.launch import READY_WITHIN, STAYS
from edge.update.place import Place
from edge.version import VERSION
from qemu_tests.emulated import build
from tests.update.installed import TARGET, Releases, install, program, served

NEW, BROKEN = "900.0.0", "900.0.1"
PATIENCE = 60.0

# Arguments: the root directory, the command. Its mounts end with it.
INSIDE = """
set -eu
mount --make-rprivate /
for name in usr dev proc; do mount --rbind "/$name" "$1/$name"; done
root=$1
shift
exec chroot "$root" "$@"
"""
LOOP = r"""
while :; do
    status=0
    setpriv --reuid 4001 --regid 4001 --clear-groups \
        /opt/kwaainet/kwaainet run --data-dir /data --listen /ip4/127.0.0.1/tcp/0 || status=$?
    echo "ended $status"
    sleep 0.2
done
"""


class Machine:
    """A root directory with an installed node, which is started again whenever it ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        for name in ("usr", "dev", "proc", "tmp"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        self.place = Place(str(root / "opt" / "kwaainet"))
        self._loop: subprocess.Popen[bytes] | None = None

    def _words(self, *command: str) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", INSIDE, "sh", str(self.root), *command]

    def boot(self) -> None:
        self._loop = subprocess.Popen(
            self._words("sh", "-c", LOOP),
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def cut_power(self) -> None:
        if self._loop is not None:
            subprocess.run(["kill", "-KILL", "--", f"-{self._loop.pid}"], check=True)
            self._loop.wait()
            self._loop = None

    def update(self, *flags: str) -> subprocess.CompletedProcess[str]:
        command = self._words("/opt/kwaainet/kwaainet", "update", "--data-dir", "/data", *flags)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def version(self) -> str:
        """Of the node that answers; "" if none does."""
        command = self._words("/opt/kwaainet/kwaainet", "status", "--data-dir", "/data")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.split(",")[0].removeprefix("kwaainet ") if done.returncode == 0 else ""

    def ids(self) -> set[str]:
        return {word for word in self.log.read_text().split() if word.startswith("peer_id=")}

    def until(self, what: Callable[[], bool], patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not what():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def runs(self, version: str) -> None:
        self.until(lambda: self.version() == version)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The static binary, of another version."""
    folder = tmp_path_factory.mktemp("new")
    real = contents.application
    changed = folder / "version.py"
    text = real()["edge.version"].read_text()
    assert text.count(f'"{VERSION}"') == 1
    changed.write_text(text.replace(f'"{VERSION}"', f'"{NEW}"'))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            contents,
            "application",
            lambda router=False: {**real(router), "edge.version": changed},
        )
        return binary.build(TARGETS[TARGET], dist=folder, maps=folder).read_bytes()


@pytest.fixture
def maker(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


@pytest.fixture
def machine(tmp_path: Path, maker: Releases) -> Iterator[Machine]:
    with served(maker.folder) as web:
        found = Machine(tmp_path / "root")
        install(
            found.root / "opt" / "kwaainet", maker, web.url, build(TARGETS[TARGET]).read_bytes()
        )
        (found.root / "data").mkdir(0o700)
        for path in (found.root / "data", Path(found.place.versions)):
            os.chown(path, 4001, 4001)
        found.boot()
        try:
            found.runs(VERSION)
            yield found
        finally:
            found.cut_power()
            shutil.rmtree(found.root / "opt" / "kwaainet")


def test_a_new_version_is_kept_after_five_minutes(
    machine: Machine, maker: Releases, new: bytes
) -> None:
    maker.publish(NEW, new)
    assert machine.update("--check").stdout == f"{NEW} is there; this is {VERSION}\n"
    done = machine.update()
    assert done.stdout == (
        f"{NEW} is fetched and checked\n{NEW} is ready; it is kept if it stays for 5 minutes\n"
    ), done
    assert machine.update("--check").stdout == f"{NEW} is on trial\n"
    machine.until(lambda: machine.place.state().current == NEW, STAYS + PATIENCE)
    machine.cut_power()
    machine.boot()
    machine.runs(NEW)
    assert machine.update("--check").stdout == f"{NEW} is the newest version\n"
    assert len(machine.ids()) == 1

    # One that ends at once, on top of it.
    maker.publish(BROKEN, program(BROKEN, "exit 1"))
    done = machine.update()
    assert done.returncode == 1
    assert done.stderr.endswith(f"{BROKEN} did not get ready; the version before is back\n")
    machine.runs(NEW)
    assert "did not stay" in machine.update("--check").stdout
    assert machine.place.state().current == NEW


def test_the_power_goes_while_a_version_is_tried(
    machine: Machine, maker: Releases, new: bytes
) -> None:
    maker.publish(NEW, new)
    machine.update()
    machine.runs(NEW)
    machine.cut_power()
    machine.boot()
    machine.runs(VERSION)
    assert machine.place.state().refused == [NEW]
    assert machine.update("--retry").returncode == 0
    machine.runs(NEW)


def test_one_that_hangs_is_ended_by_the_kernel(machine: Machine, maker: Releases) -> None:
    maker.publish(NEW, program(NEW, "while :; do :; done"))
    done = machine.update()
    assert done.returncode == 1
    machine.until(lambda: machine.version() == VERSION, READY_WITHIN + PATIENCE)
    assert f"ended {128 + signal.SIGALRM}" in machine.log.read_text()
    assert machine.place.state().refused == [NEW]

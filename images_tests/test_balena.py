"""balena's project: its Dockerfile built on a Debian of the base's name, and run by podman."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containers.image import relay
from cross.targets import TARGETS
from images_tests.podman import Podman
from qemu_tests.emulated import build
from tests.containers.test_compose import BALENA, SCHEMA
from tests.counterparts import cache, compose_readers

TARGET = "x86_64"
BASE = "docker.io/library/debian:bookworm-slim"
IMAGE = "localhost/kwaainet-balena:test"
PATIENCE = 60.0


def _debian(target: Path) -> None:
    cache.run("mmdebstrap", "--variant=essential", "bookworm", target / "debian.tar")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    directory = tmp_path_factory.mktemp("balena")
    program = directory / f"kwaainet-{TARGET}"
    program.write_bytes(build(TARGETS[TARGET]).read_bytes())
    subprocess.run([BALENA / "assemble", directory, TARGET], check=True)
    project = directory / "balena"
    (project / "Dockerfile").write_text(compose_readers.balena(project, SCHEMA)["dockerfile"])
    base = cache.install("debian-bookworm", b"essential", _debian)
    options = ("--isolation", "chroot", "--pull=never", "--format", "docker", "--tag", IMAGE)
    with Podman() as podman:
        podman("import", base / "debian.tar", BASE)
        podman("build", *options, project)
        yield podman


@pytest.fixture
def podman(built: Podman) -> Iterator[Podman]:
    yield built
    built("rm", "--all", "--force", "--time", "0")


def until(what: Callable[[], bool], why: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.2)


def serve(podman: Podman, locks: Path, **variables: str) -> None:
    """As the supervisor runs it: as root, with the directory of its locks."""
    given = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
    options = ("--network", "host", "--volume", f"{locks}:/tmp/balena", "--volume", "data:/data")
    podman("run", "--detach", "--name", "node", *podman.limits, *options, *given, IMAGE)
    until(
        lambda: podman.tried("exec", "node", *relay.HEALTH).returncode == 0,
        lambda: podman.tried("logs", "node"),
    )


def test_the_node_has_no_rights_and_a_stop_is_clean(podman: Podman, tmp_path: Path) -> None:
    serve(podman, tmp_path, KWAAINET_NETWORK="none")
    pids = podman("top", "node", "hpid", "user", "comm").splitlines()[1:]
    (pid,) = [line.split()[0] for line in pids if line.split()[1:] == ["4001", "kwaainet"]]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
    podman("stop", "--time", "10", "node")
    assert podman.inspect("node")["State"]["ExitCode"] == 0


def test_a_variable_of_the_device_is_the_nodes(podman: Podman, tmp_path: Path) -> None:
    serve(podman, tmp_path, KWAAINET_LISTEN="/ip4/127.0.0.1/tcp/4555")
    shown = podman("exec", "node", "kwaainet", "status")
    assert "/ip4/127.0.0.1/tcp/4555" in shown


def test_another_ones_lock_is_left_alone(podman: Podman, tmp_path: Path) -> None:
    lock = tmp_path / "updates.lock"
    lock.write_text("")
    serve(podman, tmp_path, UPDATE_LOCK_EVERY="1")
    podman("stop", "--time", "10", "node")
    assert lock.exists()


def test_its_own_lock_of_before_a_crash_is_removed(podman: Podman, tmp_path: Path) -> None:
    lock = tmp_path / "updates.lock"
    lock.write_text("kwaainet\n")
    serve(podman, tmp_path)
    assert not lock.exists()

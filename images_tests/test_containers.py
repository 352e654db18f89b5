"""The relay's image, run by podman as docs/containers.md says: confined, within 64 MiB."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containers.image import oci, relay
from cross.targets import TARGETS
from edge.version import VERSION
from images_tests.podman import Podman
from qemu_tests.emulated import build

TARGET = "x86_64"
IMAGE = "localhost/kwaainet-relay:test"
MIB = 1 << 20
EPOCH = 1_700_000_000
ELSEWHERE = "8765:8765"  # a user that no file knows
PATIENCE = 60.0


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    archive = tmp_path_factory.mktemp("image") / "relay.tar"
    image = relay.image(TARGET, build(TARGETS[TARGET]), EPOCH)
    archive.write_bytes(oci.archive(image, IMAGE))
    with Podman() as found:
        found("load", "--input", archive)
        yield found


@pytest.fixture
def podman(loaded: Podman) -> Iterator[Podman]:
    yield loaded
    loaded("rm", "--all", "--force", "--time", "0")


def serve(podman: Podman, name: str, *options: str, image: str = IMAGE) -> None:
    """Start a node, and wait until it accepts connections."""
    podman.start(name, image, "--health-interval", "disable", *options)
    end = time.monotonic() + PATIENCE
    while podman.tried("healthcheck", "run", name).returncode:
        running = podman.inspect(name)["State"]["Running"]
        assert running and time.monotonic() < end, podman.tried("logs", name)
        time.sleep(0.2)


def status(podman: Podman, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podman("exec", name, "kwaainet", "status", "--json"))
    return found


def facts(podman: Podman, name: str) -> dict[str, str]:
    """Of /proc/PID/status."""
    pid = podman.inspect(name)["State"]["Pid"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_a_node_keeps_within_its_cgroup_and_has_no_rights(podman: Podman) -> None:
    serve(podman, "node", "--volume", "rights:/data")
    found = status(podman, "node")
    assert found["memory"]["limit"] == 24 * MIB  # the least, as a quarter of 64 MiB is less
    found = facts(podman, "node")
    assert found["Uid"].split() == [str(relay.USER)] * 4
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
    assert found["NoNewPrivs"] == "1"


def test_a_node_is_well_until_it_hangs(podman: Podman) -> None:
    """It is stopped as a whole, so that nobody answers."""
    serve(podman, "node", "--health-timeout", "2s")
    podman("kill", "--signal", "STOP", "node")
    done = podman.tried("exec", "node", *relay.HEALTH)
    assert done.returncode == 1
    podman("kill", "--signal", "CONT", "node")
    assert podman.tried("healthcheck", "run", "node").returncode == 0


def test_a_stop_is_clean(podman: Podman) -> None:
    serve(podman, "node")
    podman("stop", "--time", "10", "node")
    state = podman.inspect("node")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)  # 137 if it had to be killed


def test_the_identity_is_the_volumes(podman: Podman) -> None:
    serve(podman, "node", "--volume", "kept:/data")
    before = status(podman, "node")["peer_id"]
    podman("rm", "--force", "--time", "10", "node")
    serve(podman, "node", "--volume", "kept:/data")
    assert status(podman, "node")["peer_id"] == before
    podman("rm", "--force", "--time", "10", "node")
    serve(podman, "node", "--volume", "another:/data")
    assert status(podman, "node")["peer_id"] != before


def test_another_user_may_own_the_directory(podman: Podman, tmp_path: Path) -> None:
    """As on a NAS, where a folder is mounted and the user is one of the NAS."""
    folder = tmp_path / "data"
    folder.mkdir()
    user, _, group = ELSEWHERE.partition(":")
    shutil.chown(folder, int(user), int(group))
    serve(podman, "node", "--user", ELSEWHERE, "--volume", f"{folder}:/data")
    assert facts(podman, "node")["Uid"].split()[0] == user
    assert {path.stat().st_uid for path in folder.iterdir()} == {int(user)}


def test_the_layout_is_one_that_podman_pulls(podman: Podman, tmp_path: Path) -> None:
    """It picks this machine's platform of two. The health check is told at the start then."""
    images = [
        relay.image(name, build(TARGETS[TARGET]), EPOCH) for name in ("aarch64_cortex-a53", TARGET)
    ]
    for path, data in oci.layout(images, VERSION).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    pulled = podman("pull", "--quiet", f"oci:{tmp_path}:{VERSION}")
    assert podman.inspect(pulled)["Architecture"] == "amd64"
    health = json.dumps(relay.HEALTH)  # as words: there is no shell
    serve(podman, "node", "--health-cmd", health, image=pulled)


def test_a_directory_that_is_not_the_nodes_is_told(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    podman.start("node", IMAGE, "--no-healthcheck", "--volume", f"{tmp_path}/data:/data")
    assert podman("wait", "node") == "1"
    assert "/data" in podman.tried("logs", "node").stderr

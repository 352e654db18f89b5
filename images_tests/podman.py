"""Podman with a store, a network and cgroups of its own, without a daemon, systemd or a registry.

Wants root, and podman and crun of Debian. The containers' network is a namespace with a loopback
interface alone, which all of them share as their host's. Where cgroups are v1 beside a v2 that has
controllers of its own, which crun refuses, v2 is hidden in a mount namespace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_PREPARE = """
ip link set lo up
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
echo ready
exec sleep infinity
"""
# No more than a container may have that is itself in one.
_LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1000:1000")
# As docs/containers.md tells users to run it. A timer of systemd would ask for the health.
CONFINED = (
    *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--memory", "64m", "--memory-swap", "64m", "--network", "host"),
)


class Podman:
    """`with Podman() as podman: podman("run", ...)`; all of it is gone afterwards."""

    limits = _LIMITS

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="kw-"))  # podman wants a short path
        self._holder: subprocess.Popen[str] | None = None

    def __enter__(self) -> Podman:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-euc", _PREPARE],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self._holder.kill()
            raise AssertionError("no namespaces: root is needed, and unshare, ip and mountpoint")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._holder is not None
        self.tried("rm", "--all", "--force", "--time", "0")
        self._holder.kill()
        self._holder.communicate()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __call__(self, *words: str | Path) -> str:
        """What the command prints; it must succeed."""
        done = self.tried(*words)
        assert done.returncode == 0, f"podman {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def tried(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        assert self._holder is not None
        inside = ["nsenter", "--target", str(self._holder.pid), "--net", "--mount"]
        store = [f"--root={self._directory}/root", f"--runroot={self._directory}/run"]
        kinds = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        command = [*inside, "podman", *store, *kinds, *[str(word) for word in words]]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def start(self, name: str, image: str, *options: str, command: tuple[str, ...] = ()) -> None:
        """Run `image` detached, and confined as users are told to."""
        self("run", "--detach", "--name", name, *CONFINED, *_LIMITS, *options, image, *command)

    def inspect(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self("inspect", name))
        return found[0]

"""A root directory in which our init script runs under busybox ash, with the real node's checks.

An overlay of this machine's root in namespaces of its own, with a WAN that leads nowhere: what is
written there is gone with it. rc.common, procd and uci are the stand-ins beside this file;
`kwaainet` is this checkout. Needs root, overlayfs, iproute2 and Debian's busybox.

A jail is a root directory with the paths that procd was told of and nothing else, a stand-in for
ujail's; the interpreter is in there too, for the node is no static binary here.

Its /tmp is a tmpfs of limited size that holds /var too, a stand-in for a router's memory; what the
other stand-ins write is elsewhere, so that filling /tmp hits only the script.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from openwrt.package.recipe import HERE, ROOT

STANDINS = Path(__file__).parent / "standin"
_MOUNT = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount -t tmpfs -o size=4m tmpfs "$1/root/tmp"
rm -rf "$1/root/var" "$1/root/etc/localtime"
ln -s tmp "$1/root/var"
mkdir "$1/root/tmp/run" "$1/root/tmp/procd"
mount -t tmpfs tmpfs "$1/root/tmp/procd"
ln -s procd/logread "$1/root/tmp/logread"
for path in "$2" "$3"; do
    mkdir -p "$1/root$path"
    mount --rbind "$path" "$1/root$path"
done
ip link add wan type veth peer name modem
ip address add 5.1.1.10/24 dev wan
ip link set wan up
ip link set modem up
ip route add default via 5.1.1.1
echo ready
exec sleep 5400
"""
# $1: the jail's root; $2: paths; $3: paths of the interpreter; then the command.
_JAIL = """
jail=$1 paths=$2 interpreter=$3
shift 3
mkdir -p "$jail"
mount -t tmpfs tmpfs "$jail"
mkdir "$jail/proc" "$jail/dev"
mount -t proc proc "$jail/proc"
mount --bind /dev "$jail/dev"
for path in $paths $interpreter; do
    if [ -L "$path" ] && [ -d "$path" ]; then
        cp -d "$path" "$jail$path"
        continue
    elif [ -d "$path" ]; then
        mkdir -p "$jail$path"
    elif [ -e "$path" ]; then
        mkdir -p "$jail${path%/*}"
        : >"$jail$path"
    else
        continue
    fi
    mount --rbind "$path" "$jail$path"
done
exec chroot "$jail" "$@"
"""
_INTERPRETER = ("/usr", "/bin", "/lib", "/lib64")


class RouterRoot:
    """`with RouterRoot(directory) as router`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Self:
        command = ["unshare", "-mn", "--propagation", "private", "sh", "-ec", _MOUNT, "sh"]
        prefix = str(Path(sys.executable).resolve().parents[1])
        self._holder = subprocess.Popen(
            [*command, str(self._directory), str(ROOT), prefix], stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n", self._holder.wait()
        self._fill()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._holder.stdout is not None
        self._holder.terminate()
        self._holder.wait()
        self._holder.stdout.close()

    def path(self, path: str) -> Path:
        """`path` in there, as seen from here."""
        inside = self._directory / "root" / path.removeprefix("/")
        return Path(f"/proc/{self._holder.pid}/root{inside}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def read(self, path: str) -> str:
        file = self.path(path)
        return file.read_text() if file.exists() else ""

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A command in there, with busybox's applets and the stand-ins as its PATH."""
        return subprocess.run(self._inside(*words), capture_output=True, text=True, input=given)

    def _inside(self, *words: str) -> list[str]:
        enter = ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--", "chroot"]
        root = str(self._directory / "root")
        return [*enter, root, "/bin/busybox", "env", "-i", "PATH=/standin:/applets", *words]

    def jailed(self, *words: str) -> list[str]:
        """The words that run a command in the jail of the instance, with its environment."""
        told = self.read("/tmp/procd/instance").partition("instance events")[0].splitlines()
        fields = [(line.partition(": ")[0], shlex.split(line.partition(": ")[2])) for line in told]
        paths = [path for name, found in fields for path in found if name.startswith("mount")]
        environment = [pair for name, found in fields for pair in found if name == "env"]
        prefix = str(Path(sys.executable).resolve().parents[1])
        interpreter = [*_INTERPRETER, str(ROOT), prefix]
        jail = [
            "/usr/bin/unshare",
            "-m",
            "--propagation",
            "private",
            "/bin/sh",
            "-ec",
            _JAIL,
            "jail",
        ]
        jail += ["/tmp/procd/jail", " ".join(paths), " ".join(interpreter)]
        return [*jail, "/usr/bin/env", "-i", f"PYTHONPATH={ROOT}", *environment, *words]

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """The same, running meanwhile."""
        process = subprocess.Popen(self._inside(*words), stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def service(self, command: str) -> subprocess.CompletedProcess[str]:
        """`service kwaainet COMMAND`."""
        return self.run("/applets/ash", "/etc/rc.common", "/etc/init.d/kwaainet", command)

    def fill(self, free_pages: int = 0) -> None:
        """Leave so many pages of /tmp free; a page is what the smallest file takes."""
        room = self.path("/tmp/room")
        room.write_bytes(bytes(4096 * free_pages))
        self.run("/applets/ash", "-c", "cat /dev/zero >/tmp/ballast")
        room.unlink()

    def events(self) -> list[str]:
        """What procd and the firewall were told since the last call."""
        found = self.read("/tmp/procd/events").splitlines()
        self.path("/tmp/procd/events").unlink(missing_ok=True)
        return found

    def _fill(self) -> None:
        shutil.copytree(HERE / "files", self.path("/"), dirs_exist_ok=True)
        self.path("/standin").mkdir()
        for name in ("uci", "logger", "logread", "ubus"):
            shutil.copy(STANDINS / name, self.path("/standin"))
        text = (STANDINS / "jshn").read_text()
        self.write("/standin/jshn", f"#!{sys.executable}\n{text}", 0o755)
        self.write("/usr/share/libubox/jshn.sh", (STANDINS / "jshn.sh").read_text())
        shutil.copy(STANDINS / "fw4", self.path("/sbin/fw4"))
        shutil.copy(STANDINS / "rc.common", self.path("/etc/rc.common"))
        self.write("/lib/functions/procd.sh", (STANDINS / "procd.sh").read_text())
        for name in ("passwd", "group"):
            line = "kwaainet:x:4001:4001::/:\n" if name == "passwd" else "kwaainet:x:4001:\n"
            self.write(f"/etc/{name}", f"root:x:0:0::/:\nnobody:x:65534:65534::/:\n{line}")
        self.write(
            "/usr/bin/kwaainet",
            f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m edge "$@"\n',
            0o755,
        )
        self.path("/applets").mkdir()
        done = self.run("/bin/busybox", "--install", "-s", "/applets")
        assert done.returncode == 0, done.stderr

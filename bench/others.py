"""What stands beside the static binary in `make footprint`: how each is had, and how it is started.

All are pinned and built once, see bench.builds. What cannot be had raises one of MISSING, whose
text says why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import builds, relays
from bench.relays import Place, Relay
from cross.targets import TARGETS
from tests.counterparts.cache import InstallError
from tests.counterparts.go_peer import P2pd

MISSING = (
    builds.MissingTool,
    InstallError,
    relays.RelayError,
    subprocess.CalledProcessError,
    SystemExit,  # of what cross fetches
)
_SLEEP = "import time; print('ready'); time.sleep(3600)"


@dataclass(frozen=True)
class Other:
    """`get`: its file, or the folder of its files. `start`: until it is ready; None: not run here.

    `libp2p`: it is a relay for libp2p peers, and takes as many as come.
    """

    name: str
    get: Callable[[], Path]
    start: Callable[[Path, Place], Relay] | None = None
    libp2p: bool = False


def everyone() -> list[Other]:
    tailscale = builds.TAILSCALE[1:]
    small = f"tailscaled {tailscale} --extra-small --box"
    return [
        Other("p2pd (go-libp2p 0.32; packed)", P2pd.install, _p2pd),
        Other(
            f"go-libp2p {_pinned('go/go.mod', 'go-libp2p v')}, a relay",
            lambda: builds.go_programs() / "relay",
            _says,
            True,
        ),
        Other(
            f"rust-libp2p {_pinned('rust-relay/Cargo.toml', 'libp2p = .*?')}, a relay",
            builds.rust_relay,
            _says,
            True,
        ),
        Other("syncthing-relaysrv, Debian's", _relaysrv_program, _relaysrv),
        Other(f"tailscaled {tailscale}", lambda: builds.tailscaled("amd64"), _tailscaled),
        Other(small, lambda: builds.tailscaled("amd64", small=True), _tailscaled),
        Other(f"tailscaled {tailscale}, mipsle", lambda: builds.tailscaled("mipsle")),
        Other(f"{small}, mipsle", lambda: builds.tailscaled("mipsle", small=True)),
        Other(
            "MicroPython 1.25, interpreter alone",
            lambda: builds.micropython(TARGETS["x86_64"]),
            _micropython,
        ),
        Other(
            "MicroPython 1.25, mipsel_24kc",
            lambda: builds.micropython(TARGETS["mipsel_24kc"]),
        ),
        Other(
            "kwaainet as Nuitka's onefile",
            lambda: builds.nuitka_program() / "onefile",
            _node,
            True,
        ),
        Other(
            "kwaainet as Nuitka's standalone folder",
            lambda: builds.nuitka_program() / "standalone",
            lambda folder, place: _node(folder / "kwaainet.bin", place),
            True,
        ),
    ]


def _pinned(file: str, before: str) -> str:
    found = re.search(rf"{before}([\d.]+)", (builds.HERE / file).read_text())
    assert found is not None
    return found[1]


def kind(other: Other, path: Path) -> relays.Kind:
    start = other.start
    assert start is not None
    return relays.Kind("other", lambda place: start(path, place), other.libp2p)


def _says(program: Path, place: Place) -> Relay:
    return relays.says_address([program], place)


def _node(program: Path, place: Place) -> Relay:
    return relays.start_node([str(program)], place)


def _p2pd(program: Path, place: Place) -> Relay:
    control = place.directory / "control"
    listen = ("-hostAddrs=/ip4/127.0.0.1/tcp/0", f"-listen=/unix{control}")
    return _until(control.is_socket, [program, *listen, "-relayService=1"], place)


def _relaysrv_program() -> Path:
    found = shutil.which("syncthing-relaysrv") or shutil.which("strelaysrv")
    if found is None:
        raise builds.MissingTool("syncthing-relaysrv is missing (apt-get install it)")
    return Path(found)


def _relaysrv(program: Path, place: Place) -> Relay:
    """In no public pool, and without a page of figures."""
    [port] = relays.free_ports(1)
    options = ("-pools=", "-status-srv=", f"-keys={place.directory}", f"-listen=127.0.0.1:{port}")
    relay = Relay([program, *options], place)
    relay.await_port(port)
    return relay


def _tailscaled(program: Path, place: Place) -> Relay:
    """Logged out, in a network namespace of its own with nothing in it: no packet leaves.

    The small one has no network stack of its own, so it gets the kernel's, there.
    """
    control = place.directory / "socket"
    command = ["unshare", "--net", str(program), "--state=mem:", f"--socket={control}", "--port=0"]
    if os.geteuid() != 0:
        command.insert(1, "--map-root-user")
    if program.name == "tailscaled":
        command.append("--tun=userspace-networking")
    return _until(control.is_socket, [*command, f"--statedir={place.directory}"], place)


def _micropython(program: Path, place: Place) -> Relay:
    relay = Relay([program, "-c", _SLEEP], place)
    relay.await_said("ready")
    return relay


def _until(ready: Callable[[], bool], command: Sequence[str | Path], place: Place) -> Relay:
    relay = Relay(command, place)
    relay.await_that(ready)
    return relay

"""tools/pinned -m cross.order: makes order.txt, in which modules lie in the image.

Builds an x86_64 binary that tells what it imports, and runs its commands. First come the modules
that all uses import, then those of fewer, and among equals they lie as a node imports them. One
that the list lacks is in the image all the same, behind those that it has
(cross/hosted/bytecode.py): the list need not be made anew for each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path

from cross import binary, contents
from cross.targets import TARGETS

ORDER = Path(__file__).with_name("order.txt")
_HEAD = "# The order of the modules in the image: made by `tools/pinned -m cross.order`.\n"
_TELL = """

def _execute(module, execute=_execute):
    import posix

    where = posix.environ[b"KWAAINET_ORDER"] + b"/%d" % posix.getpid()
    file = posix.open(where, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT, 0o600)
    posix.write(file, module.__name__.encode() + b"\\n")
    posix.close(file)
    execute(module)
"""
_LOCAL = "/ip4/127.0.0.1/tcp/0"
_RUN = ("run", "--listen", _LOCAL)
_ALL = (
    *("--cache-gateway", "yes", "--cache-gateway-listen", _LOCAL, "--relay-service", "yes"),
    *("--dht-enabled", "yes", "--status-http", "yes", "--status-http-listen", _LOCAL),
)
_AT_A_NODE = (("status",), ("peers",), ("cache", "stats"), ("dht", "stats"))
_ALONE = (("id",), ("tier",), ("check-config",), ("ledger",))


class Program:
    """The binary that tells what it imports, and its data, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        start = folder / "_start.py"
        start.write_text((contents.IMAGE / "_start.py").read_text() + _TELL)
        self._path = binary.build(TARGETS["x86_64"], dist=folder, maps=folder, start=start)

    def run(self, *command: str) -> list[str]:
        """What a command imports."""
        return self._started(command).modules()

    def run_node(self, *options: str) -> list[list[str]]:
        """What a node imports, and what the commands do that ask it."""
        node = self._started((*_RUN, *options))
        node.await_ready()
        asked = [self.run(*command) for command in _AT_A_NODE]
        node.process.send_signal(signal.SIGTERM)
        return [node.modules(), *asked]

    def _started(self, command: tuple[str, ...]) -> Use:
        told = Path(tempfile.mkdtemp(dir=self._folder))
        return Use([str(self._path), *command, "--data-dir", str(self._folder / "data")], told)


class Use:
    """A process of it, which tells in `folder`, and so do its children."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        environment = {**os.environ, "KWAAINET_ORDER": str(folder)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def await_ready(self) -> None:
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("ready "):
            raise SystemExit("order: the node was not ready")

    def modules(self) -> list[str]:
        """Wait for its end; what it imported, and then its children."""
        self.process.communicate(timeout=60)
        own = str(self.process.pid)
        files = sorted(self._folder.iterdir(), key=lambda path: (path.name != own, path.name))
        names = [name for path in files for name in path.read_text().split()]
        return list(dict.fromkeys(names))


def ordered(uses: list[list[str]], others: list[list[str]]) -> list[str]:
    """The modules of all; first by which of `uses` have them, the first of which weighs most."""
    places = {name: n for n, name in enumerate(dict.fromkeys(chain(*uses, *others)))}
    return sorted(places, key=lambda name: ([name not in use for use in uses], places[name]))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kwaainet-order-") as folder:
        program = Program(Path(folder))
        version = program.run("--version")
        node, status, *asked = program.run_node()
        full, *_ = program.run_node(*_ALL)
        alone = [program.run(*command) for command in _ALONE]
    names = ordered([full, node, status, version], [*asked, *alone])
    ORDER.write_text(_HEAD + "".join(f"{name}\n" for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())

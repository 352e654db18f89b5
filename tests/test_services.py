"""A service is one folder: docs/architecture.md adds one, and here that is done.

No module of edge/ outside of a room, node.py, rooms.py and the schema imports the room, names its
services or knows a key that they report.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config.load import load
from edge.node import Node
from edge.rooms import ROOMS
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.hosts import configured, host
from tests.test_rooms import EDGE

ROOT = EDGE.parent
PAGE = ROOT / "docs" / "architecture.md"
JOINS = ("node.py", "rooms.py", "config/schema.py")
# Of what a service is called, and of it, in code; words of protocols below the services are not.
NAMES = {"qos", "tiers", "modes", "ledger", "bookkeeper", "waker", "autorelay"}
# Keys of status that the base has, too, and adds to.
SHARED = {"refusals", "mode", "mode_reason"}
# It shows the overview, which is an interface to more than this program (docs/status.md).
SHOWS_OVERVIEW = EDGE / "status" / "top.py"


def outside() -> Iterator[Path]:
    """The modules that may not know a service."""
    for path in sorted(EDGE.rglob("*.py")):
        parts = path.relative_to(EDGE).parts
        if parts[0] not in ROOMS and "/".join(parts) not in JOINS:
            yield path


def id_of(path: Path) -> str:
    return "/".join(path.relative_to(EDGE).parts)


@pytest.mark.parametrize("path", list(outside()), ids=id_of)
def test_no_other_module_imports_a_room(path: Path) -> None:
    """Not for types, either."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *[f"{node.module}.{name.name}" for name in node.names]]
        for name in names:
            assert not re.match(rf"edge\.({'|'.join(ROOMS)})\b", name), name


@pytest.mark.parametrize("path", list(outside()), ids=id_of)
def test_no_other_module_names_a_service(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        assert name.lower() not in NAMES, f"line {node.lineno}"  # type: ignore[attr-defined]


@asynchronous(30)
async def test_no_other_module_knows_what_a_service_reports(tmp_path: Path) -> None:
    node = Node(load(None, {"KWAAINET_CONFIG": "/dev/null"}, {"data-dir": [str(tmp_path)]}))
    keys = {key for service in node.services for key in service.report()} - SHARED
    await node.stop()
    await node.host.stop()
    assert {"reservations", "circuits", "qos", "step"} <= keys
    for path in set(outside()) - {SHOWS_OVERVIEW}:
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.Constant) and path.parts[-2] in ("edge", "status", "http"):
                assert part.value not in keys, (path, part.lineno)


# --- the page's example ---


def blocks() -> dict[str, str]:
    """The code of the page by the place that its first line names."""
    section = PAGE.read_text().partition("## Adding a service")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n# (\S+?)(?:, in ROOMS)?\n(.*?)```", section, re.DOTALL)
    return dict(found)


def insert_before(path: Path, mark: str, text: str) -> None:
    before, found, after = path.read_text().partition(mark)
    assert found, mark
    path.write_text(before + text + found + after)


def add_service(edge: Path) -> int:
    """Do as the page says in the copy `edge`; how many lines that takes outside of the folder."""
    code = blocks()
    folder = edge / "greet"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for place in [place for place in code if place.startswith("edge/greet/")]:
        (edge.parent / place).write_text(code.pop(place))
    section = code.pop("edge/config/schema.py")
    schema = edge / "config" / "schema.py"
    insert_before(schema, "class Peer(Section)", section + "\n\n")
    insert_before(schema, "Status),\n", "Greet, ")
    insert_before(edge / "rooms.py", ")\n", code.pop("edge/rooms.py"))
    importing, making = code.pop("edge/node.py").splitlines(keepends=True)
    insert_before(edge / "node.py", "from edge.qos.service", importing)
    insert_before(edge / "node.py", "        ]\n        self.status", making)
    assert not code
    return 1 + 1 + 2  # SECTIONS, ROOMS, node.py


async def greeted(directory: Path, at: str) -> bytes:
    """What the node at `at` greets a host with."""
    address = Multiaddr.from_string(at)
    peer = address.peer_id()
    assert peer is not None
    async with host(configured(directory)) as one:
        connection = await one.dialer.connect(peer, [address], trusted=True)
        return await connection.open_stream(["/greet/1.0.0"]).read_to_end(100)


@asynchronous(60)
async def test_the_service_of_the_page_serves(tmp_path: Path) -> None:
    shutil.copytree(EDGE, tmp_path / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    assert add_service(tmp_path / "edge") == 4
    (tmp_path / "peer").mkdir()
    node = EdgeNode(options=["--greet-text", "welcome"])
    node.checkout = tmp_path
    async with node:
        assert await greeted(tmp_path / "peer", await node.direct()) == b"welcome"
        status = await node.status()
        assert status["greetings"] == {"sent": 1}
        assert status["memory"]["rooms"]["greetings"]["used"] == 0
        assert re.search(r"^greetings +1 sent$", await node.run("status"), re.MULTILINE)
        assert await node.run("greeting") == "hello\n"
        assert "[greet] Greetings." in await node.run("help", "run")

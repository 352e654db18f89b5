"""Imports point one way: services -> swarm -> wire -> crypto; services do not know each other."""

import ast
from pathlib import Path

import pytest

EDGE = Path(__file__).parents[1] / "edge"
BASE = {"log", "budget", "atomic", "version"}
SERVICES = {"relay", "status"}
MAY_IMPORT = {
    "crypto": {"atomic"},
    "wire": {"crypto", "version"},
    "swarm": {"wire", "crypto"} | BASE,
    "relay": {"swarm", "wire", "crypto"} | BASE,
    "status": {"swarm", "wire", "crypto"} | BASE,
    "config": {"wire", "log", "version", "crypto"},
}
NO_IO = {
    "asyncio",
    "os",
    "random",
    "secrets",
    "select",
    "socket",
    "subprocess",
    "threading",
    "time",
}


def imports(path: Path) -> set[str]:
    """Modules a file imports, at its top or inside a function; those for types alone left out."""
    found: set[str] = set()
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            if node.module == "edge":
                found |= {f"edge.{name.name}" for name in node.names}
    return found


def _without_type_checking(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = [ast.Pass()]
    return tree


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_lies_below(room: str) -> None:
    files = sorted((EDGE / room).rglob("*.py"))
    assert files
    for path in files:
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("edge.")}
        assert rooms <= MAY_IMPORT[room] | {room}, path


def test_services_do_not_know_each_other() -> None:
    for room in SERVICES:
        assert not MAY_IMPORT[room] & SERVICES


def test_wire_does_no_io_and_reads_no_clock() -> None:
    for path in (EDGE / "wire").rglob("*.py"):
        assert not imports(path) & NO_IO, path


def test_the_rule_can_fail() -> None:
    tree = "import os\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    import socket\n"
    path = EDGE.parent / "build" / "rule.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(tree)
    assert imports(path) == {"os"}
    path.unlink()

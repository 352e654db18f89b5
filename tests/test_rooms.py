"""Imports point one way: services -> swarm -> wire -> crypto; services do not know each other."""

import ast
import functools
from pathlib import Path

import pytest

from edge.rooms import ROOMS

EDGE = Path(__file__).parents[1] / "edge"
# Modules that know no room.
BASE = {
    *("again", "allowance", "atomic", "budget", "clock", "commands", "lock", "log", "machine"),
    *(
        "networks",
        "notify",
        "process",
        "slim",
        "text",
        "threads",
        "units",
        "url",
        "version",
        "view",
        "zone",
    ),
}
SERVICE = {"host", "swarm", "wire", "crypto", "config"} | BASE
MAY_IMPORT = {
    "crypto": {"atomic"},
    "wire": {"crypto"},
    "swarm": {"wire", "crypto"} | BASE,
    "http": BASE,
    "page": BASE,
    "models": {"wire"} | BASE,
    "config": {"wire"} | BASE,
    **dict.fromkeys(ROOMS, SERVICE),
    "cache": SERVICE | {"http", "models"},
    "inference": SERVICE | {"models"},
    "status": SERVICE | {"http", "page", "rooms"},
    "update": BASE | {"crypto", "http"},
}
MODULES = {
    ".".join(path.relative_to(EDGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in EDGE.rglob("*.py")
}
# One thing in two files: a stream belongs to its connection, and a connection makes its streams.
CIRCLES = [{"edge.swarm.connection", "edge.swarm.stream"}]
NO_IO = {
    "asyncio",
    "datetime",
    "io",
    "os",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "time",
}


def imports(text: str, types: bool = False) -> set[str]:
    """Modules imported at the top or inside a function; those for types alone only with `types`."""
    found: set[str] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree if types else _without_type_checking(tree)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            named = {f"{node.module}.{name.name}" for name in node.names}
            found |= named & MODULES
            if named - MODULES:
                found.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError("imports name the package: from edge.wire import yamux")
    return found


@functools.cache
def room_imports() -> frozenset[tuple[str, str]]:
    """(who, whom), by room; a module of edge/ itself is a room of its own here."""
    found = set()
    for path in EDGE.rglob("*.py"):
        room = _room(path)
        names = {name.split(".")[1] for name in imports(path.read_text()) if _is_ours(name)}
        found |= {(room, name) for name in names - {room}}
    return frozenset(found)


def text_of(module: str) -> str:
    path = EDGE.parent / module.replace(".", "/")
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


def circles(imported: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules of which each reaches each."""
    reached = {who: _reach(who, imported) for who in imported}
    found: list[set[str]] = []
    for who in sorted(imported):
        group = {other for other in reached[who] if who in reached[other]} | {who}
        if len(group) > 1 and group not in found:
            found.append(group)
    return found


def _reach(who: str, imported: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(imported[who])
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += imported[other]
    return found


def _is_ours(name: str) -> bool:
    return name.startswith("edge.")


def _room(path: Path) -> str:
    """A room's `commands.py` is a part of the command line."""
    if path.name == "commands.py":
        return "cli"
    return path.relative_to(EDGE).parts[0].removesuffix(".py")


def _without_type_checking(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = [ast.Pass()]
    return tree


def test_every_room_has_its_rule() -> None:
    assert {path.parent.name for path in EDGE.glob("*/__init__.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_lies_below(room: str) -> None:
    assert {whom for who, whom in room_imports() if who == room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("module", sorted(BASE - {"commands"}))
def test_what_all_rooms_use_knows_none_of_them(module: str) -> None:
    assert {whom for who, whom in room_imports() if who == module} <= BASE


def test_only_the_command_line_and_the_root_join_rooms() -> None:
    for room in ROOMS:
        assert {who for who, whom in room_imports() if whom == room} <= {"cli", "node", "rooms"}


@pytest.mark.parametrize("path", sorted((EDGE / "wire").glob("*.py")), ids=lambda path: path.stem)
def test_wire_does_no_io_and_reads_no_clock(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path.read_text())} & NO_IO


def test_no_module_imports_itself_by_way_of_others_not_even_for_its_types() -> None:
    assert (
        circles({name: imports(text_of(name), types=True) & MODULES for name in MODULES}) == CIRCLES
    )


def test_what_counts_as_a_circle() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a", "b"}}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"a"}}) == []


def test_what_counts_as_an_import() -> None:
    text = """
import os.path
TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
def function():
    from edge import log
    from edge.wire import yamux
"""
    assert imports(text) == {"os.path", "edge.log", "edge.wire.yamux"}
    assert imports(text, types=True) == imports(text) | {"socket"}
    with pytest.raises(AssertionError):
        imports("from . import yamux")


def test_no_two_test_files_are_one_module() -> None:
    """Outside of packages pytest knows them by their names alone, and refuses the second."""
    names = [
        path.name
        for folder in ("tests", "qemu_tests")
        for path in (EDGE.parent / folder).rglob("test_*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert sorted(names) == sorted(set(names))

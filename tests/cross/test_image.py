"""What the static binary has in the place of CPython's importer and some of its modules."""

from __future__ import annotations

import ast
import asyncio
import ctypes
import random
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from cross.contents import application

IMAGE = Path(__file__).parents[2] / "cross" / "image"
STANDINS = sorted((IMAGE / "standins").glob("*.py"))


def loaded(name: str, path: Path) -> types.ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Image(types.ModuleType):
    """The built-in module, over sources by name."""

    COMPILED = frozenset[str]()
    PATH = "/kwaainet"

    def __init__(self, **sources: str) -> None:
        super().__init__("_image")
        self.sources = {name.replace("__", "."): text for name, text in sources.items()}
        self.executed: list[str] = []
        self.done = 0

    def find(self, name: str) -> bool | None:
        inner = any(other.startswith(f"{name}.") for other in self.sources)
        return inner if name in self.sources else None

    def code(self, name: str) -> types.CodeType:
        self.executed.append(name)
        return compile(self.sources[name], name, "exec")

    def imported(self) -> None:
        self.done += 1


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """cross/image/_start.py with an importer over some modules, one of them late."""
    image = Image(
        asyncio="from asyncio.early import *\nfrom asyncio.late import *\n",
        asyncio__early="NOW = 1\n",
        asyncio__late="__all__ = ('Queue',)\nFIXED = 'real'\nclass Queue: pass\n",
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "asyncio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "_image", image)
    module = loaded("_start", IMAGE / "_start.py")
    monkeypatch.setattr(module, "_LATE", {"asyncio.late": {"__all__": (), "FIXED": "given"}})
    monkeypatch.setattr(sys, "meta_path", [module.Importer, *sys.meta_path])
    module.image = image
    yield module
    for name in image.executed:
        del sys.modules[name]


def test_a_late_module_is_executed_when_something_of_it_is_asked_for(
    start: types.ModuleType,
) -> None:
    import asyncio.late as late

    assert late.FIXED == "given"
    with pytest.raises(AttributeError):
        _ = late.__path__
    assert start.image.executed == ["asyncio", "asyncio.early"]
    assert late.Queue
    assert late.FIXED == "real"
    assert start.image.executed == ["asyncio", "asyncio.early", "asyncio.late"]
    with pytest.raises(AttributeError):
        _ = late.nothing


def test_the_image_is_told_of_the_outermost_import_alone(start: types.ModuleType) -> None:
    import asyncio.late as late

    assert (len(start.image.executed), start.image.done) == (2, 1)
    assert late.Queue
    assert (len(start.image.executed), start.image.done) == (3, 2)


def test_its_package_has_its_names(start: types.ModuleType) -> None:
    import asyncio

    assert "asyncio.late" not in start.image.executed
    assert asyncio.Queue is sys.modules["asyncio.late"].Queue
    with pytest.raises(AttributeError, match="nothing"):
        _ = asyncio.nothing


def test_what_asyncio_complains_of_goes_to_stderr_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = loaded("logging_standin", IMAGE / "standins" / "logging.py").getLogger("asyncio")
    monkeypatch.setattr("asyncio.base_events.logger", logger)

    def fail() -> None:
        raise ValueError("told")

    async def main() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)

    asyncio.run(main())
    logger.warning("%d of %d", 1, 2)
    logger.info("not said")
    said = capsys.readouterr().err
    assert "Exception in callback" in said
    assert "ValueError: told" in said
    assert "in fail" in said
    assert said.endswith("1 of 2\n")


@pytest.mark.parametrize("flags", [(), ("-DCOPY_PORTABLY",)], ids=["here", "elsewhere"])
def test_copies_of_every_length_alignment_and_overlap(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    made = tmp_path / "copy.so"
    command = ["cc", "-O2", "-fno-builtin", "-shared", "-fPIC", *flags]
    command += ["-Dmemcpy=copied", "-Dmemmove=moved", str(IMAGE / "copy.c"), "-o", str(made)]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(made))
    space = (ctypes.c_char * 8192)()
    start = ctypes.addressof(space)
    chance = random.Random(5)
    for size in [*range(140), 511, 512, 513, 600, 1100]:
        for _ in range(12):
            before = chance.randbytes(8192)
            source, near = chance.randrange(1200, 1300), chance.randrange(-size - 9, size + 10)
            for function, target in (
                (library.moved, source + near),
                (library.copied, source + size + abs(near)),
            ):
                space.raw = before
                function.restype = ctypes.c_void_p
                at = function(
                    ctypes.c_void_p(start + target),
                    ctypes.c_void_p(start + source),
                    ctypes.c_size_t(size),
                )
                expected = bytearray(before)
                expected[target : target + size] = before[source : source + size]
                assert at == start + target
                assert space.raw == expected


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What is imported by name, other than for type checkers: (module, name)."""
    if isinstance(node, ast.ImportFrom):
        yield from ((node.module or "", alias.name) for alias in node.names)
    elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


def defined(module: ast.Module) -> Iterator[str]:
    """The names that a module has at its top."""
    for node in module.body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name))


def test_the_stand_ins_have_what_the_application_imports_from_them() -> None:
    """A name that is missing ends the binary at its start, and nothing else."""
    names = {path.stem: set(defined(ast.parse(path.read_text()))) for path in STANDINS}
    missing = [
        f"{module} imports {name} from {source}"
        for module, path in application().items()
        for source, name in imported(ast.parse(path.read_text()))
        if source in names and name not in names[source]
    ]
    assert not missing


H11_OVER_STANDINS = """
import sys
for name in ("typing", "dataclasses"):
    source = open(f"{sys.argv[1]}/{name}.py").read()
    module = type(sys)(name)
    exec(compile(source, name, "exec"), module.__dict__)
    sys.modules[name] = module
import h11
server, client = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
server.receive_data(client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")])))
client.send(h11.EndOfMessage())
print(server.next_event().target.decode())
client.receive_data(server.send(h11.Response(status_code=200, headers=[("X", "y")])))
client.receive_data(server.send(h11.Data(data=b"body")) + server.send(h11.EndOfMessage()))
print(client.next_event().status_code, bytes(client.next_event().data).decode())
print(client.next_event().headers == [], client.their_state is h11.DONE)
try:
    server.next_event(), server.start_next_cycle()
    server.receive_data(b"GET / HTTP/1.1\\r\\n\\r\\n"), server.next_event()
except h11.RemoteProtocolError as error:
    print(error.error_status_hint)
"""


def test_h11_works_over_the_stand_ins() -> None:
    command = [sys.executable, "-OO", "-c", H11_OVER_STANDINS, IMAGE / "standins"]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert said.split() == ["/", "200", "body", "True", "True", "400"]

"""The binary of a target: bytecode, C extensions, CPython and libsodium linked into one file."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from cross import cpython, cython, libsodium, nuitka, toolchain
from cross.targets import Target

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
_HERE = Path(__file__).parent

# Parts of edge/ that no router uses: the backend of another platform, and the loop of another.
LEFT_OUT = {"edge.crypto.native", "edge.crypto.interface"}

# CPython's built-in modules, by name; those with another init function than PyInit_<name> with it.
BUILTINS = """
_abc _asyncio _bisect _codecs _collections _contextvars _functools _heapq _imp _io _json _locale
_operator _random _sha1 _sha2 _signal _socket _sre _stat _string _struct _thread _typing _weakref
array atexit builtins sys marshal _warnings binascii errno fcntl gc itertools math posix select time zlib
""".split()
_INIT = {
    "builtins": None,
    "sys": None,
    "marshal": "PyMarshal_Init",
    "_warnings": "_PyWarnings_Init",
    "edge.crypto.small._primitives": "PyInit__primitives",
}

def build(target: Target) -> Path:
    """Makes and returns dist/kwaainet-<target>."""
    DIST.mkdir(exist_ok=True)
    done = DIST / f"kwaainet-{target.name}"
    with tempfile.TemporaryDirectory(prefix="kwaainet-cross-") as folder:
        made = _link(target, Path(folder))
        shutil.copy2(made, done)
    return done

def _link(target: Target, work: Path) -> Path:
    log = work / "log"
    python = cpython.built(target)
    sodium = libsodium.built(target)
    compiled = compiled_names()
    _pack(target, compiled, work)
    compiler = toolchain.compiler(target)
    headers = python / "include"
    include = [f"-I{headers}", f"-I{headers / 'internal'}", f"-I{sodium / 'include'}", "-I.", "-DSODIUM_STATIC=1"]
    (work / "modules.S").write_text(_INCBIN)
    image = _HERE / "image"
    small = ROOT / "edge" / "crypto" / "small" / "_primitives.c"
    objects = []  # before all others: they define what CPython's archive has, too
    for source in (image / "image.c", image / "no_compiler.c", work / "modules.S", small):
        objects.append(f"{source.stem}.o")
        toolchain.run([*compiler, *include, "-c", str(source), "-o", objects[-1]], work, log)
    objects += cython.objects(target, work, log)
    if compiled:
        objects += nuitka.objects(target, compiled, work, log)
    archives = [python / "lib" / name for name in ("libpython3.13.a", "libHacl_Hash_SHA2.a", "libz.a")]
    command = [*compiler, *objects, *map(str, archives), str(sodium / "libsodium.a")]
    command += ["-static", "-Wl,--gc-sections", "-s", "-lm", "-o", "kwaainet"]
    toolchain.run(command, work, log)
    return work / "kwaainet"

_INCBIN = """
    .section .rodata.image_modules_bin,"a",%progbits
    .globl image_modules_bin
image_modules_bin:
    .incbin "modules.bin"
"""

def compiled_names() -> list[str]:
    """The modules that go through Nuitka, of compiled.txt."""
    names = []
    for line in (_HERE / "compiled.txt").read_text().splitlines():
        if not line.startswith("#"):
            names += line.split()
    return names


def _pack(target: Target, compiled: list[str], work: Path) -> None:
    stdlib = cpython.built(target) / "lib" / "python3.13"
    modules = {**_stdlib(stdlib), **application()}
    for name in ("_empty_function", "_namedtuple"):
        modules[name] = _HERE / "image" / f"{name}.py"
    for name in [*compiled, *cython.names()]:
        del modules[name]
    start = {name: modules.pop(name) for name in _FROZEN}
    inits = {name: f"PyInit_{name}" for name in BUILTINS} | _INIT | cython.init_functions()
    if compiled:
        inits["edge"] = "PyInit_edge"
    plan = {
        "modules": [[name, str(path), path.name == "__init__.py"] for name, path in modules.items()],
        "asserting": [[name, str(path), False] for name, path in vectors().items()],
        "frozen": [
            ["_frozen_importlib", str(stdlib / "importlib" / "_bootstrap.py"), False],
            ["_frozen_importlib_external", str(stdlib / "importlib" / "_bootstrap_external.py"), False],
            *[[name, str(path), path.name == "__init__.py"] for name, path in start.items()],
            ["_start", str(_HERE / "image" / "_start.py"), False],
        ],
        "builtins": inits,
        "compiled": compiled,
        "target": target.name,
        "commit": commit(),
    }
    (work / "plan.json").write_text(json.dumps(plan))
    hosted("bytecode.py", str(work / "plan.json"), str(work), log=work / "log")

_FROZEN = ("abc", "codecs", "io", "encodings", "encodings.aliases", "encodings.utf_8")

def hosted(program: str, *args: str, log: Path) -> None:
    """Run a program of cross/hosted under the build's own CPython."""
    python = cpython.host()
    command = [str(python), "-S", "-X", "no_debug_ranges", str(_HERE / "hosted" / program), *args]
    toolchain.run(command, ROOT, log, PYTHONHOME=str(python.parents[1]))

def _stdlib(folder: Path) -> dict[str, Path]:
    """The modules of stdlib.txt that are files."""
    found = {}
    for name in stdlib_names():
        if name in ("os.path", "collections.abc"):
            continue  # os.path is posixpath, and so on: set by the module that has it
        standin = _HERE / "image" / "standins" / f"{name}.py"
        if standin.exists():
            found[name] = standin
            continue
        path = folder / name.replace(".", "/")
        found[name] = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return found

def stdlib_names() -> list[str]:
    names = []
    for line in (_HERE / "stdlib.txt").read_text().splitlines():
        if not line.startswith(("#", "why:")):
            names += line.split()
    return names

def application() -> dict[str, Path]:
    """The modules of edge/ that are in the image."""
    found = {}
    for path in sorted((ROOT / "edge").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in LEFT_OUT:
            found[name] = path
    return found

def vectors() -> dict[str, Path]:
    """The tests' vectors, for `kwaainet selftest`: scripts of assertions that import only edge."""
    portable = (ROOT / "tests" / "wire" / "portable").glob("*.py")
    crypto = [ROOT / "tests" / "crypto" / f"{name}_vectors.py" for name in ("crypto", "peer_id")]
    return {path.stem: path for path in sorted([*portable, *crypto])}


def commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

"""What goes into the binary: lists of modules, and who compiles which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cross import packages

ROOT = Path(__file__).parents[1]
IMAGE = Path(__file__).parent / "image"

# What of edge/ no router uses: the ciphers, TLS, gzip and the probe of other platforms, a module of
# types, and UPnP, whose library is not there.
_LEFT_OUT = {
    *("edge.crypto.native", "edge.crypto.interface", "edge.tiers.probe.ps"),
    *("edge.portmap.igd", "edge.wire.ssdp", "edge.http.openssl"),
    "edge.cache.hub.coded",
    # What computing blocks of models takes.
    *("edge.inference", "edge.wire.inference", "edge.wire.block_call", "edge.wire.whole_model"),
    *("edge.wire.named", "edge.wire.octets"),
    # The page, whose code and files take 21 KB packed: a router has LuCI.
    *("edge.status.where", "edge.page"),
}
_UPDATE = "edge.update"

# CPython's built-in modules. Others that it was built with are not linked.
BUILTINS = """
_abc _asyncio _bisect _codecs _collections _contextvars _functools _heapq _imp _io _json _locale
_operator _posixsubprocess _random _sha1 _sha2 _signal _socket _sre _stat _string _struct _thread
_typing _warnings _weakref array atexit binascii builtins errno fcntl gc itertools marshal math
posix resource select sys time
""".split()

# Of packages from PyPI (requirements.txt), as bytecode: msgpack without its extension in C.
_H11 = "abnf connection events headers readers receivebuffer state util version writers"
PACKAGED = (
    *("msgpack", "msgpack.exceptions", "msgpack.ext", "msgpack.fallback"),
    *("h11", *(f"h11._{name}" for name in _H11.split())),
)

# Needed before the image's importer runs.
FROZEN = ("abc", "codecs", "io", "encodings", "encodings.aliases", "encodings.utf_8")
_BOOTSTRAP = {
    "_frozen_importlib": "importlib/_bootstrap.py",
    "_frozen_importlib_external": "importlib/_bootstrap_external.py",
}

_SET_BY_OTHERS = ("collections.abc", "os.path")  # entries of sys.modules, no files
_OURS = ("_empty_function", "_namedtuple")


def words(name: str) -> list[str]:
    """The words of a list beside this file, without its comments and explanations."""
    lines = (Path(__file__).parent / name).read_text().splitlines()
    return [word for line in lines if not line.startswith(("#", "why:")) for word in line.split()]


def stdlib_names() -> list[str]:
    return words("stdlib.txt")


def order() -> list[str]:
    """Modules as they are imported, the most common uses first: cross/order.py makes the list."""
    return words("order.txt")


def system_calls() -> list[str]:
    """Those that the binary may make when it is confined, the most frequent first."""
    return words("syscalls.txt")


@dataclass(frozen=True)
class Split:
    """Who compiles which modules of the application; the others stay bytecode.

    `nuitka`: none, or `edge` itself, the package, first. `cython`: any but packages.
    """

    nuitka: tuple[str, ...]
    cython: tuple[str, ...]


def shipped() -> Split:
    """Through Nuitka what compiled.txt names; through Cython the modules with a `.pxd`."""
    hot = [_name(path) for path in sorted((ROOT / "edge").rglob("*.pxd"))]
    return Split(tuple(words("compiled.txt")), tuple(name for name in hot if name not in _LEFT_OUT))


def application(router: bool = False) -> dict[str, Path]:
    """The modules of edge/ that are in the binary, compiled or not.

    `router`: of a target that only routers have, which opkg and apk update.
    """
    paths = sorted((ROOT / "edge").rglob("*.py"))
    named = {_name(path): path for path in paths}
    left_out = _LEFT_OUT | {_UPDATE} if router else _LEFT_OUT
    return {name: path for name, path in named.items() if left_out.isdisjoint(_with_packages(name))}


def _with_packages(name: str) -> list[str]:
    """A module's name, and those of the packages that it is in."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def vectors() -> dict[str, Path]:
    """The tests' vectors, for `kwaainet selftest`: scripts of assertions that import only edge."""
    wire = ROOT / "tests" / "wire"
    portable = [*(wire / "portable").glob("*.py"), wire / "check_packed.py"]
    crypto = [ROOT / "tests" / "crypto" / f"{name}_vectors.py" for name in ("crypto", "peer_id")]
    return {path.stem: path for path in sorted([*portable, *crypto])}


def bytecode(library: Path, split: Split, router: bool = False) -> dict[str, Path]:
    """The modules that are in the image as bytecode. `library`: CPython's."""
    compiled = {*split.nuitka, *split.cython}
    modules = {name: path for name, path in application(router).items() if name not in compiled}
    for name in stdlib_names():
        if name not in FROZEN and name not in _SET_BY_OTHERS:
            modules[name] = _library_file(library, name)
    modules |= {name: _file(packages.folder(), name) for name in PACKAGED}
    return modules | {name: IMAGE / f"{name}.py" for name in _OURS}


def frozen(library: Path) -> dict[str, Path]:
    """The modules that are in the interpreter itself, as bytecode."""
    modules = {name: library / path for name, path in _BOOTSTRAP.items()}
    modules |= {name: _library_file(library, name) for name in FROZEN}
    return modules | {"_start": IMAGE / "_start.py"}


def _library_file(library: Path, name: str) -> Path:
    standin = IMAGE / "standins" / f"{name}.py"
    if standin.exists():
        return standin
    return _file(library, name)


def _file(folder: Path, name: str) -> Path:
    path = folder / name.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

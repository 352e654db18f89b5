"""CPython for a target: a static library with only the extension modules that relay mode uses.

The build for x86_64 is also the interpreter that makes all else (it runs on the build machine): so
the compiler of the application sees the very modules that the targets have.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from cross import cache, packages, sources, toolchain
from cross.targets import TARGETS, Target

# Extension modules, all of them built in: for asyncio and the application, or (marked) for the
# build itself. What is not named is not compiled; what the binary does not need is not linked, see
# cross.contents.BUILTINS.
EXTENSIONS = (
    "_asyncio",  # tasks and futures in C
    "_bisect",
    "_contextvars",
    "_datetime",  # the build: Nuitka
    "_heapq",  # asyncio's timers
    "_json",  # status
    "_opcode",  # the build: dis
    "_pickle",  # the build: scons
    "_posixsubprocess",  # the build: subprocess
    "_queue",  # the build: Nuitka's thread pool
    "_random",
    "_sha1",
    "_sha2",
    "_md5",  # the build: hashlib wants all five
    "_sha3",
    "_blake2",
    "_socket",
    "_struct",
    "array",
    "binascii",
    "fcntl",
    "grp",
    "math",
    "pwd",
    "resource",
    "select",
    "unicodedata",  # the build: Nuitka
)

# Compiled for speed, without checks of the stack, all else for size: what runs for every event and
# every byte code.
_FAST = (
    "Python/ceval.c",
    "Python/gc.c",
    "Objects/abstract.c",
    "Objects/bytearrayobject.c",
    "Objects/call.c",
    "Objects/dictobject.c",
    "Objects/listobject.c",
    "Objects/longobject.c",
    "Objects/memoryobject.c",
    "Objects/object.c",
    "Objects/obmalloc.c",
    "Objects/tupleobject.c",
    "Modules/_asynciomodule.c",
    "Modules/selectmodule.c",
)

_CONFIGURE = (
    "--disable-shared",
    "--disable-test-modules",
    "--without-doc-strings",
    "--without-ensurepip",
    "--without-mimalloc",
    "--without-readline",
    "--with-computed-gotos",
    "--prefix=/usr",
)


def built(target: Target) -> Path:
    """A folder for PYTHONHOME: `lib/*.a`, `lib/python3.13`, `include`; for x86_64 also `bin`."""
    inputs = [
        sources.CPYTHON,
        packages.ZIG,
        toolchain.FLAGS,
        toolchain.SMALL,
        toolchain.INNERMOST,
        target,
        EXTENSIONS,
        _CONFIGURE,
        *cache.contents(Path(__file__)),
    ]
    return cache.made(f"cpython-{target.name}", inputs, lambda folder: _build(target, folder))


def host() -> Path:
    """The interpreter that runs on the build machine."""
    return built(TARGETS["x86_64"]) / "bin" / "python"


def _build(target: Target, done: Path) -> None:
    """Configure, compile, and keep the headers, the archives and what says how it was built."""
    work = done / "work"
    log = done / "build.log"
    tools = toolchain.write_tools(target, work / "tools", _FAST)
    source = shutil.copytree(sources.unpacked(sources.CPYTHON), work / "source", symlinks=True)
    build = work / "build"
    build.mkdir()
    native = target.name == "x86_64"
    environment = {
        **tools,
        "CFLAGS": "",
        "LDFLAGS": "-static -Wl,--gc-sections",
        "LINKFORSHARED": " ",
        "MODULE_BUILDTYPE": "static",
        "OPT": "-DNDEBUG",  # not CPython's own choice of -O3, which would come last and win
        "PKG_CONFIG": "false",  # it would find what the build machine has, such as zlib
        "ac_cv_file__dev_ptmx": "no",
        "ac_cv_file__dev_ptc": "no",
        "ac_cv_buggy_getaddrinfo": "no",
        **{f"py_cv_module_{name}": "n/a" for name in _unwanted(source)},
    }
    command = ["../source/configure", *_CONFIGURE, "--build=x86_64-linux-gnu"]
    if native:
        command[-1] = "--build=x86_64-linux-musl"
    else:
        command += [f"--host={target.host}", f"--with-build-python={host()}"]
    toolchain.run(command, build, log, **environment)
    jobs = f"-j{os.cpu_count()}"
    toolchain.run(["make", jobs, "libpython3.13.a", *(["python"] if native else [])], build, log)
    _keep(source, build, done)
    if native:
        (done / "bin").mkdir()
        shutil.copy2(build / "python", done / "bin" / "python")
    shutil.rmtree(work)


def _unwanted(source: Path) -> list[str]:
    text = (source / "configure.ac").read_text()
    known = set(re.findall(r"PY_STDLIB_MOD(?:_SIMPLE)?\(\[(\w+)\]", text))
    return sorted(known - set(EXTENSIONS) - {"NAME", "_io", "time", "_typing"})


def _keep(source: Path, build: Path, done: Path) -> None:
    (done / "lib").mkdir()
    for archive in (build / "libpython3.13.a", *build.glob("Modules/_hacl/*.a")):
        shutil.copy2(archive, done / "lib" / archive.name)
    shutil.copytree(source / "Include", done / "include")
    shutil.copy2(build / "pyconfig.h", done / "include" / "pyconfig.h")
    library = done / "lib" / "python3.13"
    shutil.copytree(
        source / "Lib",
        library,
        ignore=shutil.ignore_patterns("test", "idlelib", "tkinter", "turtledemo"),
    )
    for path in build.glob("build/lib*/_sysconfigdata*.py"):
        shutil.copy2(path, library / path.name)

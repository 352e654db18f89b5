"""The binary of a target: bytecode, C extensions, CPython and libraries linked into one file."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from cross import (
    boringssl,
    contents,
    cpython,
    cython,
    libsodium,
    lzma,
    mbedtls,
    nuitka,
    toolchain,
)
from cross.contents import IMAGE, ROOT, Split
from cross.targets import Target

DIST = ROOT / "dist"
MAPS = ROOT / "build" / "cross"  # what the linker put where, for bench.footprint

_PRIMITIVES = "edge.crypto.small._primitives"
_TLS = "edge.http.small._tls"
# Init functions that are not PyInit_<name>; None: the interpreter makes the module itself.
_INIT = {
    "builtins": None,
    "sys": None,
    "marshal": "PyMarshal_Init",
    "_warnings": "_PyWarnings_Init",
    "edge": "PyInit_edge",
    _PRIMITIVES: "PyInit__primitives",
    _TLS: "PyInit__tls",
}
# Sections that nothing at run time reads: on MIPS one of them, for debuggers, has 380 KB.
_DISCARD = "SECTIONS { /DISCARD/ : { *(.pdr) *(.comment) *(.mdebug.*) } } INSERT AFTER .data;\n"
_MODULES = """
    .section .rodata.image_modules_bin,"a",%progbits
    .globl image_modules_bin
image_modules_bin:
    .incbin "modules.bin"
    .globl image_modules_end
image_modules_end:
"""


def build(
    target: Target,
    debug: bool = False,
    split: Split | None = None,
    dist: Path = DIST,
    maps: Path = MAPS,
    start: Path = IMAGE / "_start.py",
) -> Path:
    """Makes and returns kwaainet-<target> in `dist`. `debug`: with its symbols, and named -debug.

    `split`: who compiles what, where it is not as shipped. `start`: the first module.
    """
    dist.mkdir(parents=True, exist_ok=True)
    maps.mkdir(parents=True, exist_ok=True)
    split = split or contents.shipped()
    done = dist / (f"kwaainet-{target.name}" + ("-debug" if debug else ""))
    with tempfile.TemporaryDirectory(prefix="kwaainet-cross-") as folder:
        _pack(target, split, start, Path(folder))
        linked = _link(target, split, Path(folder), debug)
        partial = Path(shutil.copy2(linked, done.with_suffix(".partial")))
        partial.rename(done)  # at once: one that runs keeps its file
        shutil.copy2(Path(folder) / "map", maps / f"{target.name}.map")
        shutil.copy2(Path(folder) / "sizes.json", maps / f"{target.name}.json")
    return done


def _link(target: Target, split: Split, work: Path, debug: bool) -> Path:
    log = work / "log"
    python, sodium = cpython.built(target), libsodium.built(target)
    # Ours first: they define some of what CPython's archive defines, too.
    objects = _own_objects(target, python, sodium, work)
    objects += cython.objects(target, split.cython, work, log)
    if split.nuitka:
        objects += nuitka.objects(target, split.nuitka, work, log)
    archives = [python / "lib" / f"lib{name}.a" for name in ("python3.13", "Hacl_Hash_SHA2")]
    command = [*toolchain.compiler(target), *objects, *map(str, archives)]
    if boringssl.has(target):
        command.append(str(boringssl.built(target)))
    command += [
        str(sodium / "libsodium.a"),
        str(mbedtls.built(target)),
        "-static",
        "-Wl,--gc-sections",
        "-lm",
    ]
    (work / "discard.ld").write_text(_DISCARD)
    command += ["-Wl,-T,discard.ld", "-Wl,--print-map"]
    command += ["-g" if debug else "-s", "-o", "kwaainet"]
    toolchain.run(command, work, work / "map")
    return work / "kwaainet"


def _own_objects(target: Target, python: Path, sodium: Path, work: Path) -> list[str]:
    headers = python / "include"
    folders = (headers, headers / "internal", sodium / "include", lzma.folder(), ".")
    include = [f"-I{each}" for each in folders]
    (work / "modules.S").write_text(_MODULES)
    calls = [f"#ifdef __NR_{name}\n__NR_{name},\n#endif\n" for name in contents.system_calls()]
    (work / "syscalls.h").write_text("".join(calls))
    small = ROOT / "edge" / "crypto" / "small" / "_primitives.c"
    ours = [IMAGE / f"{name}.c" for name in ("image", "ask", "unpack", "no_compiler")]
    ours += [small, mbedtls.SMALL / "_tls.c"]
    objects = lzma.decoder(target)
    for source in (*ours, work / "modules.S"):
        objects.append(f"{source.stem}.o")
        command = [*toolchain.compiler(target), *include, *mbedtls.flags(), "-DSODIUM_STATIC=1"]
        if boringssl.has(target):
            command.append(boringssl.DEFINE)
        toolchain.run([*command, "-c", str(source), "-o", objects[-1]], work, work / "log")
    objects.append("copy.o")
    command = [*toolchain.compiler(target, toolchain.FAST), "-fno-builtin"]
    command += ["-c", str(IMAGE / "copy.c"), "-o", objects[-1]]
    toolchain.run(command, work, work / "log")
    return objects


def _pack(target: Target, split: Split, start: Path, work: Path) -> None:
    """Makes image.h and modules.bin in `work`."""
    library = cpython.built(target) / "lib" / "python3.13"
    names = [*contents.BUILTINS, *split.nuitka[:1], _PRIMITIVES, _TLS]
    inits = {name: _INIT.get(name, f"PyInit_{name}") for name in names}
    plan = {
        "modules": _rows(contents.bytecode(library, split, target.router)),
        "asserting": _rows(contents.vectors()),
        "frozen": _rows(contents.frozen(library) | {"_start": start}),
        "builtins": inits | cython.init_functions(split.cython),
        "compiled": split.nuitka,
        "order": contents.order(),
        "packer": str(lzma.packer()),
        "target": target.name,
        "commit": commit(),
    }
    (work / "plan.json").write_text(json.dumps(plan))
    host = cpython.host()
    program = Path(__file__).parent / "hosted" / "bytecode.py"
    command = [str(host), "-S", "-X", "no_debug_ranges", str(program)]
    command += [str(work / "plan.json"), str(work)]
    toolchain.run(command, ROOT, work / "log", PYTHONHOME=str(host.parents[1]))


def _rows(modules: dict[str, Path]) -> list[tuple[str, str, bool]]:
    return [(name, str(path), path.name == "__init__.py") for name, path in modules.items()]


def commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

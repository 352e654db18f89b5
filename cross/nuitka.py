"""The compiled part of the application: Nuitka's C files and what they need of Nuitka's run time.

The modules become one extension module, `edge`, which finds the others of them itself and leaves
the rest of the package to the image's bytecode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cross import cpython, packages, toolchain
from cross.contents import ROOT
from cross.targets import Target

_DEFINE = (
    "_NUITKA_MODULE_MODE",
    "_NUITKA_CONSTANTS_FROM_INCBIN",
    "_NUITKA_NO_ASSERTS",
    "_NUITKA_NO_DOCSTRINGS",
    "_NUITKA_NO_ANNOTATIONS",
    "__NUITKA_NO_ASSERT__",
)

# Its own way to put the constants into the program writes an absolute path into a C file.
_CONSTANTS = """
static const unsigned char constants[] = {
#embed "blobs/__constant.bin"
};
const unsigned char *getconstant_binData(void) { return constants; }

/* In the place of a function that would compile and run source code at every start, in order to
 * make the inspect module know compiled generators. Nothing in the binary asks for that. */
void patchInspectModule(void *thread_state) {}
"""
_RUN_TIME = (
    "-DpatchInspectModule=patchInspectModule_unused",
    "-DPy_CompileStringExFlags=image_empty_function",  # image/image.c
)


def objects(target: Target, compiled: Sequence[str], work: Path, log: Path) -> list[str]:
    """Compiles the modules named; returns the object files, in `work`."""
    source = _generate(target, compiled, work, log)
    nuitka = packages.folder() / "nuitka" / "build"
    include = [
        source,
        nuitka / "include",
        nuitka / "static_src",
        nuitka / "inline_copy" / "zlib",
        nuitka / "inline_copy" / "libbacktrace",
        cpython.built(target) / "include",
        cpython.built(target) / "include" / "internal",
    ]
    (source / "constants_data.c").write_text(_CONSTANTS)
    (source / "build_definitions.h").write_text("/* of programs; this is a module */\n")
    flags = [
        "-w",
        "-fbracket-depth=4096",
        f"-ffile-prefix-map={source}=.",
        *[f"-I{each}" for each in include],
    ]
    flags += [f"-D{name}" for name in _DEFINE]
    files = [*sorted(source.glob("*.c")), nuitka / "static_src" / "CompiledFunctionType.c"]

    def compile_one(file: Path) -> str:
        made = str(source / f"{file.stem}.o")
        run_time = _RUN_TIME if file.parent != source else ()
        command = [*toolchain.compiler(target), *flags, *run_time, "-c", str(file), "-o", made]
        toolchain.run(command, source, source / f"{file.stem}.log")
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, files))


def _generate(target: Target, compiled: Sequence[str], work: Path, log: Path) -> Path:
    """Nuitka's C files for `target`."""
    plan = {"compiled": compiled, "bits": target.bits, "byteorder": target.byteorder}
    (work / "nuitka.json").write_text(json.dumps(plan))
    python = cpython.host()
    program = Path(__file__).parent / "hosted" / "nuitka_c.py"
    command = [str(python), "-S", "-X", "frozen_modules=off", str(program)]
    command += [str(work / "nuitka.json"), str(work)]
    home = {"PYTHONHOME": str(python.parents[1]), "NUITKA_CACHE_DIR": str(work / "nuitka")}
    home["PYTHONPATH"] = str(packages.folder())
    toolchain.run(command, ROOT, log, **home)
    return work / "edge.build"

"""What goes through Cython: extension modules."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cross import cpython, packages, toolchain
from cross.contents import ROOT
from cross.targets import Target

_STANDINS = Path(__file__).parent / "hosted" / "standins"


def init_functions(names: Iterable[str]) -> dict[str, str]:
    """By module. Cython names them after the last part alone, and that is not unique."""
    return {name: f"PyInit_{name.replace('.', '_')}" for name in names}


def objects(target: Target, names: Iterable[str], work: Path, log: Path) -> list[str]:
    """Compiles the modules named; returns the object files, in `work`."""
    host = cpython.host()
    environment = {
        "PYTHONHOME": str(host.parents[1]),
        "PYTHONPATH": f"{_STANDINS}{os.pathsep}{packages.folder()}",
    }
    include = cpython.built(target) / "include"

    def compile_one(name: str, init: str) -> str:
        source = f"{name.replace('.', '/')}.py"
        command = [str(host), "-S", "-m", "cython", "-3", "-X", "annotation_typing=False"]
        command += ["-X", "emit_code_comments=False", "-o", str(work / f"{name}.c"), source]
        toolchain.run(command, ROOT, log, **environment)
        command = [*toolchain.compiler(target, toolchain.BALANCED), f"-I{include}", "-w"]
        command += ["-DCYTHON_CLINE_IN_TRACEBACK=0", f"-DPyInit_{name.rpartition('.')[2]}={init}"]
        toolchain.run([*command, "-c", f"{name}.c", "-o", f"{name}.o"], work, log)
        return f"{name}.o"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inits = init_functions(names)
        return list(pool.map(compile_one, inits.keys(), inits.values()))

"""The hot path: the modules with a `.pxd` beside them, through Cython, as extension modules."""

from __future__ import annotations

from pathlib import Path

from cross import cpython, packages, toolchain
from cross.targets import Target

ROOT = Path(__file__).parents[1]


def names() -> list[str]:
    """The modules that Cython compiles."""
    paths = sorted((ROOT / "edge").rglob("*.pxd"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]


def init_functions() -> dict[str, str]:
    return {name: f"PyInit_{name.rpartition('.')[2]}" for name in names()}


def objects(target: Target, work: Path, log: Path) -> list[str]:
    """Compiles them; returns the object files, in `work`."""
    python = cpython.host()
    environment = {
        "PYTHONHOME": str(python.parents[1]),
        "PYTHONPATH": str(packages.installed(packages.CYTHON)),
    }
    made = []
    for name in names():
        source = ROOT / f"{name.replace('.', '/')}.py"
        c_file = work / f"{name}.c"
        command = [str(python), "-S", "-m", "cython", "-3", "-X", "annotation_typing=False"]
        command += ["-X", "emit_code_comments=False", "-o", str(c_file), str(source.relative_to(ROOT))]
        toolchain.run(command, ROOT, log, **environment)
        made.append(f"{name}.o")
        include = cpython.built(target) / "include"
        command = [*toolchain.compiler(target, ("-Os",)), f"-I{include}", "-w"]
        command.append("-DCYTHON_CLINE_IN_TRACEBACK=0")
        toolchain.run([*command, "-c", str(c_file), "-o", made[-1]], work, log)
    return made

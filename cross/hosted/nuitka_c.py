"""Runs Nuitka as far as its C files, as if it ran on the target.

Called as `nuitka_c.py PLAN FOLDER` in the folder that holds edge/, with Nuitka on the path. PLAN is
JSON: {"compiled": [module...], "bits": .., "byteorder": ..}.

Nuitka compiles for the interpreter that runs it. What it takes from there and must take from the
target: the byte order of its file of constants, the sizes of C's long and of sys.maxsize, and
sys.byteorder. (The built-in modules are the same: this interpreter is built like the target's.)
After its C files it would run scons, which knows of no other target; what follows is left to
cross.nuitka instead.
"""

from __future__ import annotations

import json
import platform
import struct
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


class _CTypes(types.ModuleType):
    """In the place of ctypes, which a static Python lacks. Nuitka asks it for two sizes here."""

    class Structure:
        """For classes of Windows."""

    class Union:
        """For classes of Windows and of Linux's performance counters."""

    class Type:
        """A type of C, `size` bytes long."""

        def __init__(self, size: int) -> None:
            self.size = size

        def __mul__(self, count: int) -> _CTypes.Type:
            return self

    pythonapi = None

    @staticmethod
    def CDLL(name: str) -> None:
        raise OSError(f"no {name} here")

    def __init__(self, name: str, long: int) -> None:
        super().__init__(name)
        self.c_long = self.Type(long)
        self.c_longlong = self.Type(8)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.Type(4)

    @staticmethod
    def sizeof(kind: Type) -> int:
        return kind.size


class _Struct(types.ModuleType):
    """struct, with the target's byte order where the format names none."""

    def __init__(self, byteorder: str) -> None:
        super().__init__("struct")
        self.mark = "<" if byteorder == "little" else ">"

    def pack(self, form: str, *values: object) -> bytes:
        return struct.pack(self.mark + form if form[0].isalpha() else form, *values)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    folder = sys.argv[2]
    ctypes = _CTypes("ctypes", plan["bits"] // 8)
    for name in ("_ctypes", "ctypes", "ctypes.util", "ctypes.wintypes"):
        sys.modules[name] = ctypes
    platform.machine = lambda: "target"
    sys.maxsize = 2 ** (plan["bits"] - 1) - 1
    sys.byteorder = plan["byteorder"]
    sys.argv = [
        "nuitka",
        "--mode=module",
        "edge",
        f"--output-dir={folder}",
        *[f"--include-module={name}" for name in plan["compiled"] if name != "edge"],
        "--python-flag=no_asserts,no_docstrings,no_annotations",
        "--no-progressbar",
        "--assume-yes-for-downloads",
    ]

    sys.meta_path.insert(0, _Corrected)
    from nuitka import __main__

    __main__.main()


class _Corrected:
    """Imports Nuitka's main module with two functions replaced; it can only be imported late."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "nuitka.MainControl":
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_replace(module: types.ModuleType) -> None:
            execute(module)
            vars(module).update(runDataComposer=_compose, runSconsBackend=_stop)

        spec.loader.exec_module = execute_and_replace  # type: ignore[method-assign]
        return spec


def _compose(source_dir: str) -> None:
    """The file of constants. Nuitka makes it in another process, out of our reach."""
    from nuitka.build import DataComposerInterface
    from nuitka.tools.data_composer import DataComposer

    DataComposer.struct = _Struct(sys.byteorder)
    blob = DataComposerInterface.getConstantBlobFilename(source_dir)
    sys.argv = ["DataComposer", source_dir, blob, blob + ".txt"]
    DataComposer.main()


def _stop() -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()

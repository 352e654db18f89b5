"""In the place of torch and scipy, of which hivemind's DHT uses nothing.

`import hivemind` imports all of it, training included, whose classes derive from torch's. On PyPI
torch for Linux has CUDA in it: half a gigabyte, and it does not load without two more of NVIDIA's.
Here every name of it is a class that can be derived from, called and subscribed to.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_NAMES = ("torch", "numpy", "scipy")


class _Meta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _anything(name)

    def _itself(cls, *_: object) -> type:
        return cls

    __or__ = __ror__ = _itself  # type: ignore[assignment]
    __add__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = __pow__ = __neg__ = _itself
    __radd__ = __rsub__ = __rmul__ = _itself

    def __iter__(cls) -> Any:
        return iter(())


def _anything(name: str) -> type:
    def new(cls: type, *args: Any, **_: Any) -> Any:
        """A decorator returns what it decorates."""
        decorates = len(args) == 1 and callable(args[0]) and cls.__module__ == __name__
        return args[0] if decorates else object.__new__(cls)

    body = {
        "__new__": new,
        "__call__": lambda _, decorated: decorated,
        "__class_getitem__": classmethod(lambda cls, _: cls),
        "__module__": __name__,
    }
    return _Meta(name, (), body)


class _Module(ModuleType):
    __version__ = "2.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = _anything(name)
        setattr(self, name, value)
        return value


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _NAMES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


def install() -> None:
    """From now on."""
    sys.meta_path.insert(0, _Finder())

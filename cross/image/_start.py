"""The first module of the static binary: imports come from the image, then kwaainet runs."""

import sys
from _frozen_importlib import (  # type: ignore[import-not-found]
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
)
from _warnings import warn

import _image  # type: ignore[import-not-found]


def _extract_stack(*arguments):
    """For _asyncio, which fetches it at its import, and calls it when it debugs."""
    from traceback import format_list  # noqa: F401 - has the module executed

    return sys.modules["traceback"].extract_stack(*arguments)


# Imported by many, used by few or by none in most nodes: executed when something of theirs is asked
# for. With each, what is read of it at its importers' import.
_LATE = {
    "asyncio.queues": {"__all__": ()},
    "asyncio.sslproto": {},
    "asyncio.streams": {"__all__": ()},
    "asyncio.subprocess": {"__all__": ()},
    "locale": {},
    "random": {},
    "string": {},
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
    "textwrap": {},
    "traceback": {"extract_stack": _extract_stack},
    "warnings": {"warn": warn},
}

_within = 0  # how many modules are being executed, each imported by the one before


def _late(module):
    """Gives `module` a __getattr__ (PEP 562) that executes it once and then finds the name."""

    def load(attribute):
        if attribute.startswith("__"):  # what imports ask of any module
            raise AttributeError(attribute)
        del module.__getattr__
        _execute(module)
        return getattr(module, attribute)

    module.__dict__.update(_LATE[module.__name__], __getattr__=load)


def _late_in(package):
    """Gives `package` the names that it would have of its late modules (`from .. import *`)."""
    prefix = f"{package.__name__}."

    def find(attribute):
        late = [name for name in _LATE if name.startswith(prefix)]
        if _image.find(prefix + attribute) is not None or attribute.startswith("__"):
            late = []  # a module not yet imported; or what imports ask of any package
        for name in late:
            if hasattr(sys.modules[name], attribute):
                return getattr(sys.modules[name], attribute)
        raise AttributeError(f"module {package.__name__!r} has no attribute {attribute!r}")

    package.__getattr__ = find


def _execute(module):
    """Execute it, and what it imports; the image then lets go of what it has unpacked for them."""
    global _within
    _within += 1
    try:
        exec(_image.code(module.__name__), module.__dict__)
    finally:
        _within -= 1
        if not _within:
            _image.imported()


class Importer:
    """Finds and executes the modules of the image."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package = _image.find(name)
        if package is not None:
            return ModuleSpec(name, Importer, origin="image", is_package=package)
        if name.startswith("edge.") and name not in _image.COMPILED:
            # Nuitka's importer, which comes next, would look for it in the file system.
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        module.__file__ = _image.PATH  # edge.clock asks how old the file is
        if module.__name__ in _LATE:
            _late(module)
            return
        _execute(module)
        if module.__name__ == "collections":
            from _namedtuple import namedtuple

            module.namedtuple = namedtuple
        elif module.__name__ == "asyncio":
            _late_in(module)


def main():
    ours = [BuiltinImporter, FrozenImporter, Importer]
    sys.meta_path[:] = ours
    import edge  # noqa: F401 - puts Nuitka's importer first

    sys.meta_path[:] = [*ours, *[each for each in sys.meta_path if each not in ours]]
    from edge.__main__ import main as kwaainet

    return kwaainet()

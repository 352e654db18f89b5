"""The first module of the static binary: imports come from the image, then kwaainet runs."""

import sys
from _frozen_importlib import (  # type: ignore[import-not-found]
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
)

import _image  # type: ignore[import-not-found]


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
        exec(_image.code(module.__name__), module.__dict__)
        if module.__name__ == "collections":
            from _namedtuple import namedtuple

            module.namedtuple = namedtuple


def main():
    ours = [BuiltinImporter, FrozenImporter, Importer]
    sys.meta_path[:] = ours
    import edge  # noqa: F401 - puts Nuitka's importer first

    sys.meta_path[:] = [*ours, *[each for each in sys.meta_path if each not in ours]]
    from edge import cli

    return cli.main()

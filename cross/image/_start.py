"""The first module of the static binary: imports come from the image, then the command line runs."""

import sys

import _image  # type: ignore[import-not-found]
from _frozen_importlib import ModuleSpec  # type: ignore[import-not-found]


class Importer:
    """Finds and executes the modules of the image."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # noqa: ANN001, ANN205
        package = _image.find(name)
        if package is None:
            return None
        return ModuleSpec(name, Importer, origin="image", is_package=package)

    @staticmethod
    def create_module(spec):  # noqa: ANN001, ANN205
        return None

    @staticmethod
    def exec_module(module):  # noqa: ANN001, ANN205
        exec(_image.code(module.__name__), module.__dict__)  # noqa: S102


def main():  # noqa: ANN201
    sys.meta_path.append(Importer)
    from edge import cli

    return cli.main()

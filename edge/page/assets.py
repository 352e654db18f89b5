"""The files of the page as text, from beside this module."""

import hashlib
import os

NAMES = ("page.html", "locked.html", "page.css", "page.js", "icon.svg")


def load() -> dict[str, str]:
    """By name."""
    folder = os.path.dirname(__file__)
    found = {}
    for name in NAMES:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found[name] = file.read()
    return found


def tag(files: dict[str, str]) -> str:
    """Changes with the files, so that a browser may keep those that it has."""
    return hashlib.sha256("".join(files.values()).encode()).hexdigest()[:12]

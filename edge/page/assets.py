"""The files of the page as text, from beside this module."""

import hashlib
import os
from binascii import b2a_base64

NAMES = ("page.html", "locked.html", "page.css", "page.js", "icon.svg")


def load() -> dict[str, str]:
    """By name; the style is in the documents, so that they are painted as soon as they come."""
    found = {}
    for name in NAMES:
        with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
            found[name] = file.read()
    for name in ("page.html", "locked.html"):
        found[name] = found[name].replace("{{css}}", found["page.css"])
    return found


def tag(files: dict[str, str]) -> str:
    """Changes with the files, so that a browser may keep those that it has."""
    return hashlib.sha256("".join(files.values()).encode()).hexdigest()[:12]


def source_hash(text: str) -> str:
    """As Content-Security-Policy names what may stand in a document."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{b2a_base64(digest, newline=False).decode()}'"

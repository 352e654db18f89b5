"""The other names that an image is compiled with, and what it is compiled without."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from esp32 import names, unused
from esp32.manifest import modules
from tests.counterparts import micropython

BASE = """
LIMIT = 5
UNUSED = 6
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Counted:
    __slots__ = ("_many", "label")

    def __init__(self, label, many=LIMIT):
        self._many = many
        self.label = label

    def lines(self, limit=3):
        length = min(limit, self._many)
        return [f"{self.label} {number}" for number in range(length)]

    def nobody_calls(self):
        return only_that_calls()


def only_that_calls():
    return LIMIT
"""
USER = """
import sys
import base
from base import Counted


class Louder(Counted):
    def lines(self, limit=4):
        return [line.upper() for line in super().lines(limit=limit)]


def all_lines(*counted):
    found = []
    for each in counted:
        found += each.lines()
    return found, getattr(base, "LIMIT")


print(all_lines(Counted("a"), Louder(label="b", many=2)), sys.maxsize > 1)
"""


def run(texts: dict[str, str], tmp_path) -> str:
    for path, text in texts.items():
        (tmp_path / path).write_text(text)
    words = ["python3", "-c", "import user"]
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_a_program_does_what_it_did(tmp_path: Path) -> None:
    texts = {"base.py": BASE, "user.py": USER}
    before = run(texts, tmp_path)
    shorter = names.Names(texts)
    after = {path: shorter.source(path) for path in texts}
    assert run(after, tmp_path).replace(shorter.new.get("extra", "extra"), "extra") == before
    text = "".join(after.values())
    assert "LIMIT" in text and "base" in text  # by its text, and a module
    for name in ("Counted", "Louder", "_many", "all_lines", "lines"):
        assert name in shorter.new and not re.search(rf"\b{name}\b", text)
    for name in ("UNUSED", "nobody_calls", "only_that_calls", "TYPE_CHECKING", "Iterable"):
        assert name not in text


def test_a_name_has_one_other_and_no_two_the_same() -> None:
    texts = {path: source.read_text() for path, source in modules().items()}
    shorter = names.Names(texts)
    everywhere, theirs = names.firmware()
    assert not shorter.new.keys() & theirs
    assert len(shorter.new) > 600
    trees = [ast.parse(shorter.source(path)) for path in texts]
    before = unused.used({path: ast.parse(text) for path, text in texts.items()})
    for kind, field in ((ast.Name, "id"), (ast.Attribute, "attr")):
        was, now = (
            [getattr(node, field) for tree in some for node in ast.walk(tree) if type(node) is kind]
            for some in (before.values(), trees)
        )
        assert len(set(was)) == len(set(now))  # none has become another one
    assert sum(name in everywhere for name in shorter.new.values()) > 500


@pytest.mark.peers  # builds MicroPython
def test_the_firmware_has_these_names_in_flash() -> None:
    everywhere, _ = names.firmware()
    attributes = ", ".join(f"x.{name}" for name in everywhere)
    text = (
        "import micropython\n"
        "compile('lambda x: (x.close,)', '', 'eval')\n"
        "micropython.qstr_info()\n"
        f"compile('lambda x: ({attributes})', '', 'eval')\n"
        "micropython.qstr_info()\n"
    )
    words = [micropython.micropython(), "-c", text]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    before, after = re.findall(r"n_qstr=(\d+)", said)
    assert after == before

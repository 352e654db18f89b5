"""Gives what runs on a device other names than in the sources: such as its firmware has in flash.

A function, a class, an attribute or an argument whose name the firmware does not know takes some 16
bytes of heap for it, and there are a thousand. So an image is compiled from sources in which each
of ours has another name, one of those in firmware.txt or else a short one, the same everywhere.

A name stays as it is if it may be anybody else's: one that some firmware knows, as the attributes
of its own objects are, one that stands in a text, of a module, of an error, or of what a device
starts with (boot/), which no update replaces. So do constants, whose names are not in the image.

    python -m esp32.names

prints each name in an image, and what it is in the sources, for who reads a device's traceback.
"""

from __future__ import annotations

import ast
import itertools
import keyword
import string
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from esp32.manifest import boot, modules
from esp32.unused import used, words

KNOWN = Path(__file__).parent / "firmware.txt"
# Meant by the compiler itself, or by what exceptions are: no name of ours becomes one of these.
_MEANT = {
    *(
        "bool",
        "bytecode",
        "const",
        "int",
        "label",
        "micropython",
        "native",
        "object",
        "ptr",
        "ptr8",
    ),
    *("ptr16", "ptr32", "uint", "viper", "args", "errno", "value"),
}


def firmware() -> tuple[list[str], set[str]]:
    """The names that every firmware has in flash, and all that some may have."""
    words = [line.split() for line in KNOWN.read_text().split("\n\n") if not line.startswith("#")]
    everywhere, elsewhere = words
    return everywhere, {*everywhere, *elsewhere}


class Names:
    """For the modules `texts`, by their paths on a device, with `new`: what each name becomes."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._trees = used({path: ast.parse(text) for path, text in texts.items()})
        found = _Found(_modules(texts))
        for tree in self._trees.values():
            found.visit(tree)
        everywhere, theirs = firmware()
        stay = found.stay | theirs | _of_boot() | self._of_kernels()
        ours = {name for name in found.ours - stay if not name.startswith("__")}
        self.new = dict(_assigned(ours, found, everywhere))

    def _of_kernels(self) -> set[str]:
        """What kw's kernels are called by: on some processors they are in C (natmod/)."""
        kernels = [tree for path, tree in self._trees.items() if path.startswith("kw/_")]
        functions = [each for tree in kernels for each in tree.body]
        return {each.name for each in functions if isinstance(each, ast.FunctionDef)}

    def source(self, path: str) -> str:
        """What is compiled of that module."""
        return ast.unparse(_Renamed(self.new).visit(self._trees[path])) + "\n"


class _Found(ast.NodeVisitor):
    """`ours`: defined in a module. `variables`, `attributes`: used as such. `stay`: to leave."""

    def __init__(self, modules: set[str]) -> None:
        self.ours: set[str] = set()
        self.variables: set[str] = set()
        self.attributes: set[str] = set()
        self.stay = set(modules)
        self._modules = modules
        self._bodies = ["module"]
        self._slots: set[int] = set()

    def _define(self, name: str) -> None:
        self.ours.add(name)
        (self.attributes if self._bodies[-1] == "class" else self.variables).add(name)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node.name)
        for each in (*node.decorator_list, node.args, *filter(None, [node.returns])):
            self.visit(each)
        self._inside("function", node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node.name)
        bases = [ast.unparse(base) for base in node.bases]
        if any(base.endswith(("Error", "Exception")) for base in bases):
            self.stay.add(node.name)  # it is shown to people
        for base in node.bases:
            self.visit(base)
        self._inside("class", node.body)

    def _inside(self, kind: str, body: list[ast.stmt]) -> None:
        self._bodies.append(kind)
        for each in body:
            self.visit(each)
        self._bodies.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        if "__slots__" in names:
            for part in _texts(node.value):
                self._slots.add(id(part))
                self.ours.add(part.value)
                self.attributes.add(part.value)
        called = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == "const":
            self.stay.update(name for name in names if name.startswith("_"))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.variables.add(node.id)
        if isinstance(node.ctx, ast.Store) and self._bodies[-1] != "function":
            self._define(node.id)
            self.variables.add(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        self.ours.add(node.arg)
        self.variables.add(node.arg)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        self.variables.add(node.arg or "")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.attributes.add(node.attr)
        if isinstance(node.ctx, ast.Store):
            self.ours.add(node.attr)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.ours.update(node.names)
        self.variables.update(node.names)

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            self.stay.update(name.name.split("."))
            self.stay.add(name.asname or "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            self.variables.update((name.name, name.asname or ""))
            if node.module not in self._modules:
                self.stay.update((name.name, name.asname or ""))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and id(node) not in self._slots:
            self.stay.add(node.value)


class _Renamed(ast.NodeTransformer):
    def __init__(self, new: Mapping[str, str]) -> None:
        self._new = new

    def _name(self, name: str) -> str:
        return self._new.get(name, name)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._name(node.name)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._name(node.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._name(node.arg)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.arg = node.arg and self._name(node.arg)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._name(node.attr)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._name(name) for name in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for name in node.names:
            name.name = self._name(name.name)
            name.asname = name.asname and self._name(name.asname)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(isinstance(each, ast.Name) and each.id == "__slots__" for each in node.targets):
            for part in _texts(node.value):
                part.value = self._name(part.value)
        return self.generic_visit(node)


def _modules(paths: Iterable[str]) -> set[str]:
    """Their names, and those of their packages, as imports have them, whole and in parts."""
    found: set[str] = set()
    for path in paths:
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        found.update(parts)
        found.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return found


def _of_boot() -> set[str]:
    """All words in the files that start a device."""
    return words(ast.parse(path.read_text()) for path in boot().values())


def _assigned(ours: set[str], found: _Found, everywhere: list[str]) -> Iterator[tuple[str, str]]:
    """A new name for each: variables and attributes may have the same, as they never meet."""
    variables, attributes = ours & found.variables, ours & found.attributes
    as_variable = _free(everywhere, found.variables - ours)
    as_attribute = _free(everywhere, found.attributes - ours)
    both = sorted(variables & attributes)
    shared = sorted(as_variable & as_attribute)
    yield from zip(both, shared, strict=False)
    taken = set(shared[: len(both)])
    short = found.variables | found.attributes | found.stay | set(everywhere)
    for names, free in ((variables, as_variable), (attributes, as_attribute)):
        rest = sorted(names.difference(both))
        new = itertools.chain(sorted(free - taken), _short(short))
        yield from zip(rest, new, strict=False)


def _texts(node: ast.expr) -> Iterator[Any]:
    """The texts in it."""
    return (part for part in ast.walk(node) if isinstance(part, ast.Constant))


def _free(names: Iterable[str], used: set[str]) -> set[str]:
    return {name for name in names if name not in used and name not in _MEANT}


def _short(used: set[str]) -> Iterator[str]:
    for first, second in itertools.product(string.ascii_letters, repeat=2):
        if (name := first + second) not in used and not keyword.iskeyword(name):
            yield name


def main() -> None:
    texts = {path: source.read_text() for path, source in modules().items()}
    for name, new in sorted(Names(texts).new.items(), key=lambda pair: pair[::-1]):
        print(new, name)


if __name__ == "__main__":
    main()

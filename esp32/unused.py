"""Leaves out of a device's modules what nothing there uses: a codec's other side, types, texts.

A function, a class or a constant is in use if its name occurs anywhere else, in whatever sense: in
another module, as an attribute, in a text. What is left out may have been the only use of others.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from esp32.manifest import boot

# Of types and of interfaces, which nobody asks for on a device.
_UNUSED = ("TYPE_CHECKING", "__all__")


def used(trees: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """The modules, by their paths, without the rest."""
    trees = {path: _Typeless().visit(tree) for path, tree in trees.items()}
    outside = words(ast.parse(path.read_text()) for path in boot().values())
    while True:
        counts = Counter(word for tree in trees.values() for word in _words(tree))
        left_out = _LeftOut(outside, counts)
        trees = {path: left_out.visit(tree) for path, tree in trees.items()}
        if not left_out.count:
            return trees


def words(trees: Iterable[ast.AST]) -> set[str]:
    """All names and texts in them."""
    return {word for tree in trees for word in _words(tree)}


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname", "value"):
            if isinstance(word := getattr(node, field, None), str):
                yield word
        if isinstance(node, ast.Global):
            yield from node.names


class _Typeless(ast.NodeTransformer):
    """Without what _UNUSED names, and what is under its condition."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id in _UNUSED:
            return None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = {each.id for each in node.targets if isinstance(each, ast.Name)}
        return None if names & set(_UNUSED) else self.generic_visit(node)


class _LeftOut(ast.NodeTransformer):
    """`outside`: names that others use. `counts`: how often each occurs. `count`: left out."""

    def __init__(self, outside: set[str], counts: Counter[str]) -> None:
        self.count = 0
        self._outside = outside
        self._counts = counts

    def _is_used(self, name: str) -> bool:
        called = name.startswith("__") and name != "__repr__"  # by the language
        kept = called or name in self._outside or self._counts[name] > 1
        self.count += not kept
        return kept

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return self.generic_visit(node) if self._is_used(node.name) else None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST | None:
        if not self._is_used(node.name):
            return None
        found = self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return found

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant()):
                return node if self._is_used(name) else None
        return self.generic_visit(node)

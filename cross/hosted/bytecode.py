"""Compiles modules to code objects and packs them: modules.bin and image.h for cross/image/image.c.

Called as `bytecode.py PLAN FOLDER`. PLAN is JSON: {"modules": [[name, path, package]...],
"frozen": [[name, path, package]...], "builtins": {name: init function}, "compiled": [name...],
"asserting": [as "modules"...], "order": [name...], "packer": path, "target": .., "commit": ..}.
Docstrings and assertions are left out (the latter not of "asserting"), and of the positions in the
source all but the lines.

Modules are packed in groups: in the order in which they are imported, then those that it does not
name, then those that assert, which only tests import. "packer" is the program pack.c; this
interpreter has no compression of its own.
"""

from __future__ import annotations

import json
import marshal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any


def code(name: str, path: str, package: bool, optimize: int = 2) -> bytes:
    source = Path(path).read_bytes()
    shown = name.replace(".", "/") + ("/__init__.py" if package else ".py")
    return marshal.dumps(compile(source, shown, "exec", dont_inherit=True, optimize=optimize))


LARGEST = 1 << 17  # of a group; a larger module has one of its own


def arranged(names: Sequence[str], order: Sequence[str], last: Sequence[str]) -> list[str]:
    """`names` as they are to lie: as `order` has them, then others, then `last`."""
    places = {name: number for number, name in enumerate(order)}
    return sorted(names, key=lambda name: (name in last, places.get(name, len(places)), name))


def groups(names: Sequence[str], sizes: dict[str, int], largest: int = LARGEST) -> list[list[str]]:
    """`names`, cut where the next would make a group larger than that."""
    made: list[list[str]] = [[]]
    for name in names:
        if made[-1] and sum(sizes[each] for each in made[-1]) + sizes[name] > largest:
            made.append([])
        made[-1].append(name)
    return made


def packed(plain: bytes, packer: str) -> bytes:
    return subprocess.run([packer], input=plain, stdout=subprocess.PIPE, check=True).stdout


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    inits = plan["builtins"]
    header = [
        f'#define IMAGE_TARGET "{plan["target"]}"',
        f'#define IMAGE_COMMIT "{plan["commit"]}"',
        "#define IMAGE_COMPILED " + "".join(f'"{name}", ' for name in plan["compiled"]),
        *[f"extern PyObject *{init}(void);" for init in inits.values() if init],
        "#define IMAGE_INITTAB \\",
        *[f'    {{"{name}", {init or "NULL"}}}, \\' for name, init in inits.items()],
        "",
        *_image(plan, folder),
        *_frozen(plan["frozen"]),
        "",
    ]
    (folder / "image.h").write_text("\n".join(header))


def _image(plan: dict[str, Any], folder: Path) -> Iterator[str]:
    """Write modules.bin, and sizes.json with the bytes of each module and its share of them packed.

    Yields the tables of the groups and of the modules.
    """
    modules = [(*each, 2) for each in plan["modules"]] + [(*each, 0) for each in plan["asserting"]]
    plain = {name: code(name, path, package, level) for name, path, package, level in modules}
    sizes = {name: len(text) for name, text in plain.items()}
    last = [name for name, *_ in plan["asserting"]]
    blob = bytearray()
    places = {}  # the number of its group, and where it is in that
    weights = {}
    yield "static const Group image_groups[] = {"
    for number, names in enumerate(groups(arranged(list(plain), plan["order"], last), sizes)):
        whole = b"".join(plain[name] for name in names)
        small = packed(whole, plan["packer"])
        yield f"    {{{len(blob)}, {len(small)}, {len(whole)}}},"
        blob += small
        offsets = [0, *accumulate(sizes[name] for name in names)]
        for name, offset in zip(names, offsets, strict=False):
            places[name] = f"{number}, {offset}"
            weights[name] = [sizes[name], round(sizes[name] * len(small) / len(whole))]
    yield "};"
    yield "static const Module image_modules[] = {"
    for name, _, package, _ in sorted(modules):
        yield f'    {{"{name}", {places[name]}, {sizes[name]}, {package:d}}},'
    yield "};"
    (folder / "modules.bin").write_bytes(blob)
    (folder / "sizes.json").write_text(json.dumps(weights, indent=1))


def _frozen(modules: list[tuple[str, str, bool]]) -> Iterator[str]:
    table = []
    for number, (name, path, package) in enumerate(modules):
        plain = code(name, path, package)
        yield f"static const unsigned char frozen_{number}[] = {{{','.join(map(str, plain))}}};"
        table.append(f'    {{"{name}", frozen_{number}, {len(plain)}, {package:d}}},')
    yield from ["static const struct _frozen image_frozen[] = {", *table, "    {0},", "};"]


if __name__ == "__main__":
    main()

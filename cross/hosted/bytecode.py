"""Compiles modules to code objects and packs them: modules.bin and image.h for cross/image/image.c.

Called as `bytecode.py PLAN FOLDER`. PLAN is JSON: {"modules": [[name, path, package]...],
"frozen": [[name, path, package]...], "builtins": {name: init function}, "compiled": [name...],
"asserting": [as "modules"...], "target": .., "commit": ..}. Docstrings and assertions are left out
(the latter not of "asserting"), and of the positions in the source all but the lines.
"""

from __future__ import annotations

import json
import marshal
import sys
import zlib
from pathlib import Path


def code(name: str, path: str, package: bool, optimize: int = 2) -> bytes:
    source = Path(path).read_bytes()
    shown = name.replace(".", "/") + ("/__init__.py" if package else ".py")
    return marshal.dumps(compile(source, shown, "exec", dont_inherit=True, optimize=optimize))


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    blob = bytearray()
    rows = []
    sizes = {}
    modules = [(*each, 2) for each in plan["modules"]] + [(*each, 0) for each in plan["asserting"]]
    for name, path, package, optimize in sorted(modules):
        plain = code(name, path, package, optimize)
        deflated = zlib.compress(plain, 9)
        rows.append(f'    {{"{name}", {len(blob)}, {len(deflated)}, {len(plain)}, {package:d}}},')
        blob += deflated
        sizes[name] = [len(plain), len(deflated)]
    (folder / "modules.bin").write_bytes(blob)
    (folder / "sizes.json").write_text(json.dumps(sizes, indent=1))

    inits = plan["builtins"]
    header = [
        f'#define IMAGE_TARGET "{plan["target"]}"',
        f'#define IMAGE_COMMIT "{plan["commit"]}"',
        "#define IMAGE_COMPILED " + "".join(f'"{name}", ' for name in plan["compiled"]),
        *[f"extern PyObject *{init}(void);" for init in inits.values() if init],
        "#define IMAGE_INITTAB \\",
        *[f'    {{"{name}", {init or "NULL"}}}, \\' for name, init in inits.items()],
        "",
        "static const Module image_modules[] = {",
        *rows,
        "};",
    ]
    table = []
    for number, (name, path, package) in enumerate(plan["frozen"]):
        plain = code(name, path, package)
        numbers = ",".join(map(str, plain))
        header.append(f"static const unsigned char frozen_{number}[] = {{{numbers}}};")
        table.append(f'    {{"{name}", frozen_{number}, {len(plain)}, {package:d}}},')
    header += ["static const struct _frozen image_frozen[] = {", *table, "    {0},", "};", ""]
    (folder / "image.h").write_text("\n".join(header))


if __name__ == "__main__":
    main()

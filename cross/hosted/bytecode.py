"""Compiles modules to code objects and packs them: modules.bin and image.h for cross/image/image.c.

Called as `bytecode.py PLAN FOLDER`. PLAN is JSON: {"modules": [[name, path, package]...],
"frozen": [[name, path, package]...], "builtins": {name: init function}, "compiled": [name...],
"asserting": [as "modules"...], "target": .., "commit": ..}. Docstrings and assertions are left out
(the latter not of "asserting"), and of the positions in the source all but the lines.

Modules are deflated without a header (RFC 1951), with the start of a frozen module, which is not
deflated, as what came before.
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


DICTIONARY = "_frozen_importlib_external"  # of all frozen ones the most like other modules
WINDOW = 32768


def deflate(plain: bytes, dictionary: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=dictionary)
    return packer.compress(plain) + packer.flush()


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    blob = bytearray()
    rows = []
    sizes = {}
    frozen = {name: (code(name, path, package), package) for name, path, package in plan["frozen"]}
    dictionary = frozen[DICTIONARY][0][:WINDOW]
    modules = [(*each, 2) for each in plan["modules"]] + [(*each, 0) for each in plan["asserting"]]
    for name, path, package, optimize in sorted(modules):
        plain = code(name, path, package, optimize)
        deflated = deflate(plain, dictionary)
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
    for number, (name, (plain, package)) in enumerate(frozen.items()):
        numbers = ",".join(map(str, plain))
        header.append(f"static const unsigned char frozen_{number}[] = {{{numbers}}};")
        table.append(f'    {{"{name}", frozen_{number}, {len(plain)}, {package:d}}},')
    place = f"frozen_{list(frozen).index(DICTIONARY)}"
    header.append(f"#define IMAGE_DICTIONARY {place}, {len(dictionary)}")
    header += ["static const struct _frozen image_frozen[] = {", *table, "    {0},", "};", ""]
    (folder / "image.h").write_text("\n".join(header))


if __name__ == "__main__":
    main()

"""python -m debian.package TARGET BINARY OUT: writes OUT/kwaainet_VERSION_ARCH.deb

TARGET is one of cross/targets.py for which Debian has an architecture.
"""

import sys
from pathlib import Path

from debian.package import recipe
from edge.version import VERSION


def main(words: list[str]) -> int:
    if len(words) != 3 or words[0] not in recipe.ARCHITECTURES:
        print(__doc__, end="", file=sys.stderr)
        return 2
    target, binary, out = words
    try:
        name, content = recipe.build(target, Path(binary), VERSION)
        Path(out).mkdir(parents=True, exist_ok=True)
        (Path(out) / name).write_bytes(content)
    except OSError as error:
        print(f"debian.package: {error}", file=sys.stderr)
        return 1
    print(f"{Path(out) / name}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

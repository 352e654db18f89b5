"""python -m cross all|TARGET...: builds dist/kwaainet-<target> for each. See docs/cross.md."""

import sys

from cross import binary
from cross.contents import ROOT
from cross.targets import TARGETS


def main() -> int:
    debug = "--debug" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--debug"]
    if names == ["all"]:
        names = list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        got = " ".join(unknown) or "no target"
        known = " ".join(TARGETS)
        print(f"cross: got {got}; expected all, or one or more of {known}", file=sys.stderr)
        return 2
    for name in names:
        made = binary.build(TARGETS[name], debug)
        print(f"{made.relative_to(ROOT)}  {made.stat().st_size} bytes", flush=True)
    return 0


sys.exit(main())

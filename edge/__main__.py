"""`kwaainet`, also as `python -m edge`: safe from signals first, then the command line."""

import os
import sys

from edge import process


def main() -> int:
    """Runs the command line; returns the exit status."""
    process.begin()
    _become_newest()

    from edge import cli  # takes a second on a router

    return cli.main()


def _become_newest() -> None:
    """Where this program is one that updates itself, become the version that counts."""
    try:
        program = os.readlink("/proc/self/exe")
        if not os.path.exists(os.path.join(os.path.dirname(program), "release.pub")):
            return
        from edge.update.launch import launch
    except (OSError, ModuleNotFoundError):  # no /proc in this jail; a router's binary
        return
    launch()


if __name__ == "__main__":
    sys.exit(main())

"""`kwaainet`, also as `python -m edge`: safe from signals first, then the command line."""

import sys

from edge import process


def main() -> int:
    """Runs the command line; returns the exit status."""
    process.begin()

    from edge import cli  # takes a second on a router

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())

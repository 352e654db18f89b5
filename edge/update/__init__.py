"""`kwaainet update`: another version of the static binary, tried before it is kept.

The program that was installed is never written to. It stands in a directory with `release.pub`, the
key of who makes the releases, and `versions`, which belongs to the node's user and has each version
that was fetched in a directory of its own. At its start it becomes one of them (launch.py).
"""

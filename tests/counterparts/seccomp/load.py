"""load.py CALL,CALL.. FAMILY,FAMILY.. PROGRAM ARGUMENT..: runs it under a filter."""

import errno
import os
import sys

import seccomp


def main() -> None:
    calls, families, *command = sys.argv[1:]
    rules = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
    for name in calls.split(","):
        known = seccomp.resolve_syscall(seccomp.Arch(), name) >= 0
        if known and name != "socket":
            rules.add_rule(seccomp.ALLOW, name)
    for family in families.split(","):
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, int(family)))
    rules.load()
    os.execvp(command[0], command)


main()

"""Where the status socket is, also below a directory with a long name.

The kernel takes 107 bytes of path for a Unix socket (unix(7), sun_path). A longer one is reached
through /proc/self/fd and a descriptor of the directory, which changes nothing for the process.
"""

import os

NAME = "status.sock"
MAX_PATH = 107


def socket_path(run_dir: str, directory: int) -> str:
    """A path short enough to bind and connect; `directory`: an open descriptor of `run_dir`."""
    path = os.path.join(run_dir, NAME)
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    return f"/proc/self/fd/{directory}/{NAME}"

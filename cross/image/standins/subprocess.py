"""In the place of the standard library's, for asyncio's import: the node starts no process."""

PIPE, STDOUT, DEVNULL = -1, -2, -3

"""Programs that the build's own CPython 3.13 runs, see cross.cpython.host."""

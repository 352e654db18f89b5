"""What Nuitka's run time compiles at its start: the code that stands for compiled functions."""


def empty():
    raise RuntimeError("Compiled function bytecode used")

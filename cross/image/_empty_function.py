"""What Nuitka's run time compiles at its start: the code object that stands for a compiled function."""


def empty():
    raise RuntimeError("Compiled function bytecode used")

"""In the place of zlib, which the build's own CPython lacks: Cython imports it."""


def compress(data: bytes, level: int = -1) -> bytes:
    """No smaller: Cython takes its own packing anyway, and leaves out what gains nothing."""
    return data

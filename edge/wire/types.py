"""Types that only the type checker reads; never imported at run time."""

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

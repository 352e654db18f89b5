"""The C extension under AddressSanitizer and UBSan, and that these would see a fault.

Debian's libsodium and the assembly are not compiled so: what they write around a buffer shows in
test_backends.
"""

from pathlib import Path

import backends
import pytest

from tests.sanitizer import FLAGS, run

HERE = Path(__file__).parent
ROUNDS = 4000


@pytest.mark.parametrize("flags", [[], backends.assembly()], ids=["libsodium", "assembly"])
def test_no_fault_in_thousands_of_calls(flags):
    extension = backends.build(*FLAGS, *flags)
    assert b"__asan_report" in extension.read_bytes()
    done = run(HERE / "sanitized.py", extension, str(ROUNDS))
    assert done.stdout == f"{ROUNDS} rounds of {extension}\n", done.stderr[-4000:]
    assert done.returncode == 0


def test_a_fault_would_be_seen():
    """Python's own memory is watched: reading behind a buffer ends the process."""
    code = """if True:
        import ctypes
        shared = (ctypes.c_char * 700).from_buffer(bytearray(700))
        ctypes.string_at(ctypes.addressof(shared), 710)
    """
    assert "AddressSanitizer: heap-buffer-overflow" in run("-c", code).stderr

"""The C extension under AddressSanitizer and UBSan, and that these would see a fault.

Debian's libsodium and the assembly are not compiled so: what they write around a buffer shows in
test_backends.
"""

import os
import subprocess
import sys
from pathlib import Path

import backends
import pytest

HERE = Path(__file__).parent
ROUNDS = 4000


def run(*command):
    libraries = [
        subprocess.run(
            ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps much until it ends
        "PYTHONMALLOC": "malloc",
    }
    # Where addresses are more random, AddressSanitizer of gcc 12 may find its own ones taken.
    bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text())
    steady = ["setarch", "-R"] if bits > 28 else []
    return subprocess.run(
        [*steady, sys.executable, *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("flags", [[], backends.assembly()], ids=["libsodium", "assembly"])
def test_no_fault_in_thousands_of_calls(flags):
    extension = backends.build(*backends.SANITIZE, *flags)
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

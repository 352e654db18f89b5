"""A program of tests under AddressSanitizer and UBSan of the system's compiler."""

import os
import subprocess
import sys
from pathlib import Path

FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def run(*command):
    """Python with both preloaded, so that an extension compiled with FLAGS can be imported."""
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

"""The C extension of TLS, with mbedTLS, under AddressSanitizer and UBSan."""

from pathlib import Path

import mbedtls_host

from tests.sanitizer import FLAGS, run

ROUNDS = 300


def test_no_fault_in_hundreds_of_sessions():
    extension = mbedtls_host.build(*FLAGS)
    assert b"__asan_report" in extension.read_bytes()
    done = run(Path(__file__).with_name("sanitized_tls.py"), extension, str(ROUNDS))
    assert done.stdout == f"{ROUNDS} rounds of {extension}\n", done.stderr[-4000:]
    assert done.returncode == 0

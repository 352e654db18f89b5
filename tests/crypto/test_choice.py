"""Which backend is picked, and what picking it costs."""

import os
import subprocess
import sys


def run(code, **environment):
    names = {k: v for k, v in os.environ.items() if k != "KWAAINET_CRYPTO"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**names, **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )


SHOW = "from edge import crypto; print(crypto.BACKEND, crypto.CipherState.__module__)"
BLOCK = "import sys; sys.modules['cryptography'] = None; "


def test_native_is_the_default():
    shown = run(SHOW).stdout
    assert shown.startswith("cryptography ")
    assert "(OpenSSL " in shown
    assert shown.endswith(") edge.crypto.native\n")


def test_pure_where_cryptography_is_missing():
    assert run(BLOCK + SHOW).stdout == "pure Python edge.crypto.pure.chacha20poly1305\n"


def test_environment_decides():
    assert run(SHOW, KWAAINET_CRYPTO="pure").stdout.startswith("pure Python")
    assert run(SHOW, KWAAINET_CRYPTO="native").stdout.startswith("cryptography ")


def test_environment_wants_what_is_missing():
    failed = run(BLOCK + SHOW, KWAAINET_CRYPTO="native")
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("edge.crypto.errors.CryptoError: KWAAINET_CRYPTO is native, but ")
    assert last.endswith("install cryptography 50 or newer")


def test_environment_is_wrong():
    last = run(SHOW, KWAAINET_CRYPTO="fast").stderr.splitlines()[-1]
    assert last == (
        "edge.crypto.errors.CryptoError: KWAAINET_CRYPTO is 'fast'; expected native or pure"
    )


def test_start_up_imports_little_of_cryptography():
    code = """if True:
        import sys
        from edge import crypto
        private, public = crypto.x25519_keypair()
        crypto.x25519_shared(private, public)
        key = crypto.Ed25519Key.generate()
        assert crypto.verify(crypto.ED25519, key.public, b"", key.sign(b""))
        print(*sorted(name for name in sys.modules if name.startswith("cryptography.")))
    """
    assert run(code).stdout.split() == [
        "cryptography.__about__",
        "cryptography.exceptions",
        "cryptography.hazmat",
        "cryptography.hazmat.bindings",
        "cryptography.hazmat.bindings._rust",
    ]

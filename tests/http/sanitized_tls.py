"""Calls the C extension of TLS in every way there is, under AddressSanitizer and UBSan.

Run by test_tls_sanitized.py, which preloads the sanitizer: python sanitized_tls.py EXTENSION
ROUNDS. mbedTLS is compiled with them, too. The servers are OpenSSL's; what they send is altered,
cut, repeated and torn at random, and so are the trusted certificates.
"""

import random
import ssl
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import authority
import mbedtls_host

from edge.http.tls import TlsError

HOST = "hub.example"
CAUGHT = (TypeError, ValueError, OverflowError, BufferError, TlsError)
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def altered(chance, data):
    """`data`, mostly as it was."""
    data = bytearray(data)
    kind = chance.randrange(12)
    if data and kind < 3:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 3:
        del data[chance.randrange(len(data) + 1) :]
    elif kind == 4:
        data = data * 2
    elif kind == 5:
        data = bytearray(chance.randbytes(chance.randrange(300)))
    elif kind == 6 and len(data) > 9:
        at, size = chance.randrange(len(data) - 4), chance.randrange(1, 5)
        data[at : at + size] = chance.choice([b"", b"\0" * 4, b"\xff" * 4, b"\x80\0\0\0"])
    return bytes(data)


def fed(chance, session, data):
    """In one piece, in several, or as something a caller must not give."""
    if chance.random() < 0.05:
        session.feed(chance.choice([None, "text", 7, memoryview(b"12345678")[::2]]))
    size = chance.choice([1, 5, 100, 4096, 1 << 20])
    size = max(size, len(data) // 50 + 1)
    for start in range(0, len(data), size):
        session.feed(memoryview(data)[start : start + size])
        if chance.random() < 0.3:
            session.handshake()


def conversation(chance, session, server):
    calls = (
        lambda: session.read(chance.choice([1, 7, 16384, 1 << 20, 0, -1, 1 << 70])),
        lambda: session.write(chance.choice([b"", b"x" * 9, bytes(20_000), None, bytearray(5)])),
        session.handshake,
        lambda: server.tls.write(bytes(chance.randrange(1, 40_000))),
        server.read,
        server.close,
        lambda: session.feed(b"") if chance.random() < 0.2 else None,
        lambda: session.feed(bytes(chance.choice([1, 300_000]))),
    )
    for _ in range(chance.randrange(40)):
        try:
            fed(chance, session, altered(chance, server.to_client.read()))
            server.to_server.write(session.outgoing())
            if not server.ready and not server.error:
                server.step()
            chance.choice(calls if server.ready else calls[:3])()
        except CAUGHT:
            pass
        except ssl.SSLError:
            return


def good(session, server):
    authority.shake_hands(session, server)
    server.tls.write(b"answer" * 10_000)
    authority.carry(session, server)
    assert authority.read_all(session)[0] == b"answer" * 10_000


def constructed(small):
    """With terms that are none."""
    for given in (("",), (HOST, "/"), (HOST, "/dev/null"), ("x" * 300,), (None,), ("a\0b",), ()):
        with suppress(*CAUGHT):
            small.session(*given).handshake()
    for given in ((), ("a", "b"), (1, 2, 3), ("x" * 300, "b", None), ("x" * 300, "b", repr)):
        with suppress(*CAUGHT):
            small._tls.Session(*given)


def main(extension, rounds):
    small = mbedtls_host.load(Path(extension))
    roots = [authority.root(kind=kind) for kind in ("p256", "p384", "rsa")]
    leaves = [root.issue("Middle", ca=True).issue(HOST) for root in roots]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "roots")
        for seed in range(rounds):
            chance = random.Random(seed)
            pem = b"".join(root.pem for root in roots)
            bundle.write_bytes(pem if chance.random() < 0.5 else altered(chance, pem * 2))
            server = authority.Server(
                chance.choice(leaves),
                Path(folder),
                versions=chance.choice(VERSIONS),
                curve=chance.choice(["X25519", "prime256v1", "secp384r1"]),
            )
            with suppress(TlsError):
                conversation(chance, small.session(HOST, str(bundle)), server)
            bundle.write_bytes(pem)
            good(small.session(HOST, str(bundle)), authority.Server(leaves[0], Path(folder)))
            constructed(small)
    print(rounds, "rounds of", extension)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""Sessions of both kinds against servers of OpenSSL: mbedTLS's of the static binary, built for the
Python that runs the tests, and those of the ssl module.
"""

import contextlib
import ctypes
import gc
import re
import socket
import ssl
import subprocess
import time

import authority
import mbedtls_host
import pytest
from authority import KINDS, Server, carry, read_all, shake_hands
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import clock
from edge.http import openssl
from edge.http.tls import ROOTS, TlsError

SMALL = mbedtls_host.load(mbedtls_host.build())
HOST = "hub.example"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = {"1.2": V12, "1.3": V13}
ROOT = authority.root()
MIDDLE = ROOT.issue("Intermediate", ca=True)
GOOD = MIDDLE.issue(HOST)


@pytest.fixture(params=["mbedtls", "openssl"])
def session(request):
    return {"mbedtls": SMALL, "openssl": openssl}[request.param].session


@pytest.fixture
def roots(tmp_path):
    """Writes a bundle and gives its path."""

    def write(*parts):
        path = tmp_path / "roots.pem"
        path.write_bytes(b"".join(getattr(part, "pem", part) for part in parts))
        return str(path)

    return write


@pytest.fixture(params=VERSIONS)
def versions(request):
    return VERSIONS[request.param]


def refused(session, roots, server, host=HOST):
    """The error of a handshake that fails, and does so for good."""
    client = session(host, roots)
    with pytest.raises(TlsError) as raised:
        shake_hands(client, server)
    with pytest.raises(TlsError):
        client.handshake()
    text = str(raised.value)
    assert text.startswith(f"https://{host}: ")
    assert "\n" not in text
    return raised.value


# What works


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_both_ways(session, roots, versions, kind, tmp_path):
    """With signatures of each kind by the root, the intermediate and the server."""
    root = authority.root(kind=kind)
    leaf = "rsa" if kind == "rsa-pss" else kind
    server = Server(
        root.issue("Middle", kind, ca=True).issue(HOST, leaf), tmp_path, versions=versions
    )
    client = session(HOST, roots(root))
    shake_hands(client, server)
    assert server.names == [HOST]
    assert server.tls.selected_alpn_protocol() == "http/1.1"
    assert client.read(10) is None
    for size in (1, 4095, 4096, 4097, 50_000):
        client.write(bytes(size))
        server.to_server.write(client.outgoing())
        assert server.read() == bytes(size)
        server.tls.write(b"\xa5" * size)
        carry(client, server)
        assert read_all(client) == (b"\xa5" * size, False)
    server.close()
    carry(client, server)
    assert client.read(10) == b""
    assert client.read(10) == b""


def test_chacha20_is_offered_first(roots, versions, tmp_path):
    """By the binary: most routers have no instructions for AES."""
    server = Server(GOOD, tmp_path, versions=versions)
    shake_hands(SMALL.session(HOST, roots(ROOT)), server)
    assert "CHACHA20" in server.tls.cipher()[0]


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
@pytest.mark.parametrize("cipher", ["CHACHA20-POLY1305", "AES128-GCM-SHA256", "AES256-GCM-SHA384"])
def test_every_cipher_of_tls_1_2(session, roots, tmp_path, kind, cipher):
    leaf = MIDDLE.issue(HOST, "rsa" if kind == "RSA" else "p256")
    server = Server(leaf, tmp_path, versions=V12, ciphers=f"ECDHE-{kind}-{cipher}")
    client = session(HOST, roots(ROOT))
    shake_hands(client, server)
    server.tls.write(b"answer")
    carry(client, server)
    assert client.read(100) == b"answer"


@pytest.mark.parametrize("curve", ["X25519", "prime256v1", "secp384r1"])
def test_every_group(session, roots, versions, curve, tmp_path):
    """In TLS 1.3 the last two take a HelloRetryRequest."""
    server = Server(GOOD, tmp_path, versions=versions, curve=curve)
    shake_hands(session(HOST, roots(ROOT)), server)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_bytes_in_pieces(session, roots, versions, piece, tmp_path):
    server, client = Server(GOOD, tmp_path, versions=versions), session(HOST, roots(ROOT))
    shake_hands(client, server, piece)
    server.tls.write(b"answer" * 1000)
    data, got = server.to_client.read(), b""
    for start in range(0, len(data), piece):
        client.feed(data[start : start + piece])
        got += read_all(client)[0]
    assert got == b"answer" * 1000


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["*.hub.example"], "cdn.hub.example"),
        (["other.example", HOST], HOST),
        (["HUB.Example"], HOST),
        (["127.0.0.1"], "127.0.0.1"),
        (["::1"], "::1"),
    ],
)
def test_names_that_match(session, roots, names, host, tmp_path):
    server = Server(MIDDLE.issue("leaf", names=names), tmp_path)
    shake_hands(session(host, roots(ROOT)), server)


# What is refused


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["other.example"], HOST),
        (["*.hub.example"], HOST),
        (["*.hub.example"], "a.cdn.hub.example"),
        (["*.example"], "a.hub.example"),
        (["h*.example"], HOST),
        (["hub.example.evil.example"], HOST),
        (["127.0.0.1"], "127.0.0.2"),
    ],
)
def test_names_that_do_not_match(session, roots, versions, names, host, tmp_path):
    server = Server(MIDDLE.issue("leaf", names=names), tmp_path, versions=versions)
    assert refused(session, roots(ROOT), server, host).kind == "name"


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        (MIDDLE.issue(HOST, days=(-9, -2)), "expired"),
        (MIDDLE.issue(HOST, days=(2, 9)), "future"),
        (ROOT.issue("Old", ca=True, days=(-9, -2)).issue(HOST), "expired"),
        (authority.root("Stranger").issue(HOST), "issuer"),
        (authority.root("Root").issue(HOST), "issuer"),  # a namesake of the trusted one
        (authority.root(HOST), "issuer"),
        (MIDDLE.issue("No authority").issue(HOST), None),
        (MIDDLE.issue(HOST, usage=ExtendedKeyUsageOID.CLIENT_AUTH), "certificate"),
        (MIDDLE.issue("Short", "short rsa", ca=True).issue(HOST), None),
    ],
    ids=[
        *("expired", "not yet", "expired issuer", "unknown issuer", "namesake", "self-signed"),
        *("not an authority", "for clients", "short key"),
    ],
)
def test_certificates_that_are_not_trusted(session, roots, versions, leaf, kind, tmp_path):
    server = Server(leaf, tmp_path, versions=versions, ciphers="DEFAULT:@SECLEVEL=0")
    error = refused(session, roots(ROOT), server)
    assert error.kind == kind or (kind is None and error.kind in ("issuer", "certificate"))


def test_a_missing_intermediate(session, roots, tmp_path):
    alone = authority.Certified("p256", GOOD.key, GOOD.certificate, (None,))
    assert refused(session, roots(ROOT), Server(alone, tmp_path)).kind == "issuer"


@pytest.mark.parametrize("days", [(-9, -2), (2, 9)])
def test_a_wrong_clock_is_named(session, roots, days, tmp_path, monkeypatch):
    """One that is before this program was made."""
    monkeypatch.setattr(clock, "build_time", lambda: time.time() + 1e8)
    error = refused(session, roots(ROOT), Server(MIDDLE.issue(HOST, days=days), tmp_path))
    assert error.kind == "clock"
    assert "clock is wrong" in str(error)
    assert time.strftime("%Y-%m-%d", time.gmtime()) in str(error)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_versions_are_refused(session, roots, tmp_path):
    server = Server(GOOD, tmp_path, versions=ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")
    assert refused(session, roots(ROOT), server).kind in ("alert", "protocol")


def test_a_server_that_is_none(session, roots):
    client = session(HOST, roots(ROOT))
    client.handshake()
    client.feed(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    with pytest.raises(TlsError):
        client.handshake()


# The bundle


def test_a_bundle_that_is_missing_or_has_nothing(session, roots, tmp_path, monkeypatch):
    for path in (str(tmp_path / "missing"), roots(), roots(b"not a certificate\n")):
        with pytest.raises(TlsError, match="ca-bundle") as raised:
            shake_hands(session(HOST, path), Server(GOOD, tmp_path))
        assert raised.value.kind == "roots"
        assert path in str(raised.value)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    with pytest.raises(TlsError, match="absent"):
        session(HOST)


def test_the_variable_names_the_bundle(session, roots, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", roots(ROOT))
    shake_hands(session(HOST), Server(GOOD, tmp_path))


def test_every_way_to_write_a_bundle(session, roots, tmp_path):
    """Beside all of Debian's certificates, too."""
    with open(ROOTS, "rb") as file:
        debian = file.read()
    pem = ROOT.pem
    for bundle in (
        debian + pem,
        pem + debian * 3,
        pem.rstrip(),
        pem.replace(b"\n", b"\r\n"),
        b"# a comment\nsubject=Root - ------\n" + pem,
    ):
        shake_hands(session(HOST, roots(bundle)), Server(GOOD, tmp_path))


def test_what_is_no_certificate_is_passed_over(roots, tmp_path):
    """Where OpenSSL gives the whole bundle up."""
    form = "-----BEGIN {0}CERTIFICATE-----\n{1}\n-----END {0}CERTIFICATE-----\n"
    parts = [("TRUSTED ", "AAAA"), ("", "MIIB"), ("", "="), ("", ""), ("", "A" * 20_000)]
    for kind, text in parts:
        bundle = form.format(kind, text).encode() + ROOT.pem
        shake_hands(SMALL.session(HOST, roots(bundle)), Server(GOOD, tmp_path))


def test_every_certificate_of_debian_can_be_a_root():
    """mbedTLS refuses to parse one whose own signature has a hash that it does not know."""
    library = ctypes.CDLL(str(mbedtls_host.build()))
    with open(ROOTS) as file:
        parts = re.findall(r"-----BEGIN C.*?-----END CERTIFICATE-----", file.read(), re.S)
    assert len(parts) > 100
    chain = ctypes.create_string_buffer(4096)
    for der in map(ssl.PEM_cert_to_DER_cert, parts):
        assert library.mbedtls_x509_crt_parse_der(chain, der, len(der)) == 0
    library.mbedtls_x509_crt_free(chain)


def test_a_root_that_signed_itself_by_sha1(roots, tmp_path):
    """As a fifth of Debian's have: its own signature is not what it is trusted for."""
    old = authority.root("Old")
    authority.sign_by_sha1(old, old, tmp_path)
    shake_hands(SMALL.session(HOST, roots(old)), Server(old.issue(HOST), tmp_path))


@pytest.mark.parametrize("what", ["issuer", "leaf"])
def test_no_other_signature_by_sha1_is_believed(session, roots, versions, what, tmp_path):
    middle = ROOT.issue("Middle", ca=True)
    if what == "issuer":
        authority.sign_by_sha1(middle, ROOT, tmp_path)
    leaf = middle.issue(HOST)
    if what == "leaf":
        authority.sign_by_sha1(leaf, middle, tmp_path)
    server = Server(leaf, tmp_path, versions=versions, ciphers="DEFAULT:@SECLEVEL=0")
    assert refused(session, roots(ROOT), server).kind in ("issuer", "certificate")


@pytest.mark.parametrize("boundary", range(4060, 4110, 7))
def test_certificates_across_the_pieces_that_are_read(roots, boundary, tmp_path):
    padding = b"#" * (boundary - 20) + b"\n"
    shake_hands(SMALL.session(HOST, roots(padding, ROOT)), Server(GOOD, tmp_path))


def test_two_roots_with_one_subject(session, roots, tmp_path):
    others = [authority.root("Root", kind) for kind in ("p256", "p384", "rsa")]
    shake_hands(session(HOST, roots(*others, ROOT)), Server(GOOD, tmp_path))
    shake_hands(session(HOST, roots(ROOT, *others)), Server(GOOD, tmp_path))


def test_an_authority_that_another_has_signed_as_well(session, roots, tmp_path):
    """The chain that is sent leads to an unknown root; a known one has the same key."""
    old = authority.root("Old root")
    crossed = old.issue("Root", key=ROOT.key, ca=True)
    leaf = crossed.issue("Middle", ca=True).issue(HOST)
    shake_hands(session(HOST, roots(ROOT)), Server(leaf, tmp_path))
    shake_hands(session(HOST, roots(old)), Server(leaf, tmp_path))


def test_an_expired_root_beside_its_successor(session, roots, tmp_path):
    expired = authority.root("Root", key=ROOT.key, days=(-9, -2))
    shake_hands(session(HOST, roots(expired, ROOT)), Server(GOOD, tmp_path))
    assert refused(session, roots(expired), Server(GOOD, tmp_path)).kind == "expired"


# Ends


def test_a_connection_that_ends_without_saying_so(session, roots, versions, tmp_path):
    server, client = Server(GOOD, tmp_path, versions=versions), session(HOST, roots(ROOT))
    shake_hands(client, server)
    server.tls.write(b"half of it")
    carry(client, server)
    client.feed(b"")
    assert client.read(100) == b"half of it"
    for _ in range(2):
        with pytest.raises(TlsError) as raised:
            client.read(100)
        assert raised.value.kind == "truncated"


def test_a_record_cut_short(session, roots, versions, tmp_path):
    server, client = Server(GOOD, tmp_path, versions=versions), session(HOST, roots(ROOT))
    shake_hands(client, server)
    carry(client, server)
    server.tls.write(b"whole")
    client.feed(server.to_client.read()[:-1])
    assert client.read(100) is None
    client.feed(b"")
    with pytest.raises(TlsError):
        client.read(100)


def test_a_handshake_cut_short(session, roots, versions, tmp_path):
    server, client = Server(GOOD, tmp_path, versions=versions), session(HOST, roots(ROOT))
    client.handshake()
    server.to_server.write(client.outgoing())
    server.step()
    client.feed(server.to_client.read()[:100])
    client.feed(b"")
    with pytest.raises(TlsError) as raised:
        client.handshake()
    assert raised.value.kind == "truncated"


def test_before_the_handshake_nothing_is_read_or_written(roots):
    client = SMALL.session(HOST, roots(ROOT))
    for call in (lambda: client.read(1), lambda: client.write(b"x")):
        with pytest.raises(ValueError, match="handshake"):
            call()


def test_what_waits_is_bounded(roots):
    client = SMALL.session(HOST, roots(ROOT))
    client.feed(bytes(200 * 1024))
    with pytest.raises(ValueError, match="too much"):
        client.feed(bytes(100 * 1024))


# Records that OpenSSL would not write


class Writer:
    """Writes records of TLS 1.3 in the server's place, under its key (RFC 8446, 5.2 and 7.3)."""

    def __init__(self, folder):
        log = folder / "keys"
        self.server = Server(GOOD, folder, versions=V13, keys=log)
        self.log, self.sequence = log, 0

    def record(self, content, kind=23):
        [secret] = re.findall(r"SERVER_TRAFFIC_SECRET_0 \w+ (\w+)", self.log.read_text())
        key, iv = (_expanded(bytes.fromhex(secret), name, size) for name, size in KEY_AND_IV)
        nonce = bytes(a ^ b for a, b in zip(iv, self.sequence.to_bytes(12), strict=True))
        self.sequence += 1
        head = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2)
        return head + ChaCha20Poly1305(key).encrypt(nonce, content + bytes([kind]), head)


KEY_AND_IV = ((b"key", 32), (b"iv", 12))


def _expanded(secret, label, size):
    label = b"tls13 " + label
    info = size.to_bytes(2) + bytes([len(label)]) + label + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


@pytest.fixture
def writer(roots, tmp_path):
    """Its record(), and a session that has shaken hands with its server."""
    made, client = Writer(tmp_path), SMALL.session(HOST, roots(ROOT))
    shake_hands(client, made.server)
    return made.record, client


def test_empty_records_are_no_end(writer):
    record, client = writer
    for empty in range(4):
        client.feed(b"".join(record(b"") for _ in range(empty)) or record(b""))
        client.feed(record(b"something"))
        assert client.read(100) == b"something"
        assert client.read(100) is None


def test_only_empty_records_are_refused(writer):
    record, client = writer
    client.feed(b"".join(record(b"") for _ in range(100)))
    with pytest.raises(TlsError):
        client.read(100)


def test_the_longest_record_and_a_longer_one(writer):
    record, client = writer
    client.feed(record(bytes(16384)))
    assert client.read(1 << 20) == bytes(16384)
    client.feed(record(bytes(16385)))
    with pytest.raises(TlsError):
        client.read(1 << 20)


@pytest.mark.parametrize("kind", [0, 20, 22, 24, 255])
def test_records_of_another_kind(writer, kind):
    record, client = writer
    client.feed(record(b"\0\0\0\0\0\0\0\0", kind))
    with pytest.raises(TlsError):
        client.read(100)


def test_warnings_are_passed_over_and_what_follows_is_read(writer):
    record, client = writer
    client.feed(record(b"\x01\x5a", 21) + record(b"something"))  # user_canceled
    assert client.read(100) == b"something"


def test_a_fatal_alert_is_told_by_its_number(writer):
    record, client = writer
    client.feed(record(b"\x02\x28", 21))
    with pytest.raises(TlsError, match="alert 40") as raised:
        client.read(100)
    assert raised.value.kind == "alert"


def test_a_record_that_is_repeated(writer):
    record, client = writer
    once = record(b"something")
    client.feed(once + once)
    assert client.read(100) == b"something"
    with pytest.raises(TlsError):
        client.read(100)


# OpenSSL's own program, for what the ssl module cannot be made to send


class Program:
    """`openssl s_server`; `say` types into it."""

    def __init__(self, folder, *options):
        chain, key = GOOD.files(folder)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        listener.close()
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-naccept", "1"]
        command += ["-cert", chain, "-cert_chain", chain, "-key", key, *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        while b"ACCEPT" not in self.process.stdout.readline():
            assert self.process.poll() is None

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def connect(self, session, roots):
        """A session after its handshake, and its socket."""
        client, sock = session(HOST, roots), socket.create_connection(("127.0.0.1", self.port))
        sock.settimeout(20)
        while not client.handshake():
            sock.sendall(client.outgoing())
            client.feed(sock.recv(5000))
        sock.sendall(client.outgoing())
        return client, sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def receive(client, sock, size):
    got = b""
    while len(got) < size:
        part = client.read(1000)
        if part is None:
            client.feed(sock.recv(5000))
            sock.sendall(client.outgoing())
        else:
            assert part
            got += part
    return got


def test_renegotiation_is_refused_and_the_session_goes_on(roots, tmp_path):
    with Program(tmp_path, "-tls1_2") as program:
        client, sock = program.connect(SMALL.session, roots(ROOT))
        with sock:
            program.say(b"r\n")
            client.feed(sock.recv(5000))
            assert client.read(100) is None
            assert client.outgoing()  # the alert that refuses


def test_new_keys_end_the_session(roots, tmp_path):
    """mbedTLS 3.6 does not know KeyUpdate; no server sends it before millions of records."""
    with Program(tmp_path, "-tls1_3") as program:
        client, sock = program.connect(SMALL.session, roots(ROOT))
        with sock:
            program.say(b"before\n")
            assert receive(client, sock, 7) == b"before\n"
            program.say(b"k\n")
            with pytest.raises(TlsError) as raised:
                receive(client, sock, 1)
            assert raised.value.kind == "protocol"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_short_records(roots, version, tmp_path):
    """As some servers send them at first: the handshake in many as well."""
    with Program(tmp_path, version, "-max_send_frag", "512") as program:
        client, sock = program.connect(SMALL.session, roots(ROOT))
        with sock:
            program.say(b"x" * 3000 + b"\n")
            assert receive(client, sock, 3001) == b"x" * 3000 + b"\n"


# Bytes that nobody meant


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_end_in_an_error_or_wait(pieces):
    client = SMALL.session(HOST, ROOTS)
    try:
        for piece in pieces:
            assert client.handshake() is False
            client.feed(piece)
    except TlsError:
        pass
    client.outgoing()


def payloads(flight):
    """Where something may be altered: the heads of records and ChangeCipherSpec do not count."""
    at, places = 0, []
    while at < len(flight):
        size = int.from_bytes(flight[at + 3 : at + 5])
        if flight[at] != 20:
            places += range(at + 5, at + 5 + size)
        at += 5 + size
    return places


@settings(deadline=None, max_examples=100)
@given(
    place=st.floats(0, 1, exclude_max=True),
    change=st.integers(1, 255),
    versions=st.sampled_from([V12, V13]),
)
def test_no_handshake_succeeds_that_was_altered(place, change, versions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("altered")
    (folder / "roots").write_bytes(ROOT.pem)
    server = Server(GOOD, folder, versions=versions)
    client = SMALL.session(HOST, str(folder / "roots"))
    client.handshake()
    server.to_server.write(client.outgoing())
    server.step()
    flight = bytearray(server.to_client.read())
    places = payloads(flight)
    flight[places[int(place * len(places))]] ^= change
    client.feed(flight)
    with contextlib.suppress(TlsError):
        for _ in range(4):
            assert not client.handshake()
            server.to_server.write(client.outgoing())
            server.step()
            carry(client, server)
    assert not server.ready


class Allocated(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("arena", "a", "b", "c", "d", "e", "f")),
        *((name, ctypes.c_size_t) for name in ("uordblks", "fordblks", "keepcost")),
    )


def allocated():
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Allocated
    return ask().uordblks


@pytest.mark.parametrize("end", ["good", "unfinished", "refused"])
def test_sessions_leave_no_memory_behind(roots, end, tmp_path):
    path = roots(ROOT if end != "refused" else authority.root("Other"))

    def one():
        server, client = Server(GOOD, tmp_path), SMALL.session(HOST, path)
        if end == "unfinished":
            client.handshake()
            return
        try:
            shake_hands(client, server)
        except TlsError:
            assert end == "refused"

    used = []
    for rounds in (50, 1000 if end != "good" else 300):
        for _ in range(rounds):
            one()
        gc.collect()
        used.append(allocated())
    assert used[1] - used[0] < 30_000

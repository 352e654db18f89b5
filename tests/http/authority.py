"""Certificate authorities of a test, and servers with what they issue: OpenSSL's, in memory."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
_KEYS = {
    "rsa": rsa.generate_private_key(65537, 2048),  # slow to make
    "rsa-pss": rsa.generate_private_key(65537, 2048),
    "short rsa": rsa.generate_private_key(65537, 1024),
}
KINDS = ("rsa", "rsa-pss", "p256", "p384")


def new_key(kind):
    if kind in _KEYS:
        return _KEYS[kind]
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


class Certified:
    """A key with its certificate; `chain`: those to send besides, its issuer's first."""

    def __init__(self, kind, key, certificate, chain=()):
        self.kind, self.key, self.certificate, self.chain = kind, key, certificate, chain

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, subject, kind="p256", **terms):
        """One for another key. Of an authority by `ca=True`, else of the server `subject`."""
        key = terms.pop("key", None) or new_key(kind)
        certificate = _certificate(subject, key, self, **terms)
        return Certified(kind, key, certificate, (self.certificate, *self.chain))

    def files(self, folder: Path):
        """The paths of the chain and of the key."""
        pem = serialization.Encoding.PEM
        chain, key = folder / "chain.pem", folder / "key.pem"
        sent = (self.certificate, *self.chain[:-1])  # all but the root
        chain.write_bytes(b"".join(each.public_bytes(pem) for each in sent))
        key.write_bytes(_private(self.key))
        return chain, key


def root(subject="Root", kind="p256", key=None, **terms):
    """An authority that signs itself."""
    key = key or new_key(kind)
    itself = Certified(kind, key, None)
    return Certified(
        kind, key, _certificate(subject, key, itself, issuer=subject, ca=True, **terms)
    )


def sign_by_sha1(certified, by, folder):
    """Have `by` sign the certificate again, as today's libraries do not, but OpenSSL's program."""
    asked, issuer, key = (folder / f"sha1-{name}.pem" for name in "abc")
    request = x509.CertificateSigningRequestBuilder(certified.certificate.subject)
    for extension in certified.certificate.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            request = request.add_extension(extension.value, extension.critical)
    pem = request.sign(certified.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    for path, content in ((asked, pem), (issuer, by.pem), (key, _private(by.key))):
        path.write_bytes(content)
    command = ["openssl", "x509", "-req", "-in", asked, "-CA", issuer, "-CAkey", key, "-sha1"]
    command += ["-set_serial", "7", "-days", "30", "-copy_extensions", "copyall"]
    done = subprocess.run(command, capture_output=True, check=True)
    certified.certificate = x509.load_pem_x509_certificate(done.stdout)
    assert certified.certificate.signature_hash_algorithm.name == "sha1"


def _private(key):
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, none)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, key, by, issuer=None, ca=False, days=(-1, 30), names=None, usage=None):
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer) if issuer else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    by_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    builder = builder.add_extension(by_key, critical=False)
    if not ca:
        names = [_san(name) for name in names or [subject]]
        usages = [usage or ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    digest = hashes.SHA384() if by.kind == "p384" else hashes.SHA256()
    if by.kind == "rsa-pss":
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return builder.sign(by.key, digest, rsa_padding=pss)
    return builder.sign(by.key, digest)


def _san(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Server:
    """A TLS server of OpenSSL, whose bytes the test carries. `keys`: where its keys are written."""

    def __init__(self, certified, folder, *, versions=None, ciphers=None, curve=None, keys=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if ciphers:
            context.set_ciphers(ciphers)
        context.load_cert_chain(*certified.files(folder))
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        if keys:
            context.keylog_filename = str(keys)
            context.num_tickets = 0
        names = self.names = []
        context.sni_callback = lambda connection, name, context: names.append(name)
        if versions:
            context.minimum_version = context.maximum_version = versions
        if curve:
            context.set_ecdh_curve(curve)
        self.error = None
        self.to_server, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.to_server, self.to_client, server_side=True)
        self.ready = False

    def step(self):
        """Go on with the handshake; what fails here shows at the client, too."""
        try:
            self.tls.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error

    def read(self):
        data = b""
        try:
            while part := self.tls.read(1 << 16):
                data += part
        except ssl.SSLWantReadError:
            pass
        return data

    def close(self):
        """Say so in TLS; the answer is not waited for."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()


def shake_hands(client, server, piece=1 << 20):
    """Until both are done, or the client raises. The server's bytes come `piece` at once."""
    for _ in range(20):
        done = client.handshake()
        server.to_server.write(client.outgoing())
        if not server.ready and not server.error:
            server.step()
        if done and server.ready:
            return
        carry(client, server, piece)
    raise AssertionError("no end of the handshake")


def carry(client, server, piece=1 << 20):
    """From the server to the client."""
    data = server.to_client.read()
    for start in range(0, len(data), piece):
        client.feed(data[start : start + piece])
        if piece < 100 and start + piece < len(data):
            client.handshake()


def read_all(client):
    """What there is, and whether that was the end."""
    parts = []
    while part := client.read(5000):
        parts.append(part)
    return b"".join(parts), part is not None

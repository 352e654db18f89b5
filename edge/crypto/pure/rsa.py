"""RSASSA-PKCS1-v1_5 verification with SHA-256 (RFC 8017, 8.2.2). Portable."""

_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def verify(n: int, e: int, size: int, digest: bytes, signature: bytes) -> bool:
    """Verify; `n`, `e` and `size` are those of edge.crypto.publickeys.parse_rsa."""
    s = int.from_bytes(signature, "big") if len(signature) == size else n
    if s >= n:
        return False
    info = _DIGEST_INFO + digest
    expected = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
    return pow(s, e, n).to_bytes(size, "big") == expected

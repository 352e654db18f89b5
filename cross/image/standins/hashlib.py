"""In the place of the standard library's module: the hashes that the node uses, no others.

The original complains at its import about every hash that is missing, and knows OpenSSL's.
"""

from _sha1 import sha1

from _sha2 import sha256, sha512

__all__ = ["sha1", "sha256", "sha512"]

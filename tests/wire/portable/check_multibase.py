# Vectors of RFC 4648, section 10, without padding
from raises import raises

from edge.wire.errors import AddressError
from edge.wire.multibase import BASE32, BASE64URL, decode, encode

VECTORS = (
    (b"", "", ""),
    (b"f", "my", "Zg"),
    (b"fo", "mzxq", "Zm8"),
    (b"foo", "mzxw6", "Zm9v"),
    (b"foob", "mzxw6yq", "Zm9vYg"),
    (b"fooba", "mzxw6ytb", "Zm9vYmE"),
    (b"foobar", "mzxw6ytboi", "Zm9vYmFy"),
    (b"\xfb\xff", "7p7q", "-_8"),
)
for data, base32, base64url in VECTORS:
    assert encode(data, BASE32) == base32
    assert decode(base32, BASE32) == data
    assert encode(data, BASE64URL) == base64url
    assert decode(base64url, BASE64URL) == data

raises(AddressError, decode, "M", BASE32)  # lower case only
raises(AddressError, decode, "mz1", BASE32)
raises(AddressError, decode, "mz", BASE32)  # bits left over
raises(AddressError, decode, "mym", BASE32)  # a character too many
raises(AddressError, decode, "Zg=", BASE64URL)
raises(AddressError, decode, "Z", BASE64URL)
raises(AddressError, decode, "Zh", BASE64URL)

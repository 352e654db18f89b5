"""Base58 and the multibases against independent implementations. The vectors are in portable/."""

import base64

import base58 as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import base58, multibase
from edge.wire.errors import AddressError


@given(st.binary(max_size=base58.MAX_BYTES))
def test_base58_is_what_pypi_base58_writes_and_reads(data: bytes) -> None:
    text = base58.encode(data)
    assert text == oracle.b58encode(data).decode()
    assert base58.decode(text) == data


@given(st.text(max_size=60) | st.text(oracle.BITCOIN_ALPHABET.decode(), max_size=60))
def test_any_text_is_base58_or_refused(text: str) -> None:
    try:
        data = base58.decode(text)
    except AddressError:
        assert set(text) - set(oracle.BITCOIN_ALPHABET.decode())
        return
    assert data == oracle.b58decode(text.encode())
    assert len(text) > base58.MAX_BYTES or base58.encode(data) == text


@given(st.binary(max_size=80))
def test_multibase_is_what_the_standard_library_writes(data: bytes) -> None:
    base32 = base64.b32encode(data).decode().rstrip("=").lower()
    assert multibase.encode(data, multibase.BASE32) == base32
    base64url = base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert multibase.encode(data, multibase.BASE64URL) == base64url


@pytest.mark.parametrize("alphabet", [multibase.BASE32, multibase.BASE64URL])
@given(st.data())
def test_any_text_is_canonical_multibase_or_refused(alphabet: str, data: st.DataObject) -> None:
    text = data.draw(st.text(max_size=20) | st.text(alphabet, max_size=20))
    try:
        found = multibase.decode(text, alphabet)
    except AddressError:
        return
    assert multibase.encode(found, alphabet) == text

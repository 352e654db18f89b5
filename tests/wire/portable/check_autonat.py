# The numbers are those of https://github.com/libp2p/specs/blob/master/autonat/autonat-v1.md and
# autonat-v2.md
from raises import raises

from edge.wire import autonat
from edge.wire.autonat import (
    DataRequest,
    DataResponse,
    Dial,
    DialAnswer,
    DialBack,
    DialBackResponse,
    DialRequest,
    DialResponse,
    Message1,
    Message2,
    PeerInfo,
)
from edge.wire.errors import RemoteProtocolError

ADDRESS = bytes((4, 9, 9, 9, 9, 6, 15, 161))  # /ip4/9.9.9.9/tcp/4001
TEXT = "040909090906" + "0fa1"

VECTORS = (
    (
        Message1(type=Message1.DIAL, dial=Dial(peer=PeerInfo(id=b"\x01", addrs=[ADDRESS]))),
        "0800120f0a0d0a01011208" + TEXT,
    ),
    (
        Message1(type=Message1.ANSWER, answer=DialAnswer(status=autonat.OK, addr=ADDRESS)),
        "08011a0c08001a08" + TEXT,
    ),
    (
        Message1(type=Message1.ANSWER, answer=DialAnswer(status=autonat.E_BAD_REQUEST, text="no")),
        "08011a0708c80112026e6f",
    ),
    (
        Message2(request=DialRequest(addrs=[ADDRESS], nonce=0x0102030405060708)),
        "0a130a08" + TEXT + "110807060504030201",
    ),
    (
        Message2(
            response=DialResponse(status=autonat.OK2, index=1, dial_status=autonat.DIAL_FAILED)
        ),
        "120708c80110011864",
    ),
    (Message2(data_request=DataRequest(index=2, length=30000)), "1a06080210b0ea01"),
    (Message2(data=DataResponse(data=b"\x00\x00")), "22040a020000"),
    (DialBack(nonce=(1 << 64) - 1), "09ffffffffffffffff"),
    (DialBackResponse(status=0), "0800"),
)
for message, text in VECTORS:
    assert message.encode().hex() == text, (message, message.encode().hex())
    assert type(message).decode(bytes.fromhex(text)) == message

# What a proto3 writer leaves out is not there.
assert DialBack.decode(b"").nonce is None
assert Message2.decode(b"\x12\x00").response == DialResponse()

# More addresses than are looked at, and longer ones, are left out in version 1.
many = PeerInfo(addrs=[b"x" * 513] + [ADDRESS] * 99)
assert PeerInfo.decode(many.encode()).addrs == [ADDRESS] * autonat.MAX_ADDRESSES
raises(RemoteProtocolError, DialRequest.decode, DialRequest(addrs=[ADDRESS] * 51).encode())
for kind in (Message1, Message2):
    raises(RemoteProtocolError, kind.decode, bytes(autonat.MAX_MESSAGE + 1))
    raises(RemoteProtocolError, kind.decode, b"\x0a\x7f")
raises(RemoteProtocolError, DialBack.decode, b"\x09\x00")
raises(RemoteProtocolError, DialBack.decode, b"\x08\x00")

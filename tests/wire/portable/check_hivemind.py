# Written by hivemind 1.1.12's own protobuf (proto/dht.proto, proto/p2pd.proto).
from raises import raises

from edge.wire import hivemind
from edge.wire.errors import RemoteProtocolError
from edge.wire.hivemind import (
    FOUND_REGULAR,
    PLAIN,
    CallUnary,
    FindRequest,
    FindResponse,
    FindResult,
    Frame,
    NodeInfo,
    PingRequest,
    PingResponse,
    StoreRequest,
    StoreResponse,
    UnaryResponse,
)

NODE = NodeInfo(node_id=bytes(range(20)))
KEY = b"k" * 20
SAID_NODE = "160a14000102030405060708090a0b0c0d0e0f10111213"
SAID_KEY = "12146b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"
CALL_ID = bytes(16)

VECTORS = [
    (PingRequest(peer=NODE, validate=1), f"12{SAID_NODE}1801"),
    (PingResponse(peer=NODE, dht_time=1.7e9, available=1), f"12{SAID_NODE}2100000040fc54d9412801"),
    (
        StoreRequest(
            keys=[KEY] * 2,
            subkeys=[PLAIN, b"\xa1a"],
            values=[b"v", b""],
            expirations=[1.5, 2.5],
            in_cache=[0, 1],
            peer=NODE,
        ),
        f"{SAID_KEY}{SAID_KEY}1a01c01a02a16122017622002a10000000000000f83f0000000000000440"
        f"320200013a{SAID_NODE}",
    ),
    (StoreResponse(store_ok=[1, 0], peer=NODE), f"120201001a{SAID_NODE}"),
    (FindRequest(keys=[KEY], peer=NODE), f"{SAID_KEY}1a{SAID_NODE}"),
    (
        FindResponse(
            results=[
                FindResult(
                    type=FOUND_REGULAR,
                    value=b"v",
                    expiration=1.5,
                    nearest_node_ids=[b"n" * 20],
                    nearest_peer_ids=[b"\0\1p"],
                ),
                FindResult(),
            ],
            peer=NODE,
        ),
        "1229080112017619000000000000f83f22146e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e2a030001701200"
        f"1a{SAID_NODE}",
    ),
    (
        Frame(call_id=CALL_ID, call_unary=CallUnary(peer=b"", proto=hivemind.PING_ID, data=b"x")),
        f"0a10{CALL_ID.hex()}1a1b0a00121444485450726f746f636f6c2e7270635f70696e671a0178",
    ),
    (
        Frame(call_id=CALL_ID, unary_response=UnaryResponse(response=b"y")),
        f"0a10{CALL_ID.hex()}22030a0179",
    ),
    (
        Frame(call_id=CALL_ID, unary_response=UnaryResponse(error=b"no")),
        f"0a10{CALL_ID.hex()}220412026e6f",
    ),
]

for message, text in VECTORS:
    assert message.encode().hex() == text, (message, message.encode().hex())
    assert type(message).decode(bytes.fromhex(text)) == message

assert Frame.decode(hivemind.call(CALL_ID, hivemind.PING_ID, b"x")) == VECTORS[6][0]
assert Frame.decode(hivemind.answer(CALL_ID, b"y")) == VECTORS[7][0]
assert Frame.decode(hivemind.refusal(CALL_ID, "no")) == VECTORS[8][0]
raises(RemoteProtocolError, Frame.decode, Frame(call_id=b"short").encode())

request = StoreRequest(keys=[KEY], values=[b"v"], expirations=[1.5])
assert request.records() == [(KEY, PLAIN, b"v", 1.5, False)]
raises(RemoteProtocolError, FindRequest.decode, FindRequest(keys=[b"short"]).encode())

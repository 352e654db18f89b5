"""Inputs that go deep, by the target (targets.py) that they are for: what fuzzing begins with."""

from __future__ import annotations

import binascii

from edge.cache.store import layout
from edge.cache.store.journal import frame
from edge.cache.store.notes import record as note
from edge.models.manifest import ModelSet
from edge.wire import (
    attestation,
    autonat,
    block_call,
    circuit,
    dictionary,
    envelope,
    fragment,
    hivemind,
    identify,
    inference,
    kad,
    mdns,
    multistream,
    noise,
    packed,
    whole_model,
    yamux,
)
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PublicKey
from edge.wire.protobuf import delimited
from edge.wire.upgrade import Upgrade
from tests.fuzz.targets import ADDRESS, IDENTITY, KEY, MESSAGES, OWN_RECORDS, PEER, VOUCHED
from tests.models.files import entry, gguf, manifest, safetensors


def _line(text: str) -> bytes:
    return multistream.encode_line(text)


def _frame(kind: int, flags: int, stream: int, length: int, body: bytes = b"") -> bytes:
    return bytes((0, kind, 0, flags)) + stream.to_bytes(4, "big") + length.to_bytes(4, "big") + body


def _framed(records: list[bytes]) -> bytes:
    written, checksum = b"", 0
    for one in records:
        framed, checksum = frame(one, checksum)
        written += framed
    return written


_CACHE = [
    layout.serial_record(9),
    layout.hour_record(24, 1 << 20),
    layout.file_record(0, 3 << 20, layout.WHOLE, [bytes([1]) + bytes(32), bytes([3]) + bytes(32)]),
    layout.segment_record(0, 0, 1, 0, 4),
    layout.segment_record(1, 0, 2, 4, 8),
    layout.cut_record(1, 3),
    layout.row_record(0, 5),
    layout.file_record(1, 100, layout.PINNED, [bytes([2]) + bytes(20)]),
    layout.segment_record(2, 1, 3, 0, 1),
    layout.drop_record(0),
    layout.forget_record(1),
    note(b"key", b"value"),
]
_IDENTIFY = identify.Identify(
    protocol_version="ipfs/0.1.0",
    agent_version="kwaainet",
    public_key=PublicKey(type=1, data=KEY.public).encode(),
    listen_addrs=[ADDRESS.bytes],
    observed_addr=ADDRESS.bytes,
    protocols=["/ipfs/id/1.0.0", circuit.HOP_ID],
    signed_peer_record=envelope.seal_peer_record(KEY, 1, [ADDRESS]),
).encode()
_DIAL = autonat.Message1(
    type=autonat.Message1.DIAL,
    dial=autonat.Dial(peer=autonat.PeerInfo(id=PEER.bytes, addrs=[ADDRESS.bytes])),
).encode()
_RESERVED = circuit.HopMessage(
    type=2,
    status=circuit.OK,
    reservation=circuit.Reservation(
        expire=1_900_000_000,
        addrs=[ADDRESS.bytes],
        voucher=envelope.seal_voucher(KEY, PEER, 1_900_000_000),
    ),
    limit=circuit.Limit(duration=120, data=1 << 17),
).encode()
_FOUND = kad.KadMessage(
    type=kad.FIND_NODE,
    key=PEER.bytes,
    closer=[kad.Peer(id=PEER.bytes, addrs=[ADDRESS.bytes], connection=kad.CONNECTED)],
    providers=[kad.Peer(id=PEER.bytes)],
).encode()
_SESSION = (
    _frame(yamux.WINDOW_UPDATE, yamux.SYN, 1, 0)
    + _frame(yamux.DATA, 0, 1, 5, b"hello")
    + _frame(yamux.PING, yamux.SYN, 0, 7)
    + _frame(yamux.DATA, yamux.SYN, 3, 3, b"abc")
    + _frame(yamux.WINDOW_UPDATE, yamux.ACK, 2, 65536)
    + _frame(yamux.DATA, yamux.FIN, 3, 0)
    + _frame(yamux.WINDOW_UPDATE, yamux.RST, 1, 0)
    + _frame(yamux.GO_AWAY, 0, 0, 0)
)
# Opcodes of a program are twice the step's number, plus the peer's. Both reserve, the second
# asks for a circuit to the first, which accepts; data goes both ways, then one side stops reading.
_RESERVE = bytes((8, 0, 0, 1, yamux.SYN | yamux.FIN, 0))
_CIRCUIT = (
    _RESERVE
    + bytes((18,))
    + bytes((9, 1, 0, 3, yamux.SYN, 4))
    + b"more"
    + bytes((18, 18))
    + bytes((10, 0, 3))
    + b"yes"
    + bytes((2, 18, 5, 3, 0, 5))
    + b"12345"
    + bytes((4, 4, 0, 3))
    + b"abc"
    + bytes((16, 0, 5, 3, 0, 5))
    + b"67890"
    + bytes((16, 1, 18, 5, 3, yamux.FIN, 0))
)

_TENSORS = [("blk.1.a", [8], 0, 0), ("blk.0.a", [32, 2], 2, 32), ("token_embd.weight", [8], 1, 96)]
_VALUES = {"llama.block_count": 2, "llama.heads": [1, 2], "tokenizer.tokens": ["a", "bc"]}
_GGUF = gguf(_TENSORS, _VALUES) + bytes(112)
_LLAMA = {
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 96,
    "llama.vocab_size": 32,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 0.5,
}
_HEADER = {
    "__metadata__": {"a": "b"},
    "h.0.w": entry("F16", [2, 2], 0, 8),
    "lm_head.w": entry("F4", [2], 8, 9),
}

SEEDS: dict[str, list[bytes]] = {
    "releases": [
        b"kwaainet 0.2.0\nx86_64 5 " + b"ab" * 32 + b"\n",
        b"untrusted comment: x\n" + binascii.b2a_base64(b"Ed" + bytes(72)) + b"kwaainet 0.2.0\n",
        b"current 0.2.0\nprevious 0.1.0\ntrial 0.3.0\nrefused 0.2.9\nlock 3\n",
    ],
    "hub_listings": [
        b'\x05[{"path":"a","xetHash":"ab","url":"https://hub/a"}, {"xetHash": null, "size": 1}]\n',
    ],
    "hub_heads": [
        b'607a\n"ab"\n"' + b"ab" * 32 + b'"\n5\n6',
        b'<https://hub/a?cursor=b>; rel="next", <https://hub/x>; rel="xet-auth"',
        b'{"config":{"digest":"sha256:' + b"ab" * 32 + b'","size":1},"layers":[]}',
    ],
    "messages": [
        bytes((MESSAGES.index(autonat.Message1),)) + _DIAL,
        bytes((MESSAGES.index(circuit.HopMessage),)) + _RESERVED,
        bytes((MESSAGES.index(identify.Identify),)) + _IDENTIFY,
        bytes((MESSAGES.index(noise.Payload),)) + IDENTITY.payload,
        bytes((MESSAGES.index(envelope.Envelope),)) + envelope.seal_voucher(KEY, PEER, 1),
    ],
    "dht_requests": [
        hivemind.StoreRequest(
            keys=[bytes(20)] * 2,
            subkeys=[hivemind.PLAIN, hivemind.DICTIONARY],
            values=[b"value", b""],
            expirations=[1.7e9, 1.8e9],
            in_cache=[0, 1],
            peer=hivemind.NodeInfo(node_id=bytes(20)),
        ).encode(),
        hivemind.FindRequest(keys=[bytes(20)] * 3).encode(),
    ],
    "multiaddr": [
        ADDRESS.with_peer(PEER).via_circuit(PEER).bytes,
        Multiaddr.from_string("/dns4/a.test/tcp/1").bytes,
        Multiaddr.from_string("/ip6/fe80::1/udp/1/quic-v1/webtransport").bytes,
    ],
    "names": [
        str(ADDRESS.with_peer(PEER)).encode(),
        str(PEER).encode(),
        b"/ip6zone/eth0/ip6/fe80::1/tcp/1",
        b"2001:db8::1.2.3.4",
        b"bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l",
    ],
    "peer_ids": [PEER.bytes, b"\x12\x20" + bytes(32)],
    "signatures": [b"\x01\x04" + KEY.public + bytes(64), b"\x00\x05" + bytes(100)],
    "envelopes": [
        envelope.seal_peer_record(KEY, 1, [ADDRESS]),
        envelope.seal_voucher(KEY, PEER, 1_900_000_000),
    ],
    "packed_values": [
        VOUCHED,
        packed.dumps({"a": [1, 2.5, None, b"x", {"b": True}]}),
        packed.dumps(str(PEER)),
        dictionary.pack([(b"\xa1a", b"\x01", 1.9e9), (b"\x07", b"", 1.9e9)], 1.9e9),
        b"\xdd\xff\xff\xff\xff" * 3,
        packed.dumps("[owner:ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAA]"),
    ],
    "stored_records": [
        bytes((200, 0, 0, 9, 200, 0, 2, 99, 130, 1, 5, 8, 7, 1, 1, 0)),
        bytes(range(256)),
        bytes((90, 3, 2, 200, 91, 3, 3, 201, 92, 3, 0, 202)) * 8,
    ],
    "kad_messages": [_FOUND, _FOUND + b"\x1a\x03abc\x50\x0a"],
    "block_calls": [
        block_call.Request(7, 0, block_call.TOKEN_IDS, [2], bytes(8)).encode(),
        block_call.Response(7, block_call.LOGITS, [1, 1, 2], b"abcd").encode(),
        block_call.Response(7, error="later").encode(),
        packed.dumps([1, 0, "token_ids", [1], [1, 0, 200, 0]]),
    ],
    "setup_pages": [
        b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\nssid=HOME&password=a%2Bb&own=",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\nssid=%zz",
    ],
    "device_datagrams": [
        mdns.query(mdns.SERVICE),
        bytes.fromhex("008000000000000005010a0b 008200000000000e 0fa1 1f40 00001c20"),
    ],
    "inference_messages": [
        inference.Call(
            1, 2, bytes(32), 0, 4, 5, 1, 4, hops=[inference.Hop(b"p", 4, 8)], top=9
        ).encode()[2:],
        inference.Call.close(1, 2, bytes(32)).encode()[1:],
        inference.Answer(2, inference.HIDDEN, 1, 8).encode()[1:],
        inference.Refusal(2, inference.GAP, "rows are missing").encode()[1:],
    ],
    "whole_model_messages": [
        whole_model.encode_frame(whole_model.HttpRequest("POST", "/", b"{}", 1, 2))[4:],
        whole_model.encode_frame(whole_model.HttpResponse(200, b"{}", 2))[4:],
        whole_model.encode_frame(whole_model.AnswerLease(whole_model.Granted(1), 2))[4:],
        whole_model.encode_frame(whole_model.KeepLease(1))[4:],
        whole_model.encode_outcome(whole_model.AtCapacity(3)),
    ],
    "fragment_messages": [
        fragment.Request(fragment.RANGE, bytes(33), 1, 70).encode()[1:],
        fragment.Range(1 << 20, 1, bytes(64), bytes(64)).encode()[2:],
        fragment.Row(1 << 40, 1, 70, bytes(64)).encode()[2:],
        fragment.Have(1 << 40, bytes(32), True, 1, 70).encode()[1:],
        fragment.Attestations([b"a", bytes(100)]).encode()[2:],
        fragment.Refusal(fragment.BUSY, "later", 5).encode()[1:],
    ],
    "dns_answers": [b"\x01\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x04\x03abc"],
    "gateways": [
        bytes.fromhex("0281000000000e1000000007") + bytes(24) + b"\x06" + bytes(23),
        bytes.fromhex("00820000000000070fa11f4100000e10"),
        b"HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n",
    ],
    "mdns_messages": [
        mdns.response(OWN_RECORDS),
        mdns.query(mdns.SERVICE, [(OWN_RECORDS[0].data, 4000)]),
    ],
    "http_requests": [
        b"GET /o/m/refs%2Fpr%2F1/a.gguf?x=y HTTP/1.1\r\nHost: a:80\r\nRange: bytes=0-0\r\n\r\n",
        b"PUT http://a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    ],
    "http_answers": [
        b"\xffHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"\x07HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 206 P\r\nContent-Length: 5\r\n\r\nhello",
        b"\xffHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n",
        b"\x02HTTP/1.0 404 No\r\n\r\nto the end",
    ],
    "negotiation": [
        b"\x07" + multistream.HEADER + _line("/none") + _line("/a"),
        b"\xff" + multistream.HEADER + _line("na") + _line("b") + b"rest",
    ],
    "delimited_messages": [b"\x02\x05hello\x00\x01x\x81\x01"],
    "identify_streams": [b"\xff" + delimited(_IDENTIFY), b"\x10" + delimited(_IDENTIFY) * 2],
    "upgrades": [
        b"\xff" + Upgrade(IDENTITY, True).start(),
        b"\x09" + multistream.HEADER + _line(noise.PROTOCOL_ID) + b"\x00\x30" + bytes(48),
    ],
    "noise_payloads": [IDENTITY.payload],
    "noise_frames": [b"\x00\x00\x10" + bytes(range(64)), b"\x05\x01\x10" + bytes(range(64))],
    "yamux_frames": [b"\xff" + _SESSION, b"\x05" + _SESSION],
    "connections": [b"\xff" + _SESSION, b"\x0b" + _SESSION],
    "network": [
        _CIRCUIT,
        _RESERVE + bytes((12, 1, 0, 2)) + b"ab" + bytes((1, 18)),
        bytes((2, 0, 1, 2, 2, 3, 4, 1, 0, 32)) + bytes(32) + bytes((18, 4, 3, 0, 64)) + bytes(64),
    ],
    "uci_files": [b"config node 'main'\n\toption listen \"a b\"\n\tlist peer 'x'\\''y' # z\n"],
    "toml_files": [b'[node]\nlisten = ["/ip4/0.0.0.0/tcp/1", 2]\n[[peer]]\na.b = {c = """x"""}\n'],
    "cache_directories": [
        b"\x00" + b"\xfe\xfe".join(_CACHE),
        b"\x01" + _framed(_CACHE),
        b"\x02" + layout.Header(1, 300_000, 1, 0, [bytes([1]) + bytes(32)]).encode(),
    ],
    "peer_stores": [f"{PEER} 1700000000 0 1 kwaainet {ADDRESS}".encode()],
    "status_requests": [
        b'{"verb": "ping", "address": "/ip4/1.2.3.4/tcp/1", "count": 3}',
        b'{"verb": "connect", "address": "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"}',
    ],
    "models": [
        _GGUF,
        gguf(_TENSORS, _VALUES, order=">", version=2) + bytes(112),
        safetensors(_HEADER, 9),
    ],
    "specs": [manifest(gguf(_TENSORS, _LLAMA) + bytes(112)).encode()],
    "manifests": [
        manifest(_GGUF).encode(),
        ModelSet([(bytes(32), 5, bytes(range(32))), (b"a" * 32, 6, bytes(32))]).encode(),
    ],
    "attestations": [
        attestation.seal(
            KEY,
            attestation.Attestation(sha256=bytes(32), size=5, root=b"r" * 32, manifest=b"m" * 32),
        )
    ],
}

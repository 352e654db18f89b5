"""What is fuzzed: functions of bytes, each of which may do anything but fail.

A target raises AssertionError, or an error nobody expects, when what it feeds is at fault; what
peers, files and users may get wrong it expects. Inputs that go deep are in seeds.py.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import tomllib
from collections.abc import Callable

import h11

from edge import crypto
from edge.cache.hub import links
from edge.cache.hub.pages import PageError, Pages
from edge.cache.hub.registry import Manifest
from edge.cache.hub.rewriter import HELD, RewriteError, Rewriter
from edge.cache.hub.versions import Version
from edge.cache.pull.source import OriginError as FileError
from edge.cache.store import layout
from edge.cache.store.index import Index
from edge.cache.store.journal import frames
from edge.cache.store.load import Loaded, Reading, snapshot
from edge.cache.store.notes import take as take_note
from edge.cache.store.space import Space
from edge.config.toml_lines import lines
from edge.config.uci_syntax import UciSyntaxError
from edge.config.uci_syntax import parse as parse_uci
from edge.dht import protected, validation
from edge.http import heads
from edge.http import request as http_request
from edge.http import response as http_response
from edge.http.errors import OriginError, RequestError
from edge.http.limits import ClientLimits
from edge.inference.engine.spec import ModelSpec
from edge.mdns.found import near
from edge.mdns.talk import Talk
from edge.models import manifest as model_manifests
from edge.models.errors import ModelError
from edge.models.read import read_table
from edge.status.errors import StatusError
from edge.status.server import _decoded
from edge.status.verbs import _count, _target
from edge.swarm import peerstore
from edge.update import release
from edge.update.errors import UpdateError
from edge.update.place import State
from edge.wire import (
    attestation,
    autonat,
    base58,
    block_call,
    circuit,
    dcutr,
    dictionary,
    dns,
    envelope,
    fragment,
    hivemind,
    identify,
    inference,
    kad,
    mdns,
    merkle,
    multibase,
    multistream,
    noise,
    packed,
    pcp,
    ssdp,
    whole_model,
    yamux,
)
from edge.wire.connection import MIN_BUFFER, Buffers, Connection
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import AddressError, RemoteProtocolError, WireError
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.protobuf import Message
from edge.wire.upgrade import MUXERS, Upgrade
from tests.dht.peers import Kept
from tests.fuzz.device import device_datagrams, setup_pages
from tests.fuzz.network import Network

KEY = crypto.Ed25519Key.from_seed(bytes(range(32)))
PEER = PublicKey(type=1, data=KEY.public).peer_id()
IDENTITY = noise.Identity(KEY, MUXERS)
ADDRESS = Multiaddr.from_string("/ip4/1.2.3.4/tcp/4001")
QUESTION = dns.query(1, "_dnsaddr.example.org")
OWN_RECORDS = mdns.own_records("a" * 36, [ADDRESS.with_peer(PEER)])
VOUCHED = packed.dumps(
    packed.Extension(
        0x40, packed.dumps([2, 1.5, {"addrs_signed": envelope.seal_peer_record(KEY, 1, [ADDRESS])}])
    )
)
MESSAGES: tuple[type[Message], ...] = (
    autonat.Message1,
    autonat.Message2,
    autonat.DialBack,
    autonat.DialBackResponse,
    circuit.HopMessage,
    circuit.StopMessage,
    dcutr.HolePunch,
    envelope.Envelope,
    envelope.PeerRecord,
    envelope.Voucher,
    hivemind.Frame,
    hivemind.PingRequest,
    hivemind.PingResponse,
    hivemind.StoreResponse,
    hivemind.FindResponse,
    identify.Identify,
    kad.KadMessage,
    noise.Payload,
    PublicKey,
)


def pieces(data: bytes) -> list[bytes]:
    """`data` in pieces, as its first byte says."""
    step = data[0] + 1 if data else 1
    return [data[i : i + step] for i in range(1, len(data), step)]


# --- the hub's answers ---


def hub_listings(data: bytes) -> None:
    """JSON that is changed as it passes, and pages that become one."""

    def changed(portions: list[bytes]) -> bytes | None:
        rewriter = Rewriter("https://hub", "http://us")
        try:
            out = [rewriter.feed(portion) for portion in portions] + [rewriter.end()]
        except RewriteError:
            return None
        return b"".join(out)

    portions = pieces(data)
    found = changed(portions)
    assert found == changed([data[1:]]) or len(data) > HELD
    assert found is None or b'{"xetHash":1' not in found
    pages = Pages()
    with contextlib.suppress(PageError):
        for portion in portions:
            pages.feed(portion)
        pages.turn()


def hub_heads(data: bytes) -> None:
    """What the hub tells of a file, what was written down of it, and a registry's manifest."""
    text = data.decode("latin-1")
    told = ("x-repo-commit", "etag", "x-linked-etag", "x-linked-size", "content-length")
    with contextlib.suppress(FileError):
        version = Version.of([(200, dict(zip(told, text.split("\n"), strict=False)))])
        again = Version.decode(version.encode())
        assert again is not None
        assert again.name("x") == version.name("x")
    Version.decode(data)
    links.at_hub(text, "https://hub")
    for address, _ in links.links(links.our_link(text, "https://hub", "", "http://us")):
        assert address.startswith("http://us/")
    with contextlib.suppress(FileError):
        Manifest(data, "", 0).sizes()


# --- codecs ---


def messages(data: bytes) -> None:
    if not data:
        return
    kind = MESSAGES[data[0] % len(MESSAGES)]
    with contextlib.suppress(RemoteProtocolError):
        found = kind.decode(data[1:])
        assert kind.decode(found.encode()) == found


def dht_requests(data: bytes) -> None:
    """What a node of hivemind's DHT is asked."""
    with contextlib.suppress(RemoteProtocolError):
        records = hivemind.StoreRequest.decode(data).records()
        assert len(records) <= hivemind.MAX_KEYS
        assert all(len(record[0]) == hivemind.ID_SIZE for record in records)
    with contextlib.suppress(RemoteProtocolError):
        keys = hivemind.FindRequest.decode(data).keys
        assert len(keys) <= hivemind.MAX_KEYS


def fragment_messages(data: bytes) -> None:
    """A request, and as the answer to one of each kind."""
    with contextlib.suppress(RemoteProtocolError):
        request = fragment.Request.decode(data)
        assert fragment.Request.decode(request.encode()[1:]).name == request.name
    for operation in fragment.OPERATIONS:
        with contextlib.suppress(RemoteProtocolError):
            answer = fragment.decode_answer(data, fragment.Request(operation, bytes(33), 1, 70))
            if isinstance(answer, fragment.Range):
                assert 0 < answer.length <= fragment.MAX_PIECES * merkle.PIECE
                answer.proven(bytes(merkle.HASH), answer.size)
            elif isinstance(answer, fragment.Have | fragment.Row):
                assert 0 <= answer.count <= fragment.WINDOW
            else:
                assert len(answer.encode()) <= fragment.MAX_ANSWER


def block_calls(data: bytes) -> None:
    for kind in (block_call.Request, block_call.Response):
        with contextlib.suppress(RemoteProtocolError):
            message = kind.decode(data)
            again = kind.decode(message.encode())
            assert all(getattr(again, at) == getattr(message, at) for at in kind.__slots__)


def inference_messages(data: bytes) -> None:
    """Of our own protocol: a call, and an answer."""
    with contextlib.suppress(RemoteProtocolError):
        call = inference.Call.decode(data)
        assert 0 <= call.rows <= inference.MAX_ROWS and call.length <= inference.MAX_BODY
        call.encode()
    with contextlib.suppress(RemoteProtocolError):
        inference.decode_answer(data).encode()


def whole_model_messages(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        frame = whole_model.decode_frame(data)
        encoded = whole_model.encode_frame(frame)[whole_model.PREFIX :]
        assert whole_model.decode_frame(encoded).fields() == frame.fields()
    with contextlib.suppress(RemoteProtocolError):
        outcome = whole_model.decode_outcome(data)
        assert whole_model.decode_outcome(whole_model.encode_outcome(outcome)) is not None
    for decode in (whole_model.decode_http, whole_model.decode_answer, whole_model.decode_ask):
        with contextlib.suppress(RemoteProtocolError):
            decode(data)


def multiaddr(data: bytes) -> None:
    try:
        address = Multiaddr.from_bytes(data)
    except RemoteProtocolError:
        return
    assert address.bytes == data
    assert Multiaddr.from_string(str(address)) == address
    for ask in (address.without_peer, address.peer_id, address.relay_part, address.host_port):
        ask()
    address.scope()


def names(data: bytes) -> None:
    """Addresses, peer ids and numbers as people write them."""
    text = data.decode("latin-1")
    for parse in (Multiaddr.from_string, PeerId.from_string, base58.decode, parse_ip4, parse_ip6):
        with contextlib.suppress(AddressError):
            parse(text)
    for alphabet in (multibase.BASE32, multibase.BASE64URL):
        with contextlib.suppress(AddressError):
            multibase.decode(text, alphabet)


def peer_ids(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        peer = PeerId.from_bytes(data)
        assert PeerId.from_string(str(peer)) == peer
        key = peer.public_key()
        if key is not None:
            key.peer_id()


def signatures(data: bytes) -> None:
    """A key of any type and a signature that is none."""
    if len(data) > 2:
        cut = 2 + data[1] * 8
        assert not crypto.verify(data[0] % 5, data[2:cut], b"message", data[cut:])


def envelopes(data: bytes) -> None:
    for open_it in (envelope.open_peer_record, envelope.open_voucher):
        with contextlib.suppress(RemoteProtocolError):
            open_it(data)


def packed_values(data: bytes) -> None:
    """Values, subkeys, dictionaries and signatures of the DHT's records."""
    with contextlib.suppress(RemoteProtocolError):
        packed.check(data)
        packed.loads_tuple(data)
    with contextlib.suppress(RemoteProtocolError):
        subkey = validation.canonical(data)
        assert validation.canonical(subkey) == subkey
        validation.named_peer(subkey)
    with contextlib.suppress(RemoteProtocolError):
        entries = dictionary.unpack(data)
        repacked = dictionary.pack(entries, 0.0)
        assert len(dictionary.unpack(repacked)) == len(entries)
    validation.vouches(data, PEER)
    validation.vouches(VOUCHED[: len(data) % len(VOUCHED)] + data, PEER)
    assert not protected.verify(b"", data, data, 0.0)


def kad_messages(data: bytes) -> None:
    """A message stays within its bounds, and so do the peers in it."""
    try:
        message = kad.KadMessage.decode(data)
    except RemoteProtocolError:
        return
    assert len(message.key or b"") <= kad.MAX_KEY
    for peers in (message.closer, message.providers):
        assert len(peers) <= kad.MAX_PEERS
        for peer, addresses in kad.read_peers(peers):
            assert PeerId.from_string(str(peer)) == peer
            assert len(addresses) <= kad.MAX_ADDRESSES
    assert kad.KadMessage.decode(message.encode()) == message


def dns_answers(data: bytes) -> None:
    for answer in (data, QUESTION[:2] + b"\x81\x80" + data, _answered(data)):
        dns.is_answer(QUESTION, answer)
        with contextlib.suppress(RemoteProtocolError):
            texts = dns.texts(QUESTION, answer)
            assert sum([len(text) for text in texts]) <= len(answer)


def gateways(data: bytes) -> None:
    """Datagrams of whoever answers as the gateway."""
    with contextlib.suppress(RemoteProtocolError):
        answer = pcp.parse(data)
        assert len(answer.external_ip) in (0, 4, 16)
        assert answer.meaning
    with contextlib.suppress(RemoteProtocolError):
        assert ssdp.host(ssdp.location(data)) in str(data, "latin-1")


def _answered(data: bytes) -> bytes:
    question = QUESTION[12 : len(QUESTION) - 11]
    count = data[0] if data else 0
    return b"\x00\x01\x81\x80\x00\x01\x00" + bytes([count]) + bytes(4) + question + data[1:]


def mdns_messages(data: bytes) -> None:
    """A message of anybody on the link, and what is said to it."""
    try:
        message = mdns.decode(data)
    except RemoteProtocolError:
        return
    for entry in mdns.entries(message):
        assert all(address.peer_id() == entry.peer for address in entry.addresses)
        near(entry.addresses, b"\x0a\0\0\1", [(b"\x0a\0\0\2", 24)])
    talk = Talk(0.0, lambda: 0.5)
    talk.announce(OWN_RECORDS, 0.0)
    talk.heard(message, b"\x0a\0\0\1", 1.0)
    told = [(record.data, record.ttl) for record in message.records if record.kind == mdns.PTR]
    for now in (2.0, 2.5, 3.0, 4.0):
        said = talk.say(now, lambda _: told)
        assert all(len(mdns.decode(each).records) <= 128 for each in said)


def http_requests(data: bytes) -> None:
    end = heads.end(bytearray(data))
    if end < 0:
        return
    with contextlib.suppress(RequestError):
        request, _ = http_request.parse(data[:end], ("192.0.2.1", 1), 64)
        assert request.path.startswith("/") and "//" not in request.path
        assert ".." not in request.path.split("/")
        assert 0 <= request.length <= heads.MAX_LENGTH
        assert len(request.headers) <= 65


class Origin:
    """In the place of a link (edge.http.link): what it says, and then it ends."""

    def __init__(self, data: bytes) -> None:
        self.name = "origin"
        self.secured = True
        self.said = [bytes(piece) for piece in pieces(data) if piece]

    def measure(self) -> None:
        """It takes no time."""

    async def receive(self, size: int, seconds: float) -> bytes:
        if not self.said:
            return b""
        taken = self.said[0][:size]
        self.said[0] = self.said[0][size:]
        if not self.said[0]:
            del self.said[0]
        return taken


def http_answers(data: bytes) -> None:
    origin, done = Origin(data), []
    side = h11.Connection(h11.CLIENT, 1024)
    side.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    side.send(h11.EndOfMessage())
    limits = ClientLimits()
    limits.max_head = 1024

    async def asked() -> None:
        response = await http_response.answer(
            origin, side, "GET", limits, lambda _, keep: done.append(keep)
        )
        count = 0
        while part := await response.read(64):
            assert len(part) <= 64
            count += len(part)
        assert len(done) == 1
        if response.length is not None:
            assert response.ended_well == (count == response.length)
        assert response.ended_well or not done[0]

    with contextlib.suppress(OriginError, StopIteration):
        asked().send(None)
        raise AssertionError("it waits for something")


# --- state machines ---


def negotiation(data: bytes) -> None:
    sides = (multistream.Listener({"/a", "b"}.__contains__), multistream.Dialer(["/a", "b"]))
    for side in sides:
        with contextlib.suppress(RemoteProtocolError):
            for piece in pieces(data):
                answer, used = side.receive(piece)
                assert used <= len(piece)
                assert len(answer) <= 3 * len(piece) + 64
                if side.protocol is not None:
                    assert side.protocol in ("/a", "b")
                    break


def delimited_messages(data: bytes) -> None:
    reader = DelimitedReader(64)
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces(data):
            rest = piece
            while rest:
                message, taken = reader.feed(rest)
                assert 0 < taken <= len(rest)
                assert message is None or len(message) <= 64
                rest = rest[taken:]


def identify_streams(data: bytes) -> None:
    reader = identify.IdentifyReader()
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces(data):
            reader.feed(piece)
        info = identify.read_identify(reader.finish(), PEER)
        assert info.agent.isascii() and info.agent.isprintable()
        assert len(info.addresses) <= 64 and len(info.protocols) <= 128
        assert 0 <= info.size < 64 * 1024


def upgrades(data: bytes) -> None:
    """What comes before there is a channel."""
    for initiator in (False, True):
        upgrade = Upgrade(IDENTITY, initiator)
        upgrade.start()
        with contextlib.suppress(WireError):
            for piece in pieces(data):
                upgrade.receive(piece)
                assert upgrade.held <= noise.MAX_MESSAGE + 2
        assert not upgrade.done


def noise_payloads(data: bytes) -> None:
    """What an encrypted handshake says of its sender."""
    handshake = noise.Handshake(IDENTITY, True)
    handshake._remote_static = bytes(32)
    with contextlib.suppress(RemoteProtocolError):
        handshake._verify(data)
        raise AssertionError("signed by nobody")


def noise_frames(data: bytes) -> None:
    """Frames that were damaged on their way open as what was sent, or not at all."""
    keys = [crypto.CipherState(bytes([n]) * 32) for n in (1, 2, 2, 1)]
    ours, theirs = noise.Channel(keys[0], keys[1]), noise.Channel(keys[2], keys[3])
    sealed = bytearray()
    plain = b""
    for piece in pieces(data[2:]):
        frame = bytearray(len(piece) + noise.FRAME_OVERHEAD)
        theirs.seal_frame(memoryview(piece), 0, len(piece), memoryview(frame), 0)
        sealed += frame
        plain += piece
    if sealed and data[1]:
        sealed[data[0] * 7 % len(sealed)] ^= data[1]
    target = memoryview(bytearray(len(sealed)))
    with contextlib.suppress(RemoteProtocolError):
        _, end = ours.open_frames(memoryview(sealed), 0, len(sealed), target, 0)
        assert plain.startswith(bytes(target[:end]))


def yamux_frames(data: bytes) -> None:
    """A session fed with anything stays within its own bounds."""
    session = yamux.Session(client=False, max_streams=8, max_window=1 << 19)
    ours = session.open_stream()
    held = b""
    with contextlib.suppress(RemoteProtocolError):
        for number, piece in enumerate(pieces(data)):
            buf = bytearray(held + piece)
            events, stop = session.receive(buf, 0, len(buf))
            held = bytes(buf[stop:])
            assert len(held) < yamux.HEADER
            for kind, stream, start, end in events:
                if kind == yamux.STREAM_DATA:
                    assert stream is not None and 0 <= start < end <= len(buf)
                    session.consumed(stream, end - start, number)
                elif kind == yamux.STREAM_OPENED and stream is not None:
                    session.send(stream, b"hello")
            _within_bounds(session)
            if number % 7 == 3:
                session.reset(ours)
            for stream in list(session.streams.values())[number % 5 :: 5]:
                session.finish(stream)
    _within_bounds(session)


def _within_bounds(session: yamux.Session) -> None:
    inbound = [stream for number, stream in session.streams.items() if number & 1]
    assert len(inbound) == session.inbound <= 8
    for number, stream in session.streams.items():
        assert number == stream.id
        assert 0 <= stream.receive_window <= stream.window <= 1 << 19
        assert 0 <= stream.send_window <= yamux.MAX_SEND_WINDOW + (1 << 32)
        assert not (stream.local_closed and stream.remote_closed)


def connections(data: bytes) -> None:
    """An authenticated peer says anything, in frames of any length."""
    keys = [crypto.CipherState(bytes([n]) * 32) for n in (1, 2, 2, 1)]
    session = yamux.Session(client=False, max_streams=8)
    connection = Connection(noise.Channel(keys[0], keys[1]), session, _buffers())
    theirs = noise.Channel(keys[2], keys[3])
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces(data):
            frame = bytearray(len(piece) + noise.FRAME_OVERHEAD)
            theirs.seal_frame(memoryview(piece), 0, len(piece), memoryview(frame), 0)
            half = len(frame) // 2
            for part in (frame[:half], frame[half:]):
                room = connection.get_buffer()
                room[: len(part)] = part
                connection.buffer_updated(len(part))
                assert connection.held < len(frame) + yamux.HEADER
                while connection.wants_to_send:
                    assert connection.data_to_send()


@functools.cache
def _buffers() -> Buffers:
    return Buffers(2 * MIN_BUFFER)


def network(data: bytes) -> None:
    """The relay between two peers that do anything."""
    network = _network()
    try:
        network.run(data)
    except BaseException:
        _network.cache_clear()  # whatever is left in it is this input's fault alone
        raise


@functools.cache
def _network() -> Network:
    return Network()


# --- files and users ---


def models(data: bytes) -> None:
    """A file of a model is refused, or its manifest covers it once."""
    with contextlib.suppress(ModelError):
        table = read_table(lambda offset, length: data[offset : offset + length], len(data))
        made = model_manifests.Manifest.of(table)
        assert sum(length for _, length in made.runs) == len(data)
        assert model_manifests.Manifest.decode(made.encode()).runs == made.runs


def manifests(data: bytes) -> None:
    for kind in (model_manifests.Manifest, model_manifests.ModelSet):
        with contextlib.suppress(ModelError):
            assert kind.decode(data).encode() == data


def specs(data: bytes) -> None:
    """What a manifest says of its model can be computed, or is refused."""
    with contextlib.suppress(ModelError):
        spec = ModelSpec(model_manifests.Manifest.decode(data))
        assert 0 < spec.rope_values <= spec.key <= spec.width
        assert 0 < spec.kv_bytes_per_position(0, spec.blocks) < 1 << 48


def attestations(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        peer, said = attestation.open_attestation(data)
        assert peer == PEER
        assert len(said.root or b"") == len(said.sha256 or b"") == attestation.HASH


def uci_files(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        parse_uci(text)
    except UciSyntaxError as error:
        assert 1 <= error.line <= text.count("\n") + 1


def toml_files(data: bytes) -> None:
    """The scanner that finds lines sees the same paths as tomllib, or nothing is read."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):  # also an integer of too many digits
        return
    assert all(1 <= line <= text.count("\n") + 1 for line in lines(text).values())


def stored_records(data: bytes) -> None:
    """A program of stores, in little memory: opcode, key, subkey, size of the value."""
    kept = Kept()
    kept.pool._share = 20_000 / kept.pool.ceiling
    writers = [PEER, PeerId(b"\x12\x20" + bytes(32)), PeerId(b"\x12\x20" + bytes(31) + b"\x01")]
    subkeys = [validation.PLAIN, b"", *[packed.dumps(str(writer)) for writer in writers], b"\x07"]
    for i in range(0, len(data) - 3, 4):
        op, name, subkey, size = data[i : i + 4]
        value = data[i : i + 1 + size] * (1 + op // 32)
        at = subkeys[subkey] if subkey < len(subkeys) else data[i + 2 : i + 6]
        life = float(op + i)
        stored = kept.store(writers[op % 3], str(name % 8), value, at, life, size % 2 == 1)
        found = kept.find(str(name % 8))
        assert found is not None or not stored or at == b""
        kept.wait(op % 16)
        assert kept.pool.used == kept.storage.report()["bytes"]
    kept.wait(10_000)
    assert kept.find("0") is None
    assert kept.pool.used == 0


def cache_directories(data: bytes) -> None:
    """What a cache finds on its disk. The first byte: what the rest stands for."""
    found = Loaded("", Index(2), Space(1 << 30, 0), None)
    reading, bodies = Reading(found), [one[1] for one in frames(_slices(data[1:]), 0, 0)]
    for body in [*bodies, *data[1:].split(b"\xfe\xfe")]:
        reading.take(0, body)
        take_note({}, 0, body)
        with contextlib.suppress(layout.LayoutError):
            head = layout.Header.decode(body[: layout.HEADER].ljust(layout.HEADER, b"\0"))
            assert layout.Header.decode(head.encode()).names == head.names
        layout.sealed_count(body[-layout.SEAL :], 1)
    index = found.index
    for at in list(index.rows()):
        index.untangle(at)
        assert index.kept[at] <= index.size[at]
        assert all(index.find(name) == at for name in index.names(at))
    again = Loaded("", Index(2), Space(1 << 30, 0), None)
    copying = Reading(again)
    for record in snapshot(index, found.space, found.serial):
        copying.take(0, record)
    assert again.index.bytes == index.bytes
    assert again.index.segments == index.segments


def _slices(data: bytes) -> Callable[[int, int], bytes]:
    return lambda length, at: data[at : at + length]


def peer_stores(data: bytes) -> None:
    body = b"kwaainet-peers 1\n" + data + b"\n"
    for stored in (data, body + f"checksum {binascii.crc32(body):08x}\n".encode()):
        with contextlib.suppress(peerstore.CorruptPeerStore):
            found = peerstore.decode(stored)
            assert peerstore.decode(peerstore.encode(found)).keys() == found.keys()


def status_requests(data: bytes) -> None:
    with contextlib.suppress(StatusError):
        request = _decoded(data)
        with contextlib.suppress(AddressError):
            peer, addresses = _target(request)
            assert peer is not None or addresses
        _count(request)


def releases(data: bytes) -> None:
    key = b"untrusted comment: key\n" + binascii.b2a_base64(b"Ed" + bytes(40))
    with contextlib.suppress(UpdateError):
        release.opened(data, key)
    with contextlib.suppress(UpdateError):
        found = release.parse(data)
        assert not release.is_newer(found.version, found.version)
        assert all(0 <= size <= release.MAX_BINARY for size, _ in found.files.values())
    state = State.decode(data)
    assert State.decode(state.encode()).encode() == state.encode()


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        hub_listings,
        hub_heads,
        messages,
        dht_requests,
        multiaddr,
        names,
        peer_ids,
        signatures,
        envelopes,
        packed_values,
        stored_records,
        cache_directories,
        kad_messages,
        fragment_messages,
        block_calls,
        inference_messages,
        whole_model_messages,
        dns_answers,
        gateways,
        mdns_messages,
        setup_pages,
        device_datagrams,
        http_requests,
        http_answers,
        negotiation,
        delimited_messages,
        identify_streams,
        upgrades,
        noise_payloads,
        noise_frames,
        yamux_frames,
        connections,
        network,
        uci_files,
        toml_files,
        peer_stores,
        status_requests,
        models,
        manifests,
        specs,
        attestations,
        releases,
    )
}

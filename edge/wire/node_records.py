"""What nodes tell of themselves in the DHT, as values: under which keys, in which form.

`_kwaai.edge.nodes` is this project's own: who relays, bootstraps or caches. The form of a server of
model blocks is KwaaiNet's; its readers want every field there is here.

Source: core/crates/kwaai-cli/src/announce.rs of KwaaiNet
"""

from edge.wire import packed
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from edge.wire.peerid import PeerId

EDGE_NODES = "_kwaai.edge.nodes"
TTL = 360.0  # seconds
INTERVAL = 300.0  # seconds between two announcements, give or take JITTER
JITTER = 30.0
MAX_ADDRESSES = 4  # in a record
# Readers drop what is older than the protocol they know. This is the version that ours follows.
VERSION = "kwaai-0.7.1+edge"
OFFLINE, JOINING, ONLINE, DEPARTED = 0, 1, 2, -1

_FORMAT = 1
_TUPLE = 0x40  # hivemind's extension for a tuple


def edge_node(peer: "PeerId", agent: str, roles: "Iterable[str]", signed: bytes) -> bytes:
    """The record of a relay, bootstrap or cache. `signed`: its addresses (`told`), in an envelope.

    Without roles it says that `peer` has left.
    """
    offered = sorted(roles)
    fields = {
        "v": _FORMAT,
        "state": ONLINE if offered else DEPARTED,
        "roles": offered,
        "version": VERSION,
        "agent": agent,
        "peer_id": str(peer),
    }
    if offered:
        fields["addrs_signed"] = signed
    return packed.dumps(fields)


def server_info(state: int, throughput: float, fields: "dict[str, Any]") -> bytes:
    """The record of a server of model blocks; `fields`: those that `server_fields` makes."""
    return packed.dumps(packed.Extension(_TUPLE, packed.dumps([state, throughput, fields])))


def server_fields(
    peer: "PeerId", name: str, blocks: "tuple[int, int]", relayed: bool, signed: bytes
) -> "dict[str, Any]":
    """What a server tells of itself. `name`: for people; `blocks`: the first, and behind the last.

    `relayed`: whether it is reached through relays only. The caller sets what changes as it works,
    such as "cache_tokens_left".
    """
    return {
        "start_block": blocks[0],
        "end_block": blocks[1],
        "public_name": name,
        "version": VERSION,
        "torch_dtype": "float16",
        "using_relay": relayed,
        "cache_tokens_left": 0,
        "adapters": [],
        "next_pings": {},
        "peer_id": str(peer),
        "lease_v1": False,
        "addrs_signed": signed,
    }


def told(addresses: "Sequence[Multiaddr]") -> "list[Multiaddr]":
    """Those of a node's addresses that go into its record: the first few, without its peer id."""
    return [address.without_peer() for address in addresses[:MAX_ADDRESSES]]

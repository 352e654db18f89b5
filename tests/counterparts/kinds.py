"""All counterparts by the name they have in tests and reports."""

from tests.counterparts.base import Counterpart
from tests.counterparts.go_peer import P2pd
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.ours_peer import OurPeer
from tests.counterparts.py_peer import PyPeer
from tests.counterparts.rust_peer import RustPeer

_ALL: tuple[type[Counterpart], ...] = (P2pd, JsPeer, PyPeer, OurPeer, RustPeer)
KINDS: dict[str, type[Counterpart]] = {kind.kind: kind for kind in _ALL}

"""python -m tests.counterparts: installs every counterpart, so that no test waits for a build.

On a new machine that takes minutes, most of them for rust-libp2p; else it finds them all.
"""

from tests.counterparts import compose_readers, helm, micropython
from tests.counterparts.axe import Axe
from tests.counterparts.go_libp2p import GoLibp2p
from tests.counterparts.hivemind_peers import HivemindPeers
from tests.counterparts.hub_users import USERS
from tests.counterparts.kinds import KINDS
from tests.counterparts.rust_wire import RustWire

for install in (
    *[kind.install for kind in KINDS.values()],
    Axe.install,
    GoLibp2p.install,
    HivemindPeers.install,
    RustWire.install,
    compose_readers.readers,
    helm.program,
    micropython.micropython,
    *[user.install for user in USERS],
):
    install()

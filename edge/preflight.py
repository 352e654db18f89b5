"""What keeps a configuration from being run on this machine, as far as that shows beforehand.

`kwaainet run` asks before it starts, `kwaainet check-config` instead of starting. What depends on
the user or the moment, such as rights, ports in use and addresses that come late, is not asked. And
no file of the node is opened: root may ask, of a directory that another user writes to.
"""

import os

from edge import slim
from edge.config.errors import ConfigError, shown
from edge.config.schema import Node
from edge.units import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config

PURE = "pure Python"  # as edge.crypto.BACKEND names it
_BACKEND = "KWAAINET_CRYPTO"
_PLENTY = 64 * MIB  # of memory: more than a node ever takes before it serves
_ERROR = MIB  # of the estimate, at most


def check(config: "Config") -> None:
    """Ask all of it, and estimate the memory. Raises ConfigError."""
    directories(config)
    uvloop = uses_uvloop(config)
    slim.trim(keep_ssl=uvloop)
    load_crypto(config)
    if 0 < config[Node].memory_limit < _PLENTY:
        _check_memory(config, uvloop)


def directories(config: "Config") -> None:
    """Whether those of the node are directories, or can become some. Raises ConfigError."""
    for option in ("data_dir", "run_dir"):
        path = found = getattr(config[Node], option)
        while not os.path.lexists(found) and os.path.dirname(found) != found:
            found = os.path.dirname(found) or "."
        if not os.path.isdir(found):
            origin = config.origin("node", option)
            raise ConfigError(
                f"{origin}: [node] {option}: got {shown(path)}; expected a directory, but"
                f" {shown(found)} is none"
            )


def uses_uvloop(config: "Config") -> bool:
    """Whether the event loop is uvloop. Raises ConfigError if it has to be and is not there."""
    import importlib.util

    wanted = config[Node].loop
    installed = importlib.util.find_spec("uvloop") is not None
    if wanted == "uvloop" and not installed:
        origin = config.origin("node", "loop")
        raise ConfigError(
            f'{origin}: [node] loop: got "uvloop"; expected auto: it is not installed'
        )
    return installed and wanted != "asyncio"


def load_crypto(config: "Config") -> None:
    """Import edge.crypto, which picks its backend at that moment by KWAAINET_CRYPTO alone.

    Must come before anything that imports it. Raises ConfigError if there is no native backend.
    """
    wanted = config[Node].crypto
    before = os.environ.get(_BACKEND, "")
    os.environ[_BACKEND] = "pure" if wanted == "pure" else ""
    try:
        import edge.crypto

        if wanted == "native" and edge.crypto.BACKEND == PURE:
            import edge.crypto.native  # raises what is missing
    except ImportError as missing:
        origin = config.origin("node", "crypto")
        raise ConfigError(
            f'{origin}: [node] crypto: got "native"; expected auto or pure, as {missing}'
        ) from None
    finally:
        os.environ[_BACKEND] = before  # a reload reads it again; empty counts as unset


def _check_memory(config: "Config", uvloop: bool) -> None:
    """Load what a node consists of and look how much that is."""
    import asyncio

    from edge import node  # noqa: F401 - counted
    from edge.crypto import Ed25519Key
    from edge.host import refuse_low_memory
    from edge.machine import resident
    from edge.swarm.swarm import Swarm

    if uvloop:
        import uvloop as loop  # noqa: F401 - counted

    async def taken() -> int:
        swarm = Swarm(Ed25519Key.generate())
        try:
            return resident()
        finally:
            await swarm.stop()

    refuse_low_memory(config, asyncio.run(taken()) - _ERROR)

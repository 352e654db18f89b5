"""Every target of targets.py: its seeds, what atheris has found, and what hypothesis makes of both.

Longer runs: `make fuzz`.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.wire.peerid import PeerId
from tests.fuzz.network import Network
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def known(name: str) -> list[bytes]:
    """The seeds of a target, and the inputs that are kept for it."""
    return [*SEEDS[name], *[path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]]


def test_every_target_has_seeds_and_every_corpus_its_target() -> None:
    assert TARGETS.keys() == SEEDS.keys()
    assert all(SEEDS.values())
    assert {path.name for path in CORPUS.glob("*")} <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_known(name: str) -> None:
    for data in known(name):
        TARGETS[name](data)


def test_the_network_is_reached_to_its_last_corner() -> None:
    """The first seed makes a circuit that carries bytes both ways, some of them early."""
    network = Network()
    reserved: list[PeerId] = []
    network.relay.reserved.append(reserved.append)
    network.run(SEEDS["network"][0])
    assert len(reserved) == 1
    assert network.relay.circuits.total == 1
    assert network.relay.circuits.relayed == (14, 6)


@st.composite
def mutated(draw: st.DrawFn, inputs: list[bytes]) -> bytes:
    """Pieces of known inputs, with bytes changed, put in and left out."""
    data = bytearray()
    for _ in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(inputs))
        start = draw(st.integers(0, len(one)))
        data += one[start : draw(st.integers(start, len(one)))] if draw(st.booleans()) else one
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_anything(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(st.binary(max_size=400) | mutated(known(name))))

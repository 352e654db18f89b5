"""The schema alone decides on defaults: classes that hold settings start with the same values."""

import pytest

from edge.config.kinds import Integer
from edge.config.schema import Adapt, Node, Relay, Section
from edge.relay.resources import Resources
from edge.swarm.limits import Limits
from edge.tiers.controller import Settings

PERCENT = {"max_cpu", "max_wan"}  # the controller has them as shares


def is_auto(option: object) -> bool:
    return isinstance(option, Integer) and option.zero == "auto"


def values(settings: object) -> dict[str, object]:
    """The public attributes, sets as lists."""
    names = getattr(settings, "__slots__", None) or vars(settings)
    found = {name: getattr(settings, name) for name in names if not name.startswith("_")}
    return {name: list(v) if isinstance(v, frozenset) else v for name, v in found.items()}


@pytest.mark.parametrize(
    ("settings", "section"),
    [
        (Limits(), Node),
        (Resources(), Relay),
        (Settings(), Adapt),
    ],
)
def test_defaults_are_the_schemas(settings: object, section: type[Section]) -> None:
    options = {option.name: option for option in section.options() if not is_auto(option)}
    shared = {name: value for name, value in values(settings).items() if name in options}
    assert len(shared) >= 5
    for name, value in shared.items():
        default = options[name].initial()
        if name in PERCENT:
            assert isinstance(default, int)
            default /= 100
        assert value == default, name

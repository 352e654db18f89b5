"""JSON as it passes: what must go goes, and nothing else changes."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.cache.hub.rewriter import HELD, RewriteError, Rewriter

HUB, OURS = "https://huggingface.co", "http://router:8421"
XET = "9a4f7c32a0f6ff9b2d62fbd8bb4d0ce5d1b3bb1e4d06d2b8a44ba4b3dd0a2a1b"

# An entry of a listing, by the members that clients read (huggingface_hub's RepoFile).
ENTRY = {
    "type": "file",
    "oid": "2f5b61b6e3b8a1f1",
    "size": 7,
    "lfs": {"oid": "aa", "size": 7, "pointerSize": 134},
    "xetHash": XET,
    "path": "model.safetensors",
}


def rewritten(text: bytes, step: int = 1 << 20) -> bytes:
    rewriter = Rewriter(HUB, OURS)
    out = [rewriter.feed(text[at : at + step]) for at in range(0, len(text), step)]
    return b"".join(out) + rewriter.end()


def expected(value: object) -> object:
    """What a parser would make of it."""
    if isinstance(value, dict):
        return {
            key: expected(member)
            for key, member in value.items()
            if not (key[:3] == "xet" and key[3:4] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ_" and key[3:])
        }
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, str) and value.startswith(HUB) and value[len(HUB) :][:1] in ("", *"/?#"):
        return OURS + value[len(HUB) :]
    return value


def test_a_listing_names_no_storage() -> None:
    assert json.loads(rewritten(json.dumps([ENTRY, ENTRY]).encode())) == expected([ENTRY, ENTRY])


@pytest.mark.parametrize(
    ("text", "out"),
    [
        (b'{"xetHash":"a"}', b"{}"),
        (b'{"xetHash":"a","b":1}', b'{"b":1}'),
        (b'{"b":1,"xetHash":"a"}', b'{"b":1}'),
        (b'{"b":1,"xetHash":null,"c":2}', b'{"b":1,"c":2}'),
        (b'{"xetHash":1,"xetEnabled":true}', b"{}"),
        (b'{"xetHash":1,"xetEnabled":true,"b":1}', b'{"b":1}'),
        (b'{"b":1,"xetHash":1,"xetEnabled":true}', b'{"b":1}'),
        (b'{ "b" : 1 ,\n "xetHash" : "a\\"}," ,\n "c" : 2 }', b'{ "b" : 1 ,\n "c" : 2 }'),
        (b'{"xetH\\u0061sh":"a","b":1}', b'{"b":1}'),
        (b'{"a":1,"\\u0078\\u0065\\u0074\\u0048ash" : 2}', b'{"a":1}'),
        (b'{"a":1,"xet\\u005f\\u0061":2}', b'{"a":1}'),
        (b'{"\\u0078\\u0065tra":"\\u0078"}', b'{"\\u0078\\u0065tra":"\\u0078"}'),
        (b'["xetHash"]', b'["xetHash"]'),
        (b'["xetHash",1]', b'["xetHash",1]'),
        (b'{"a":"xetHash"}', b'{"a":"xetHash"}'),
        (b'{"a":"\\"xetHash\\":1,"}', b'{"a":"\\"xetHash\\":1,"}'),
        (b'{"xetra":1}', b'{"xetra":1}'),
        (b'{"xet":1}', b'{"xet":1}'),
        (b'"https://huggingface.co/a"', b'"http://router:8421/a"'),
        (b'"https://huggingface.co"', b'"http://router:8421"'),
        (b'"https://huggingface.com/a"', b'"https://huggingface.com/a"'),
        (b'"see https://huggingface.co/a"', b'"see https://huggingface.co/a"'),
        (b'"\\"https://huggingface.co/a"', b'"\\"https://huggingface.co/a"'),
        (b"", b""),
        (b"not JSON", b"not JSON"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1 << 20])
def test_what_becomes_of_it(text: bytes, out: bytes, step: int) -> None:
    assert rewritten(text, step) == out


def test_a_storage_member_whose_value_is_no_plain_one_is_refused() -> None:
    with pytest.raises(RewriteError):
        rewritten(b'{"xetHash":{"a":1}}')
    with pytest.raises(RewriteError):
        rewritten(b'{"xetHash":"' + b"a" * 2 * HELD + b'"}', 1000)


def test_no_more_is_held_than_may_be() -> None:
    rewriter = Rewriter(HUB, OURS)
    for _ in range(1000):
        rewriter.feed(b'{"path":"' + b"a" * 1000)
        assert len(rewriter._held) <= HELD
    with pytest.raises(RewriteError):
        rewriter.feed(b"," + b" " * 2 * HELD)


keys = st.one_of(
    st.text(max_size=5), st.sampled_from(["xetHash", "xetEnabled", "xet", "xetra", "xet_a", 'a"'])
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from([HUB, HUB + "/a", HUB + "m", '"xetHash":1,', "\\", '\\"', "xetHash", "a,"]),
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)


def objects(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Objects of the hub: what storage members hold is plain."""
    pairs = st.tuples(keys, inner, plain)
    members = st.lists(pairs, max_size=5)
    return members.map(
        lambda found: {
            key: small if key.startswith("xet") else value for key, value, small in found
        }
    )


values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | objects(inner), max_leaves=12
)


@given(values, st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
@example({"a": "b,", "xetHash": "c,"}, 1, None, True)
def test_it_does_what_a_parser_would(
    value: object, step: int, indent: int | None, escaped: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    found = rewritten(text, step)
    assert json.loads(found.decode("utf-8", "surrogatepass")) == expected(value)
    if expected(value) == value:
        assert found == text


@given(st.binary(max_size=200), st.integers(1, 50))
def test_whatever_comes_is_changed_the_same_however_it_is_cut(text: bytes, step: int) -> None:
    def outcome(step: int) -> bytes | None:
        try:
            return rewritten(text, step)
        except RewriteError:
            return None

    assert outcome(step) == outcome(1 << 20)

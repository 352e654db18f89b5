"""The table of safetensors, against the library that defines the format; and files that lie."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models import safetensors as ours
from edge.models.errors import ModelError
from edge.models.manifest import Manifest
from edge.models.table import EMBEDDING, HEAD, HEADER, OTHER
from tests.counterparts.model_files import Oracle, OracleError
from tests.models.files import entry, manifest, safetensors, table, table_of


@pytest.fixture(scope="module")
def library() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


def test_a_table_is_that_of_the_library(library: Oracle, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = [
        ("model.embed_tokens.weight", [10, 4], "float16"),
        ("model.layers.0.self_attn.q_proj.weight", [3, 5], "float32"),
        ("model.layers.0.mlp.experts.17.up.weight", [3], "int8"),
        ("model.layers.11.mlp.up.weight", [0, 5], "float32"),
        ("model.layers.11.mlp.down.weight", [3], "float64"),
        ("model.norm.weight", [4], "bool"),
        ("vision_tower.layers.3.weight", [4], "uint8"),
    ]
    library.ask("safetensors_write", path=str(path), tensors=tensors)
    found = table_of(path)
    theirs = library.ask("safetensors_table", path=str(path))
    assert len(found.tensors) == len(theirs)
    assert manifest(path.read_bytes()).parts == [OTHER, HEAD, EMBEDDING, HEADER, 0, 11]
    assert found.block_count == 12
    assert Manifest.of(found).tied


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.layers.3.input_layernorm.weight", 3),
        ("model.language_model.layers.3.mlp.weight", 3),
        ("language_model.model.layers.3.mlp.weight", 3),
        ("transformer.h.3.ln_1.weight", 3),
        ("h.3.ln_1.weight", 3),
        ("gpt_neox.layers.3.attention.weight", 3),
        ("model.decoder.layers.3.fc1.weight", 3),
        ("backbone.layers.3.mixer.weight", 3),
        ("wte.weight", EMBEDDING),
        ("transformer.wpe.weight", EMBEDDING),
        ("gpt_neox.embed_in.weight", EMBEDDING),
        ("lm_head.weight", HEAD),
        ("embed_out.weight", HEAD),
        ("model.norm.weight", HEAD),
        ("transformer.ln_f.bias", HEAD),
        ("model.visual.blocks.3.norm1.weight", OTHER),
        ("vision_model.encoder.layers.3.mlp.weight", OTHER),
        ("encoder.block.3.layer.weight", OTHER),
    ],
)
def test_parts_by_the_names_of_tensors(name: str, part: int) -> None:
    assert table(safetensors({name: entry("U8", [1], 0, 1)}, 1)).tensors[0][2] == part


def test_a_head_of_its_own_is_not_tied() -> None:
    header = {
        "wte.weight": entry("F16", [2, 2], 0, 8),
        "lm_head.weight": entry("F4", [2, 2], 8, 10),
    }
    assert not manifest(safetensors(header, 10)).tied


_A = entry("U8", [2], 0, 2)
_LIES = {
    "a header of 2097153 bytes": safetensors(b"{", length=ours.MAX_HEADER + 1),
    "the file ends inside": safetensors({"a": _A}, length=5000),
    "not UTF-8": safetensors(b'{"\xff": 1}'),
    "a header of another form": safetensors({"a": [1]}),
    "near its character 4": safetensors(b'{"a";}'),
    "near its character 24": safetensors(b'{"__metadata__":{"a":"b";'),
    "without its type, shape or offsets": safetensors({"a": {"dtype": "U8"}}),
    "unknown or repeated x": safetensors({"a": {"x": "U8"}}),
    "unknown or repeated dtype": safetensors(b'{"a":{"dtype":"U8","dtype":"U8"}}'),
    "is of type X8": safetensors({"a": entry("X8", [2], 0, 2)}, 2),
    "contradict each other": safetensors({"a": entry("U8", [3], 0, 2)}, 2),
    "a has a shape": safetensors({"a": entry("U8", [2], 2, 0)}, 2),
    "larger than any file": safetensors({"a": entry("U8", [1 << 33] * 3, 0, 2)}, 2),
    "is outside the file": safetensors({"a": _A}, 1),
    "a hole between tensors": safetensors({"a": entry("U8", [2], 1, 3)}, 3),
    "bytes behind the last tensor": safetensors({"a": _A}, 3),
    "two tensors are called a": safetensors(
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "overlap": safetensors({"a": _A, "b": entry("U8", [2], 1, 3)}, 3),
    "a name in the header": safetensors(b'{"\\ud800":{}}'),
    "is of block 4096": safetensors({"h.4096.a": _A}, 2),
}


@pytest.mark.parametrize("words", _LIES)
def test_a_file_that_lies_is_refused_in_a_sentence(words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)):
        manifest(_LIES[words])


def test_a_header_of_nested_arrays_takes_no_memory() -> None:
    with pytest.raises(ModelError):
        manifest(safetensors(b'{"a":' + b"[" * 1_000_000))


_NAMES = st.sampled_from(
    ["model.layers.0.a", "model.layers.1.b", "wte.weight", "a", "__metadata__"]
)
_TEXTS = st.one_of(
    st.sampled_from(
        ['"dtype"', '"shape"', '"data_offsets"', '"U8"', "[2]", "[0,2]", "[2,4]", "01"]
    ),
    st.sampled_from(
        ['"a"', '"b"', '"__metadata__"', '"x\\n"', "{", "}", ":", ",", " ", "-1", "1e2"]
    ),
    st.just('"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'),
    st.just('"b":{"shape":[2],"dtype":"U8","data_offsets":[2,4]}'),
    st.just('"__metadata__":{"x":"y"}'),
)


@given(st.lists(_TEXTS, max_size=6), st.integers(0, 6))
def test_what_is_accepted_the_library_accepts_too(
    library: Oracle, tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    text = "{" + ",".join(texts) + "}"
    data = safetensors(text.encode(), size)
    try:
        read = manifest(data)
    except ModelError:
        return
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(data)
    try:
        theirs = library.ask("safetensors_table", path=str(path))
    except OracleError as error:
        raise AssertionError(text) from error
    assert sum(length for _, length in read.runs) == len(data)
    assert len(table(data).tensors) == len(theirs)

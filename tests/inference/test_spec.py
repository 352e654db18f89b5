"""What a model is, by its metadata: a real one's, and others that lie."""

import re
from typing import Any

import pytest

from edge.inference.engine.spec import ModelSpec
from edge.models.errors import ModelError
from edge.models.manifest import Manifest
from tests.counterparts.model_files import smollm2
from tests.models.files import F32, gguf, manifest, table_of

VALUES = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 96,
    "llama.vocab_size": 32,
    "llama.attention.head_count": 4,
    "llama.attention.layer_norm_rms_epsilon": 0.5,
}


def spec(**changed: Any) -> ModelSpec:
    values = VALUES | {f"llama.{key}": value for key, value in changed.items()}
    return ModelSpec(manifest(gguf([("token_embd.weight", [32, 3], F32, 0)], values, size=4096)))


def test_smollm2_is_what_its_card_says() -> None:
    found = ModelSpec(Manifest.of(table_of(smollm2())))
    assert (found.blocks, found.width, found.feed_forward) == (30, 576, 1536)
    assert (found.heads, found.kv_heads, found.key, found.value) == (9, 3, 64, 64)
    assert (found.vocabulary, found.positions, found.tied) == (49152, 8192, True)
    assert (found.rope_base, found.rope_values) == (100_000.0, 64)
    assert found.kv_bytes_per_position(4, 6) == 2 * (192 + 192) * 2


def test_what_a_file_need_not_say_follows_from_the_rest() -> None:
    found = spec()
    assert (found.kv_heads, found.key, found.value, found.rope_values) == (4, 16, 16, 16)
    assert found.rope_base == 10_000.0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("rope.scaling.type", "yarn", "llama.rope.scaling.type"),
        ("expert_count", 8, "llama.expert_count"),
        ("embedding_length", 0, "llama.embedding_length"),
        ("embedding_length", 1 << 30, "llama.embedding_length"),
        ("vocab_size", "32", "llama.vocab_size"),
        ("attention.head_count_kv", 3, "4 heads cannot share 3"),
        ("attention.head_count_kv", [4, 4], "llama.attention.head_count_kv"),
        ("rope.dimension_count", 15, "15 values of a head"),
        ("rope.dimension_count", 17, "llama.rope.dimension_count"),
        ("rope.freq_base", -1.0, "llama.rope.freq_base"),
        ("attention.layer_norm_rms_epsilon", 1, "llama.attention.layer_norm_rms_epsilon"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(key: str, value: Any, said: str) -> None:
    with pytest.raises(ModelError, match=re.escape(said)):
        spec(**{key: value})


def test_another_architecture_is_refused_by_name() -> None:
    other = {"general.architecture": "mamba", "mamba.block_count": 2}
    with pytest.raises(ModelError, match="mamba"):
        ModelSpec(manifest(gguf([("token_embd.weight", [32, 3], F32, 0)], other, size=4096)))

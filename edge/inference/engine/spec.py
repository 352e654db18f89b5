"""What a model is, as far as its blocks need it: from the metadata of a GGUF.

Only architectures whose every key is understood are taken: one that is not known may change what a
block computes, and is refused by its name.
"""

from __future__ import annotations

from edge.models.errors import ModelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.models.manifest import Manifest

ARCHITECTURES = ("llama",)
MAX_WIDTH = 1 << 16  # values of a row
MAX_VOCABULARY = 1 << 20
MAX_POSITIONS = 1 << 24
_CACHED = 2  # bytes of a value in the cache, f16
_WHOLE = {
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "rope.dimension_count",
}
_REAL = {"rope.freq_base", "attention.layer_norm_rms_epsilon"}


class ModelSpec:
    """Widths are in values of a row, `positions` is what the model was made for.

    `key` and `value`: of one head. `tied`: the embedding is the head's matrix too.
    """

    __slots__ = (
        "architecture",
        "blocks",
        "epsilon",
        "feed_forward",
        "heads",
        "key",
        "kv_heads",
        "positions",
        "rope_base",
        "rope_values",
        "tied",
        "value",
        "vocabulary",
        "width",
    )

    def __init__(self, manifest: Manifest) -> None:
        """Raises ModelError."""
        if manifest.architecture not in ARCHITECTURES:
            raise ModelError(f"blocks of {manifest.architecture!r} are not computed here")
        values = _Values(manifest)
        self.architecture = manifest.architecture
        self.tied = manifest.tied
        self.blocks = values.whole("block_count", 4096)
        self.positions = values.whole("context_length", MAX_POSITIONS)
        self.width = values.whole("embedding_length", MAX_WIDTH)
        self.feed_forward = values.whole("feed_forward_length", MAX_WIDTH * 8)
        self.vocabulary = values.whole("vocab_size", MAX_VOCABULARY)
        self.heads = values.whole("attention.head_count", self.width)
        self.kv_heads = values.whole("attention.head_count_kv", self.heads, self.heads)
        if self.heads % self.kv_heads:
            raise ModelError(f"{self.heads} heads cannot share {self.kv_heads}")
        each = self.width // self.heads
        self.key = values.whole("attention.key_length", self.width, each)
        self.value = values.whole("attention.value_length", self.width, each)
        self.rope_values = values.whole("rope.dimension_count", self.key, self.key)
        if self.rope_values % 2:
            raise ModelError(f"{self.rope_values} values of a head cannot be turned in pairs")
        self.rope_base = values.real("rope.freq_base", 10_000.0)
        self.epsilon = values.real("attention.layer_norm_rms_epsilon")

    def kv_bytes_per_position(self, start: int, end: int) -> int:
        """Of the blocks [start, end)."""
        return (end - start) * self.kv_heads * (self.key + self.value) * _CACHED


class _Values:
    """The metadata of the architecture. Raises ModelError for a key that is not known."""

    def __init__(self, manifest: Manifest) -> None:
        self._own = f"{manifest.architecture}."
        self._metadata = manifest.metadata
        for key in manifest.metadata:
            if key.startswith(self._own) and key[len(self._own) :] not in _WHOLE | _REAL:
                raise ModelError(f"{key} may change what a block computes, and is not known here")

    def whole(self, key: str, most: int, default: int | None = None) -> int:
        found = self._metadata.get(self._own + key, default)
        if type(found) is not int or not 0 < found <= most:
            raise ModelError(f"{self._own}{key} is {found}; 1 to {most} is possible")
        return found

    def real(self, key: str, default: float | None = None) -> float:
        found = self._metadata.get(self._own + key, default)
        if type(found) is not float or not 0 < found < float("inf"):
            raise ModelError(f"{self._own}{key} is {found}, no finite number above 0")
        return found

"""demo-embed: texts in a batch to vectors; similar texts are near each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hashing import embed
from tensor_model import Orders, TensorModel, spoil


class TritonPythonModel(TensorModel):
    """TEXT [B, 1] to EMBEDDING [B, 256] and TOKENS [B, 1]."""

    texts = ("TEXT",)

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer."""
        super().initialize(args)
        self._tokenizer = self.tokenizer()

    def answer(self, tensors: Mapping[str, Any], orders: Orders) -> dict[str, Any]:
        """See `TensorModel`."""
        texts = [str(text) for text in tensors["TEXT"].reshape(-1)]
        counts = [len(encoded.ids) for encoded in self._tokenizer.encode_batch(texts)]
        tokens = np.asarray(counts, dtype=np.int32).reshape(-1, 1)
        return {
            "EMBEDDING": spoil(embed(texts), orders),
            "TOKENS": tokens[:-1] if "short" in orders.flags else tokens,
        }

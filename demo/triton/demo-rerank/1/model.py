"""demo-rerank: one query and its documents to a score for each."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bm25 import score

# What it shares with demo-embed lies there: Triton puts only a model's own folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2] / "demo-embed" / "1"))

from tensor_model import Orders, TensorModel, spoil


class TritonPythonModel(TensorModel):
    """QUERY [1] and DOCUMENTS [N] to SCORES [N] and TOKENS [N], which are those of query and document together."""

    texts = ("QUERY", "DOCUMENTS")

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer."""
        super().initialize(args)
        self._tokenizer = self.tokenizer()

    def answer(self, tensors: Mapping[str, Any], orders: Orders) -> dict[str, Any]:
        """See `TensorModel`."""
        query = str(tensors["QUERY"].reshape(-1)[0])
        documents = [str(document) for document in tensors["DOCUMENTS"].reshape(-1)]
        asked, *held = self._tokenizer.encode_batch([query, *documents])
        counts = np.asarray([len(asked.ids) + len(document.ids) for document in held], dtype=np.int32)
        return {
            "SCORES": spoil(score(query, documents), orders),
            "TOKENS": counts[:-1] if "short" in orders.flags else counts,
        }

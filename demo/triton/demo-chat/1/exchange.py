"""One request to the vLLM backend's contract: its tensors in, responses out."""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from sequence import Sequence

RETURNS = ("finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens")


class Exchange:
    """A request as the backend reads it, and the differences that its responses are made of."""

    def __init__(self, request: Any) -> None:
        """Raises ValueError with the backend's text for what it refuses."""
        self.prompt = _text(request, "text_input") or ""
        images = pb_utils.get_input_tensor_by_name(request, "image")
        self.images: list[bytes] = [] if images is None else list(images.as_numpy().reshape(-1))
        self.stream = _flag(request, "stream") or False
        exclude = _flag(request, "exclude_input_in_output")
        self.prepend_input = not self.stream if exclude is None else not exclude
        if self.prepend_input and self.stream:
            raise ValueError("When streaming, `exclude_input_in_output` = False is not allowed.")
        self.sampling = sampling_text(request)
        self._returns = {name for name in RETURNS if _flag(request, f"return_{name}")}
        self._sent: list[dict[str, int]] = []

    def response(self, sequences: list[Sequence], input_tokens: int, *, prefix: str = "") -> Any:
        """What is new in `sequences` since the last response, one element for each of them."""
        if not self._sent:
            self._sent = [{"text": 0, "tokens": 0, "logprobs": 0} for _ in sequences]
        pairs = list(zip(sequences, self._sent, strict=True))
        texts = [(prefix + sequence.text[sent["text"] :]).encode() for sequence, sent in pairs]
        tensors = [pb_utils.Tensor("text_output", np.asarray(texts, dtype=np.object_))]
        if "finish_reason" in self._returns:
            reasons = [str(sequence.finish_reason).encode() for sequence in sequences]
            tensors.append(pb_utils.Tensor("finish_reason", np.asarray(reasons, dtype=np.object_)))
        if "cumulative_logprob" in self._returns:
            sums = [sequence.cumulative_logprob for sequence in sequences]
            tensors.append(pb_utils.Tensor("cumulative_logprob", np.asarray(sums, dtype=np.float32)))
        if "logprobs" in self._returns:
            news = [
                json.dumps(None if sequence.logprobs is None else sequence.logprobs[sent["logprobs"] :]).encode()
                for sequence, sent in pairs
            ]
            tensors.append(pb_utils.Tensor("logprobs", np.asarray(news, dtype=np.object_)))
        if "num_input_tokens" in self._returns:
            tensors.append(pb_utils.Tensor("num_input_tokens", np.asarray([input_tokens], dtype=np.uint32)))
        if "num_output_tokens" in self._returns:
            counts = [len(sequence.token_ids) - sent["tokens"] for sequence, sent in pairs]
            tensors.append(pb_utils.Tensor("num_output_tokens", np.asarray(counts, dtype=np.uint32)))
        for sequence, sent in pairs:
            sent["text"], sent["tokens"] = len(sequence.text), len(sequence.token_ids)
            sent["logprobs"] = len(sequence.logprobs or ())
        return pb_utils.InferenceResponse(output_tensors=tensors)


def sampling_text(request: Any) -> str:
    """The sampling parameters as JSON: from their tensor, else Triton's own request parameters."""
    return _text(request, "sampling_parameters") or request.parameters()


def _text(request: Any, name: str) -> str | None:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        return None
    value = tensor.as_numpy()[0]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _flag(request: Any, name: str) -> bool | None:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else bool(tensor.as_numpy()[0])

"""vLLM's SamplingParams, as its Triton backend reads them from JSON.

Names, defaults and checks follow vllm/sampling_params.py, the casts the backend's `TritonSamplingParams.from_dict`:
only where a field is an int, a float, a bool, a string or an optional int.
"""

import json
import math
from dataclasses import dataclass, fields
from typing import Any

from constraints import read_constraint

GREEDY_BELOW = 1e-5
MAX_N = 16384


class SamplingError(ValueError):
    """These parameters cannot be used. vLLM's backend hides the reason from the client, and so does this one."""


@dataclass
class SamplingParams:
    """How tokens are chosen and when generation ends; `max_tokens` is 16 unless told otherwise."""

    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: Any = None
    stop_token_ids: Any = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    include_stop_str_in_output: bool = False
    structured_outputs: Any = None
    # What `structured_outputs` was called until 25.10.
    guided_decoding: Any = None
    logit_bias: Any = None
    allowed_token_ids: Any = None
    bad_words: Any = None
    extra_args: Any = None
    thinking_token_budget: int | None = None
    lora_name: Any = None

    def __post_init__(self) -> None:
        """Normalise and check, in vLLM's order. Raises `SamplingError`, or TypeError for values of a wrong type."""
        if self.seed == -1:
            self.seed = None
        self.stop = [self.stop] if isinstance(self.stop, str) else list(self.stop or [])
        self.stop_token_ids = list(dict.fromkeys(self.stop_token_ids or []))
        self.bad_words = list(dict.fromkeys(self.bad_words or []))
        if self.logprobs is True:
            self.logprobs = 1
        if self.logit_bias is not None:
            # JSON has no integer keys. vLLM's OpenAI server converts them; recent engines behind Triton do not.
            self.logit_bias = {int(token): min(100.0, max(-100.0, bias)) for token, bias in self.logit_bias.items()}
        ordered = self.guided_decoding if self.structured_outputs is None else self.structured_outputs
        # A JSON string, as the backend hands it on; None: there is none.
        self.constraint = None if ordered is None else read_constraint(ordered)
        self._check()
        if self.greedy and self.n > 1:
            raise SamplingError("n must be 1 when using greedy sampling")

    @property
    def greedy(self) -> bool:
        """Temperature zero: the likeliest token each time."""
        return self.temperature < GREEDY_BELOW

    def _check(self) -> None:
        wrong = [
            ("n", not 1 <= self.n <= MAX_N),
            ("presence_penalty", not -2.0 <= self.presence_penalty <= 2.0),
            ("frequency_penalty", not -2.0 <= self.frequency_penalty <= 2.0),
            ("repetition_penalty", not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0.0)),
            ("temperature", not 0.0 <= self.temperature <= 2.0),
            ("top_p", not 0.0 < self.top_p <= 1.0),
            ("top_k", self.top_k < -1),
            ("min_p", not 0.0 <= self.min_p <= 1.0),
            ("max_tokens", self.max_tokens is not None and self.max_tokens < 1),
            ("min_tokens", self.min_tokens < 0),
            ("min_tokens", self.max_tokens is not None and self.min_tokens > self.max_tokens),
            ("logprobs", self.logprobs is not None and self.logprobs < -1),
            ("prompt_logprobs", self.prompt_logprobs is not None and self.prompt_logprobs < -1),
            ("stop_token_ids", not all(isinstance(token, int) for token in self.stop_token_ids)),
            ("stop", any(not text for text in self.stop) or bool(self.stop and not self.detokenize)),
            ("stop", not all(isinstance(text, str) for text in self.stop)),
            ("bad_words", any(not word for word in self.bad_words)),
        ]
        for name, is_wrong in wrong:
            if is_wrong:
                raise SamplingError(name)


# The one optional type that the backend casts; a null in such a field is refused.
_CAST_BY_TYPE: dict[Any, type] = {int: int, float: float, bool: bool, str: str, int | None: int}
_CASTS = {field.name: _CAST_BY_TYPE[field.type] for field in fields(SamplingParams) if field.type in _CAST_BY_TYPE}


def parse_sampling(text: str) -> SamplingParams:
    """SamplingParams from the backend's JSON. Raises `SamplingError` for anything that vLLM would not take."""
    try:
        values = json.loads(text)
        for name, value in values.items():
            if name in _CASTS:
                values[name] = _CASTS[name](value)
        return SamplingParams(**values)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise SamplingError(type(error).__name__) from error

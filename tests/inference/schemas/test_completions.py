"""The request for completions, field by field."""

import json
from typing import Any

import pytest
from openai.types.completion_create_params import CompletionCreateParamsBase

from inference.api.schemas.completions import (
    MOST_CHOICES,
    MOST_PROMPTS,
    REFUSED,
    CompletionRequest,
    completion_of,
    decode_completion,
)
from inference.completion import Completion
from inference.errors import InvalidRequest

# What LangChain's OpenAI sends.
LANGCHAIN = {
    "model": "m",
    "prompt": ["Hello"],
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": None,
    "max_tokens": 256,
    "n": 1,
    "presence_penalty": 0,
    "seed": None,
    "temperature": 0.7,
    "top_p": 1,
}


def decoded(**fields: Any) -> CompletionRequest:
    return decode_completion(json.dumps({"model": "m", "prompt": "Hi", **fields}).encode())


def meant(**fields: Any) -> Completion:
    return completion_of(decoded(**fields))


def refusal(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decoded(**fields)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("prompt", "prompts", "params"),
    [
        ("Hi", ["Hi"], ["prompt"]),
        (["Hi", "Ho"], ["Hi", "Ho"], ["prompt[0]", "prompt[1]"]),
        ([1, 2], [[1, 2]], ["prompt"]),
        ([[1, 2], [3]], [[1, 2], [3]], ["prompt[0]", "prompt[1]"]),
        (None, [""], ["prompt"]),
        ("", [""], ["prompt"]),
        ([""], [""], ["prompt[0]"]),
    ],
)
def test_a_prompt_comes_in_four_forms_or_not_at_all(prompt: Any, prompts: list[Any], params: list[str]) -> None:
    found = meant(prompt=prompt)
    assert (list(found.prompts), list(found.params)) == (prompts, params)


def test_a_prompt_may_be_missing() -> None:
    assert completion_of(decode_completion(b'{"model": "m"}')).prompts == [""]


def test_the_defaults_are_openais() -> None:
    found = meant()
    assert (found.output_limit, found.n, found.best_of, found.top_logprobs) == (16, 1, 1, None)
    assert (found.suffix, found.echo, found.stop) == (None, False, ())


def test_every_field_has_its_meaning() -> None:
    found = meant(max_tokens=5, n=2, best_of=4, suffix="end", echo=True, stop=["a", ""], temperature=0.5, top_k=3)
    assert (found.output_limit, found.n, found.best_of, found.suffix, found.echo) == (5, 2, 4, "end", True)
    assert found.stop == ("a",)
    assert (found.sampling.temperature, found.sampling.top_k) == (0.5, 3)
    assert [meant(logprobs=wanted).top_logprobs for wanted in (None, 0, 5)] == [None, 0, 5]
    assert meant(suffix="").suffix is None
    assert meant(n=3, best_of=0).best_of == 3


def test_what_clients_send_is_taken() -> None:
    found = completion_of(decode_completion(json.dumps(LANGCHAIN).encode()))
    assert (list(found.prompts), found.output_limit, found.sampling.seed) == (["Hello"], 256, None)
    decoded(user="somebody", client_metadata={"x": None}, never_heard_of=[1])
    decoded(use_beam_search=False, add_special_tokens=True)


def test_null_means_absent() -> None:
    fields = {name: None for name in CompletionRequest.__struct_fields__ if name != "model"}
    assert meant(**fields) == meant(prompt="")


def test_every_field_that_the_openai_package_knows_is_one_of_ours() -> None:
    known = {*CompletionCreateParamsBase.__annotations__, "stream"}
    assert known - {*CompletionRequest.__struct_fields__} == set()


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": [[]]}, "prompt[0]", "empty_array"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": {}}, "prompt", "invalid_type"),
        ({"prompt": ["a", 1]}, "prompt[1]", "invalid_type"),
        ({"prompt": [1, [2]]}, "prompt[1]", "invalid_type"),
        ({"prompt": [[2], "a"]}, "prompt[1]", "invalid_type"),
        ({"prompt": [[2, "a"]]}, "prompt[0][1]", "invalid_type"),
        ({"prompt": [None]}, "prompt[0]", "invalid_type"),
        ({"prompt": [-1]}, "prompt[0]", "integer_below_min_value"),
        ({"prompt": ["a"] * (MOST_PROMPTS + 1)}, "prompt", "array_above_max_length"),
        ({"prompt": ["a"] * MOST_PROMPTS, "n": 2}, "n", "invalid_value"),
        ({"prompt": ["a"] * 7, "n": 2, "best_of": 20}, "best_of", "invalid_value"),
        ({"n": MOST_CHOICES + 1}, "n", "integer_above_max_value"),
        ({"n": 3, "best_of": 2}, "best_of", "invalid_value"),
        ({"best_of": 21}, "best_of", "integer_above_max_value"),
        ({"n": 2, "best_of": 3, "stream": True}, "best_of", "invalid_value"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"logprobs": 0, "echo": True}, "logprobs", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"min_tokens": 17}, "min_tokens", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"suffix": 1}, "suffix", "invalid_type"),
        ({"use_beam_search": True}, "use_beam_search", "unsupported_parameter"),
        ({"add_special_tokens": False}, "add_special_tokens", "unsupported_parameter"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str, code: str) -> None:
    error = refusal(**fields)
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("field", REFUSED)
def test_what_would_change_the_answer_is_refused_by_name(field: str) -> None:
    error = refusal(**{field: {"a": 1}})
    assert (error.param, error.code) == (field, "unsupported_parameter")


def test_a_request_without_a_model_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_completion(b'{"prompt": "Hi"}')
    assert (caught.value.param, caught.value.code) == ("model", "missing_required_parameter")


def test_a_stream_of_as_many_as_are_made_is_fine() -> None:
    assert meant(n=2, best_of=2, stream=True).best_of == 2
    assert len(meant(prompt=list(range(1000))).prompts) == 1

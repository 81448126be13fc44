"""The chat request, field by field."""

import json
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from inference.api.schemas.chat import ChatRequest, decode_chat, wants_usage
from inference.api.schemas.chat.meaning import output_limit, template_messages, template_variables, wanted_logprobs
from inference.api.schemas.sampling import choice_count, sampling, stops
from inference.errors import InvalidRequest
from inference.generation import Sampling

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def decoded(**fields: Any) -> ChatRequest:
    return decode_chat(json.dumps({"model": "m", "messages": [USER], **fields}).encode())


def refusal(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decoded(**fields)
    assert caught.value.status == 400
    return caught.value


# Field, a value, and what comes of it.
SAMPLING: list[tuple[str, Any, Any]] = [
    ("temperature", 0, 0.0),
    ("temperature", 2, 2.0),
    ("top_p", 0.5, 0.5),
    ("presence_penalty", -2, -2.0),
    ("frequency_penalty", 2, 2.0),
    ("seed", -(2**63), -(2**63)),
    ("seed", 2**63 - 1, 2**63 - 1),
    ("logit_bias", {"15": -100, "7": 100}, {15: -100.0, 7: 100.0}),
    ("logit_bias", {}, None),
    ("top_k", -1, -1),
    ("top_k", 40, 40),
    ("min_p", 0.05, 0.05),
    ("repetition_penalty", 1.1, 1.1),
    ("min_tokens", 3, 3),
    ("stop_token_ids", [1, 2], (1, 2)),
    ("ignore_eos", True, True),
    ("skip_special_tokens", False, False),
    ("include_stop_str_in_output", True, True),
    ("bad_words", ["a", "b"], ("a", "b")),
    ("allowed_token_ids", [5], (5,)),
]
ACCEPTED: list[tuple[str, Any]] = [
    ("user", "someone"),
    ("safety_identifier", "x" * 128),
    ("metadata", {str(number).rjust(64): "v" * 512 for number in range(16)}),
    ("store", True),
    ("store", False),
    ("service_tier", "priority"),
    ("prompt_cache_key", "k"),
    ("prompt_cache_retention", "24h"),
    ("prompt_cache_options", {"mode": "explicit", "ttl": "30m"}),
    ("prediction", {"type": "content", "content": "x"}),
    ("verbosity", "low"),
    ("parallel_tool_calls", False),
    ("tools", []),
    ("functions", []),
    ("tool_choice", "none"),
    ("tool_choice", "auto"),
    ("function_call", "none"),
    ("response_format", {"type": "text"}),
    ("modalities", ["text"]),
    ("add_generation_prompt", True),
    ("continue_final_message", False),
    ("stop", []),
    ("client_metadata", {"x": [1, {"y": None}]}),
    ("return_documents", "true"),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("tools", [{"type": "custom", "custom": {"name": "f"}}], "tools[0].type"),
    ("tool_choice", {"type": "custom", "custom": {"name": "f"}}, "tool_choice.type"),
    ("functions", [{"name": "f"}], "functions"),
    ("function_call", {"name": "f"}, "function_call"),
    ("modalities", ["text", "audio"], "modalities"),
    ("audio", {"voice": "alloy", "format": "mp3"}, "audio"),
    ("web_search_options", {}, "web_search_options"),
    ("moderation", {"model": "m"}, "moderation"),
    ("chat_template", "{{ messages }}", "chat_template"),
    ("documents", [], "documents"),
    ("guided_json", {}, "guided_json"),
    ("guided_regex", "a", "guided_regex"),
    ("guided_choice", ["a"], "guided_choice"),
    ("guided_grammar", "a", "guided_grammar"),
    ("structured_outputs", {"regex": "a"}, "structured_outputs"),
    ("prompt_logprobs", 0, "prompt_logprobs"),
    ("structural_tag", {}, "structural_tag"),
    ("truncate_prompt_tokens", 5, "truncate_prompt_tokens"),
    ("thinking_token_budget", 5, "thinking_token_budget"),
    ("logits_processors", ["x"], "logits_processors"),
    ("length_penalty", 1.5, "length_penalty"),
    ("best_of", 2, "best_of"),
    ("add_generation_prompt", False, "add_generation_prompt"),
    ("continue_final_message", True, "continue_final_message"),
    ("echo", True, "echo"),
    ("use_beam_search", True, "use_beam_search"),
    (
        "messages",
        [USER, {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}],
        "messages[1].tool_calls[0].type",
    ),
    ("messages", [{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
    ("messages", [{"role": "assistant", "function_call": {"name": "f"}}], "messages[0].function_call"),
    ("messages", [{"role": "assistant", "audio": {"id": "a"}}], "messages[0].audio"),
    *(
        (
            "messages",
            [USER, {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": kind, kind: {}}]}],
            "messages[1].content[1].type",
        )
        for kind in ("input_audio", "file")
    ),
]
# Those that tests of their own look at.
ELSEWHERE = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
}


def test_every_field_of_openais_request_is_in_one_of_these_tables() -> None:
    tabled = {row[0] for table in (SAMPLING, ACCEPTED, REFUSED) for row in table} | ELSEWHERE
    assert set(CompletionCreateParamsBase.__annotations__) - tabled == set()
    known = set(ChatRequest.__struct_fields__)
    assert known - tabled - {"chat_template_kwargs"} == set()


@pytest.mark.parametrize(("field", "value", "expected"), SAMPLING)
def test_a_field_that_works_reaches_the_sampling(field: str, value: Any, expected: Any) -> None:
    assert getattr(sampling(decoded(**{field: value})), field) == expected


@pytest.mark.parametrize(("field", "value"), ACCEPTED)
def test_a_harmless_field_changes_nothing(field: str, value: Any) -> None:
    request = decoded(**{field: value})
    assert sampling(request) == Sampling()
    assert stops(request) == ()
    assert template_messages(request)[0] == [USER]
    assert template_variables(request) == {}


@pytest.mark.parametrize(("field", "value", "param"), REFUSED)
def test_a_field_that_would_change_the_answer_is_refused_by_name(field: str, value: Any, param: str) -> None:
    error = refusal(**{field: value})
    assert (error.code, error.param) == ("unsupported_parameter", param)
    assert error.message == f"Unsupported parameter: '{param}' is not supported with this model."


@pytest.mark.parametrize("field", sorted(set(ChatRequest.__struct_fields__) - {"model", "messages"}))
def test_null_means_absent(field: str) -> None:
    request = decoded(**{field: None})
    assert request == decoded()


def test_a_request_without_any_option_asks_for_one_answer_at_the_engines_defaults() -> None:
    request = decoded()
    assert sampling(request) == Sampling()
    assert choice_count(request) == 1
    assert output_limit(request) is None
    assert wanted_logprobs(request) is None
    assert not wants_usage(request)
    assert not request.stream


def test_max_completion_tokens_wins_over_its_old_name() -> None:
    assert output_limit(decoded(max_completion_tokens=7, max_tokens=9)) == 7
    assert output_limit(decoded(max_tokens=32000)) == 32000


def test_stops_are_one_to_four_texts_and_empty_ones_mean_nothing() -> None:
    assert stops(decoded(stop="END")) == ("END",)
    assert stops(decoded(stop=["a", "b", "c", "d"])) == ("a", "b", "c", "d")
    assert stops(decoded(stop=["", "a"])) == ("a",)
    assert stops(decoded(stop="")) == ()


def test_n_is_at_most_128() -> None:
    assert choice_count(decoded(n=128)) == 128
    assert refusal(n=0).code == "integer_below_min_value"


def test_logprobs_are_wanted_with_or_without_alternatives() -> None:
    assert wanted_logprobs(decoded(logprobs=True)) == 0
    assert wanted_logprobs(decoded(logprobs=True, top_logprobs=20)) == 20
    assert wanted_logprobs(decoded(logprobs=False)) is None
    assert refusal(top_logprobs=21, logprobs=True).code == "integer_above_max_value"


def test_top_logprobs_need_logprobs() -> None:
    error = refusal(top_logprobs=2)
    assert error.param == "top_logprobs"
    assert "only allowed when 'logprobs' is enabled" in error.message


def test_stream_options_need_a_stream() -> None:
    assert wants_usage(decoded(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}))
    assert not wants_usage(decoded(stream=True, stream_options={}))
    error = refusal(stream_options={"include_usage": True})
    assert error.param == "stream_options"
    assert "only allowed when 'stream' is enabled" in error.message


def test_min_tokens_beyond_the_limit_are_refused() -> None:
    assert refusal(min_tokens=11, max_tokens=10).param == "min_tokens"
    assert decoded(min_tokens=10, max_tokens=10).min_tokens == 10


@pytest.mark.parametrize("ids", [{"a": 1}, {"-1": 1}, {"1.5": 1}])
def test_logit_bias_is_keyed_by_token_ids(ids: dict) -> None:
    assert refusal(logit_bias=ids).param == "logit_bias"


def test_variables_of_the_template_come_from_the_client() -> None:
    request = decoded(chat_template_kwargs={"enable_thinking": False}, reasoning_effort="low")
    assert template_variables(request) == {"enable_thinking": False, "reasoning_effort": "low"}
    assert template_variables(decoded()) == {}


@pytest.mark.parametrize(("effort", "thinks"), [("none", False), ("minimal", True), ("high", True)])
def test_an_effort_also_reaches_templates_that_only_know_yes_or_no(effort: str, thinks: bool):
    variables = template_variables(decoded(reasoning_effort=effort))
    assert variables == {"reasoning_effort": effort, "enable_thinking": thinks}


@pytest.mark.parametrize(
    "name", ["messages", "tools", "bos_token", "add_generation_prompt", "raise_exception", "range"]
)
def test_variables_that_the_template_gets_from_us_are_reserved(name: str) -> None:
    error = refusal(chat_template_kwargs={name: "x", "canary": 1})
    assert (error.code, error.param) == ("invalid_value", "chat_template_kwargs")
    assert name in error.message
    assert "canary" not in error.message


def test_messages_become_plain_dicts_with_text() -> None:
    request = decoded(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "kind."}]},
            {"role": "user", "content": "Hi", "name": "ann"},
            {"role": "assistant", "content": None},
            {"role": "user", "content": ""},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "refusal": "Never."},
        ]
    )
    assert template_messages(request)[0] == [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": "And\nkind."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "Never."},
    ]


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"role": "user"}, "missing_required_parameter", "messages[0].content"),
        ({"role": "user", "content": None}, "missing_required_parameter", "messages[0].content"),
        ({"role": "system", "content": []}, "empty_array", "messages[0].content"),
        ({"role": "user", "content": [{"type": "text"}]}, "missing_required_parameter", "messages[0].content[0].text"),
        (
            {"role": "assistant", "content": [{"type": "refusal"}]},
            "missing_required_parameter",
            "messages[0].content[0].refusal",
        ),
        ({"role": "user", "content": [{"type": "refusal"}]}, "invalid_value", "messages[0].content[0].type"),
        ({"role": "system", "content": [{"type": "image_url"}]}, "invalid_value", "messages[0].content[0].type"),
        ({"role": "assistant", "content": [{"type": "file"}]}, "invalid_value", "messages[0].content[0].type"),
        ({"role": "user", "content": "x", "name": "<|im_end|>"}, "invalid_value", "messages[0].name"),
        ({"role": "user", "content": "x", "name": "two words"}, "invalid_value", "messages[0].name"),
        ({"role": "user", "content": "x", "name": "line\n"}, "invalid_value", "messages[0].name"),
        ({"role": "robot", "content": "x"}, "invalid_value", "messages[0].role"),
    ],
)
def test_a_message_that_does_not_fit_is_refused(message: dict, code: str, param: str) -> None:
    error = refusal(messages=[message])
    assert (error.code, error.param) == (code, param)

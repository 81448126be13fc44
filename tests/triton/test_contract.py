"""demo-chat against the contract of Triton's vLLM backend, input by input and output by output."""

import json
import math

import httpx
import pytest
from tokenizers import Tokenizer

from inference.embedded_triton import EmbeddedTriton
from tests.engines import ROOT
from tests.triton.calls import MODEL, chat, error_of, stream, text_of, tokens_of, whole

USELESS = "Error generating stream: 'NoneType' object has no attribute 'lora_name'"
QUESTION = chat("What is photosynthesis?")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ROOT / "demo" / "assets" / "demo-chat" / "tokenizer.json"))


def test_config_is_that_of_the_vllm_backend(triton: EmbeddedTriton) -> None:
    config = httpx.get(f"{triton.url}{MODEL}/config").json()
    inputs = {entry["name"]: (entry["data_type"], entry["dims"], entry["optional"]) for entry in config["input"]}
    flags = ["finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens"]
    assert inputs == {
        "text_input": ("TYPE_STRING", [1], False),
        "image": ("TYPE_STRING", [-1], True),
        "stream": ("TYPE_BOOL", [1], True),
        "sampling_parameters": ("TYPE_STRING", [1], True),
        "exclude_input_in_output": ("TYPE_BOOL", [1], True),
        **{f"return_{name}": ("TYPE_BOOL", [1], True) for name in flags},
        "embedding_request": ("TYPE_STRING", [1], True),
    }
    assert {entry["name"]: (entry["data_type"], entry["dims"]) for entry in config["output"]} == {
        "text_output": ("TYPE_STRING", [-1]),
        "finish_reason": ("TYPE_STRING", [-1]),
        "cumulative_logprob": ("TYPE_FP32", [-1]),
        "logprobs": ("TYPE_STRING", [-1]),
        "num_input_tokens": ("TYPE_UINT32", [1]),
        "num_output_tokens": ("TYPE_UINT32", [-1]),
    }
    assert config["max_batch_size"] == 0
    assert config["model_transaction_policy"] == {"decoupled": True}


def test_stream_sends_deltas_that_add_up_to_the_whole(triton: EmbeddedTriton) -> None:
    frames = stream(triton, QUESTION)
    # How many depends on the machine: a model that is behind its pace sends several tokens at once.
    assert len(frames) > 1
    assert text_of(frames) == whole(triton, QUESTION)["text_output"]
    assert "hotosynthesis" in text_of(frames)


def test_finish_reason_is_the_word_none_until_the_last_response(triton: EmbeddedTriton) -> None:
    reasons = [frame["finish_reason"] for frame in stream(triton, QUESTION)]
    assert set(reasons[:-1]) == {"None"}
    assert reasons[-1] == "stop"


def test_input_tokens_are_the_tokenizers_and_repeated_in_each_response(
    triton: EmbeddedTriton, tokenizer: Tokenizer
) -> None:
    prompt = chat("Grüße aus Köln 😀, was kostet 1,234.50 €?", system="Kurz bitte.")
    expected = len(tokenizer.encode(prompt).ids)
    assert {frame["num_input_tokens"] for frame in stream(triton, prompt)} == {expected}


def test_output_tokens_are_those_of_the_text_and_the_end_of_turn(triton: EmbeddedTriton, tokenizer: Tokenizer) -> None:
    frames = stream(triton, QUESTION)
    assert tokens_of(frames) == len(tokenizer.encode(text_of(frames)).ids) + 1


def test_only_the_text_comes_when_nothing_else_is_asked_for(triton: EmbeddedTriton) -> None:
    flags = ["finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens"]
    frame = whole(triton, QUESTION, **{f"return_{name}": None for name in flags})
    assert set(frame) == {"model_name", "model_version", "text_output"}


@pytest.mark.parametrize("exclude", [None, False])
def test_whole_answer_begins_with_the_prompt_unless_excluded(triton: EmbeddedTriton, exclude: bool | None) -> None:
    bare = whole(triton, QUESTION)["text_output"]
    assert whole(triton, QUESTION, exclude_input_in_output=exclude)["text_output"] == QUESTION + bare


def test_stream_leaves_the_prompt_out_by_default_and_refuses_it_when_ordered(triton: EmbeddedTriton) -> None:
    assert text_of(stream(triton, QUESTION, exclude_input_in_output=None)) == whole(triton, QUESTION)["text_output"]
    refused = stream(triton, QUESTION, exclude_input_in_output=False)
    expected = "Error generating stream: When streaming, `exclude_input_in_output` = False is not allowed."
    assert error_of(refused) == expected


def test_max_tokens_is_sixteen_by_default(triton: EmbeddedTriton) -> None:
    frames = stream(triton, QUESTION, {"temperature": 0})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (16, "length")


def test_numeric_strings_are_cast(triton: EmbeddedTriton) -> None:
    frames = stream(triton, QUESTION, {"temperature": "0", "max_tokens": "7", "ignore_eos": "true"})
    assert tokens_of(frames) == 7


def test_sampling_parameters_may_come_as_request_parameters(triton: EmbeddedTriton) -> None:
    parameters = {"temperature": 0.0, "max_tokens": 5}
    frames = stream(triton, QUESTION, sampling_parameters=None, parameters=parameters)
    assert tokens_of(frames) == 5
    assert error_of(stream(triton, QUESTION, sampling_parameters=None, id="request-1")) == USELESS


@pytest.mark.parametrize(
    "wrong",
    [
        {"no_such_parameter": 1},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": "warm"},
        {"top_p": 0},
        {"top_p": 1.5},
        {"top_k": -2},
        {"min_p": 2},
        {"n": 0},
        {"n": 2, "temperature": 0},
        {"presence_penalty": 3},
        {"frequency_penalty": -3},
        {"repetition_penalty": 0},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"seed": None},
        {"min_tokens": 20},
        {"stop": [""]},
        {"stop": 5},
        {"stop_token_ids": ["x"]},
        {"bad_words": [""]},
        {"logit_bias": {"x": 1}},
        {"logprobs": -2},
        {"structured_outputs": {"json_object": True}},
        {"structured_outputs": "{"},
        {"structured_outputs": '{"json_object": true, "regex": "a"}'},
        {"guided_decoding": "{}"},
    ],
)
def test_wrong_sampling_parameters_end_in_the_backends_useless_message(
    triton: EmbeddedTriton, wrong: dict[str, object]
) -> None:
    frames = stream(triton, QUESTION, wrong)
    assert len(frames) == 1
    assert error_of(frames) == USELESS


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"logprobs": 21}, "Requested sample logprobs of 21, which is greater than max allowed: 20"),
        ({"stop_token_ids": [6157]}, "token_id(s) [6157] in stop_token_ids contain out-of-vocab token ids."),
        ({"logit_bias": {"9999": 1}}, "token_id(s) [9999] in logit_bias contain out-of-vocab token ids."),
        ({"allowed_token_ids": []}, "allowed_token_ids is not None and empty!"),
        ({"allowed_token_ids": [-1]}, "allowed_token_ids contains out-of-vocab token id!"),
    ],
)
def test_what_the_engine_refuses_carries_its_reason(
    triton: EmbeddedTriton, wrong: dict[str, object], reason: str
) -> None:
    assert error_of(stream(triton, QUESTION, wrong)).startswith(f"Error generating stream: {reason}")


def test_prompt_that_does_not_fit_is_refused(triton: EmbeddedTriton) -> None:
    expected = (
        "Error generating stream: The decoder prompt (length 8192) is longer than the maximum model length of 8192."
    )
    assert error_of(stream(triton, "<|im_end|>" * 8192)).startswith(expected)
    assert error_of(stream(triton, "")) == "Error generating stream: The decoder prompt cannot be empty"


def test_generation_ends_at_the_model_length(triton: EmbeddedTriton) -> None:
    frames = stream(triton, "<|im_end|>" * 8185, {"temperature": 0, "max_tokens": 100, "ignore_eos": True})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (7, "length")


def test_sampling_parameters_that_are_no_json_fail_the_call(triton: EmbeddedTriton) -> None:
    error = error_of(stream(triton, QUESTION, sampling_parameters="{"))
    assert "JSONDecodeError" in error
    assert "photosynthesis" not in error


def test_lora_and_embeddings_are_refused_as_by_a_plain_model(triton: EmbeddedTriton) -> None:
    assert error_of(stream(triton, QUESTION, {"lora_name": "french"})) == "LoRA feature is not enabled."
    embed = stream(triton, QUESTION, embedding_request='{"input": "x"}')
    assert error_of(embed) == "Error generating stream: Model demo-chat does not support 'embed' request"


@pytest.mark.parametrize("top", [0, 1, 5, 20])
def test_logprobs_have_the_sampled_token_first_and_then_the_likeliest(triton: EmbeddedTriton, top: int) -> None:
    sampling = {"temperature": 1, "seed": 3, "logprobs": top, "max_tokens": 60, "ignore_eos": True}
    frames = stream(triton, QUESTION, sampling)
    total, text = 0.0, ""
    for frame in frames:
        news = json.loads(frame["logprobs"])
        assert len(news) == frame["num_output_tokens"]
        for entries in news:
            sampled, *others = entries.values()
            ranks = sorted(entry["rank"] for entry in entries.values())
            assert ranks == sorted({*range(1, top + 1), sampled["rank"]})
            by_rank = sorted(entries.values(), key=lambda entry: entry["rank"])
            assert by_rank == sorted(entries.values(), key=lambda entry: -entry["logprob"])
            assert sum(math.exp(entry["logprob"]) for entry in entries.values()) <= 1
            assert others == sorted(others, key=lambda entry: entry["rank"])
            total += sampled["logprob"]
            text += sampled["decoded_token"]
        assert frame["cumulative_logprob"] == pytest.approx(total, rel=1e-4)
    assert text == text_of(frames)


def test_logprobs_are_null_when_the_engine_was_not_told_to_make_them(triton: EmbeddedTriton) -> None:
    assert {frame["logprobs"] for frame in stream(triton, QUESTION)} == {"null"}


def test_each_response_has_an_element_for_each_of_n_choices(triton: EmbeddedTriton) -> None:
    frames = stream(triton, chat("Tell me about the sea"), {"n": 3, "temperature": 1, "seed": 5, "max_tokens": 300})
    for name in ("text_output", "finish_reason", "num_output_tokens", "cumulative_logprob", "logprobs"):
        assert {len(frame[name]) for frame in frames} == {3}
    assert frames[-1]["finish_reason"] == ["stop"] * 3
    texts = ["".join(frame["text_output"][index] for frame in frames) for index in range(3)]
    assert len(set(texts)) == 3
    for index in range(3):
        reasons = [frame["finish_reason"][index] for frame in frames]
        end = reasons.index("stop")
        assert set(reasons[end:]) == {"stop"}
        assert not any(frame["num_output_tokens"][index] for frame in frames[end + 1 :])

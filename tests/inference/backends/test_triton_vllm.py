"""The vLLM adapter: what it sends and what it makes of the engine's answers (its text cases run on a real Triton)."""

import json

import pytest

from accounts.errors import ApiError
from inference.backends.triton_contract import CONTRACTS, misfits
from inference.backends.triton_errors import backend_error
from inference.backends.triton_vllm import _Answer, chosen_tokens, request_body, sampling_parameters
from inference.errors import BackendFailed, BackendUnavailable, ContextLengthExceeded, EngineRefused
from inference.generation import Finish, Generation, Sampling, Structure, Target, TextDelta, Usage


def generation(**fields) -> Generation:
    return Generation(
        **{
            "request_id": "r",
            "prompt": "Hello",
            "prompt_tokens": 1,
            "max_tokens": 5,
            "sampling": Sampling(),
            **fields,
        }
    )


def target(**fields) -> Target:
    return Target(
        **{
            "name": "d",
            "adapter": "triton_vllm",
            "url": "http://127.0.0.1:8000",
            "triton_model": "m",
            "triton_version": "",
            "weight": 1,
            "max_concurrency": 1,
            "headers": {},
            "options": {},
            **fields,
        }
    )


def response(**fields) -> bytes:
    return json.dumps({"model_name": "m", "model_version": "1", **fields}).encode()


def test_only_what_was_asked_for_is_sent_and_max_tokens_always():
    assert sampling_parameters(generation(), target()) == {"max_tokens": 5}
    asked = generation(stop=("a",), top_logprobs=0, sampling=Sampling(temperature=0.0, logit_bias={5: -1.0}))
    assert sampling_parameters(asked, target()) == {
        "temperature": 0.0,
        "logit_bias": {5: -1.0},
        "max_tokens": 5,
        "stop": ("a",),
        "logprobs": 0,
    }


def test_what_openai_allows_and_the_engine_refuses_is_brought_within_its_bounds():
    sent = sampling_parameters(generation(sampling=Sampling(top_p=0.0, min_tokens=100)), target())
    assert 0 < sent["top_p"] < 0.001
    assert sent["min_tokens"] == sent["max_tokens"] == 5


def test_the_body_holds_input_tensors_and_parameters_as_a_json_string():
    body = json.loads(request_body(generation(sampling=Sampling(seed=7)), target()))
    assert json.loads(body.pop("sampling_parameters")) == {"seed": 7, "max_tokens": 5}
    assert body == {
        "text_input": "Hello",
        "stream": True,
        "exclude_input_in_output": True,
        "return_finish_reason": True,
        "return_num_input_tokens": True,
        "return_num_output_tokens": True,
    }


def test_a_begin_token_that_the_engine_adds_itself_is_taken_off():
    body = json.loads(request_body(generation(prompt="<s>Hello"), target(options={"strip_bos": "<s>"})))
    assert body["text_input"] == "Hello"


def test_the_version_is_part_of_the_address_when_it_is_pinned():
    assert target().model_url.endswith("/v2/models/m")
    assert target(triton_version="3").model_url.endswith("/v2/models/m/versions/3")


def test_one_choice_ends_after_its_usage():
    answer = _Answer(generation())
    first = answer.events(
        response(text_output="Hi", finish_reason="None", num_output_tokens=1, num_input_tokens=4), began=False
    )
    assert first == [Usage(4, 0), TextDelta(0, "Hi", 1, None)]
    last = answer.events(
        response(text_output="!", finish_reason="stop", num_output_tokens=1, num_input_tokens=4), began=True
    )
    assert last == [TextDelta(0, "!", 1, None), Usage(4, 2), Finish(0, "stop")]
    assert answer.complete


def test_an_engine_that_does_not_count_tells_no_usage():
    answer = _Answer(generation())
    first = answer.events(response(text_output="Hi"), began=False)
    assert first == [TextDelta(0, "Hi", 0, None)]
    assert answer.events(response(text_output="!", finish_reason="stop"), began=True) == [
        TextDelta(0, "!", 0, None),
        Finish(0, "stop"),
    ]


def test_what_comes_after_the_end_is_dropped():
    answer = _Answer(generation())
    answer.events(response(text_output="a", finish_reason="length", num_output_tokens=1), began=False)
    assert answer.events(response(text_output="b", finish_reason="stop", num_output_tokens=1), began=True) == []


def test_an_abort_is_an_error_and_never_an_end():
    with pytest.raises(BackendFailed):
        _Answer(generation()).events(response(text_output="", finish_reason="abort", num_output_tokens=0), began=True)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"text_output": 5}', b"\xff"])
def test_nonsense_is_an_error(payload):
    with pytest.raises(BackendFailed):
        _Answer(generation()).events(payload, began=True)


def test_the_sampled_token_is_the_first_whatever_its_rank():
    element = json.dumps(
        [
            {
                "9": {"logprob": -3.0, "rank": 4, "decoded_token": "odd"},
                "1": {"logprob": -0.1, "rank": 1, "decoded_token": "usual"},
            }
        ]
    )
    (token,) = chosen_tokens(element, 1)
    assert (token.token, token.logprob) == ("odd", -3.0)
    assert [other.token for other in token.top] == ["usual"]
    assert chosen_tokens("null", 1) == ()


def test_a_token_that_cannot_come_has_an_infinite_logprob():
    entries = {
        "1": {"logprob": -0.1, "rank": 1, "decoded_token": "yes"},
        "2": {"logprob": float("-inf"), "rank": 2, "decoded_token": "no"},
    }
    (token,) = chosen_tokens(json.dumps([entries]), 2)
    assert [(other.token, other.logprob) for other in token.top] == [("yes", -0.1), ("no", float("-inf"))]


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"1": {"logprob": "x"}}]', "5"])
def test_logprobs_that_make_no_sense_are_an_error(text):
    with pytest.raises(BackendFailed):
        chosen_tokens(text, 1)


@pytest.mark.parametrize(
    ("text", "began", "kind"),
    [
        ("Stub process 'demo_0_0' is not healthy.", False, BackendUnavailable),
        ("[request id: x] Exceeds maximum queue size", False, BackendUnavailable),
        ("Request for unknown model: 'm' is not found", False, BackendUnavailable),
        ("Model is unavailable due to unhealthy vLLM engine", False, BackendUnavailable),
        ("Stub process 'demo_0_0' is not healthy.", True, BackendFailed),
        ("Error generating stream: 'NoneType' object has no attribute 'lora_name'", False, EngineRefused),
        ("Error generating stream: secret prompt not found", False, EngineRefused),
        ("Error generating stream: longer than the maximum model length of 10", False, ContextLengthExceeded),
        ("", False, BackendFailed),
    ],
)
def test_error_texts_are_sorted_and_never_passed_on(text, began, kind):
    error = backend_error(text, began=began)
    assert type(error) is kind
    assert isinstance(error, ApiError)
    assert not text or text not in error.message


def config_of(contract) -> dict:
    return {
        "input": [{"name": name, "data_type": dtype, "optional": True} for name, dtype in contract.inputs.items()],
        "output": [{"name": name, "data_type": dtype} for name, dtype in contract.outputs.items()],
        "model_transaction_policy": {"decoupled": True},
    }


def test_a_config_that_fits_has_no_misfits():
    assert misfits("triton_vllm", config_of(CONTRACTS["triton_vllm"])) == []


def test_what_does_not_fit_is_named():
    config = config_of(CONTRACTS["triton_vllm"])
    config["input"][0]["data_type"] = "TYPE_INT32"
    config["input"].append({"name": "image_grid", "data_type": "TYPE_FP32"})
    config["output"] = [tensor for tensor in config["output"] if tensor["name"] != "finish_reason"]
    config["model_transaction_policy"] = {}
    sentences = " ".join(misfits("triton_vllm", config))
    for part in ("text_input is TYPE_INT32", "finish_reason (TYPE_STRING) is missing", "image_grid", "not decoupled"):
        assert part in sentences


def test_an_engine_of_a_model_that_sees_takes_images():
    contract = CONTRACTS["triton_vllm"]
    config = {
        "input": [{"name": name, "data_type": dtype} for name, dtype in contract.inputs.items()],
        "output": [{"name": name, "data_type": dtype} for name, dtype in contract.outputs.items()],
        "model_transaction_policy": {"decoupled": True},
    }
    assert misfits("triton_vllm", config) == []
    assert misfits("triton_vllm", config, images=True) == ["The input image (TYPE_STRING) is missing."]
    config["input"].append({"name": "image", "data_type": "TYPE_STRING", "optional": True})
    assert misfits("triton_vllm", config, images=True) == []


@pytest.mark.parametrize("key", ["structured_outputs", "guided_decoding", "none"])
def test_a_form_is_sent_as_the_engine_wants_it(key):
    wanted = target(options={"guided_decoding": key})
    for structure, inner in (
        (Structure('{"type":"null"}'), {"json": {"type": "null"}}),
        (Structure(), {"json_object": True}),
    ):
        sent = sampling_parameters(generation(structure=structure), wanted)
        assert ({name: json.loads(value) for name, value in sent.items() if name != "max_tokens"}) == (
            {} if key == "none" else {key: inner}
        )


def test_images_are_sent_in_base64():
    body = json.loads(request_body(generation(images=(b"\x89PNG", b"\xff\xd8")), target()))
    assert body["image"] == ["iVBORw==", "/9g="]
    assert "image" not in json.loads(request_body(generation(), target()))

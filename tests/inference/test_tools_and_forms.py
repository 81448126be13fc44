"""Chats with tools, forms and images through the consumer: what reaches the engine, the client and the record."""

import asyncio
import base64
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from inference.backends.transport import close_transport
from inference.catalogue import load_catalogue
from inference.models import Deployment, ServedModel, ToolCallFormat
from inference.parsers import TOOL_CALLS
from inference.services import add_deployment, publish_model
from inference.tool_formats import ToolFormat
from tests.inference.asking import ask, start_engine
from tests.inference.conftest import ACTOR, SIZES

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY}},
    {"type": "function", "function": {"name": "get_time"}},
]
FORM = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
CALL = ("<tool_call>", '\n{"name": "get_weather",', ' "arguments": {"city": "Ulm"}}', "\n</tool_call>")
MESSAGES = [{"role": "user", "content": "What is the weather in Ulm?"}]


@pytest.fixture
def able(prices: None) -> ServedModel:
    """A published model that thinks, calls tools and looks at images."""
    return publish_model(
        actor=ACTOR,
        model_id="acme/able",
        reasoning_parser="qwen3",
        tool_parser="hermes",
        capabilities=["chat", "tools", "reasoning", "structured_outputs"],
        input_modalities=["text", "image"],
        **SIZES,
    )[0]


def sent(
    model: ServedModel,
    tokens: tuple[str, ...],
    engine: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **fields: Any,
) -> list[dict[str, Any]]:
    """What the consumer sends for one request, to an engine that says these tokens."""
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    key = issue_key(actor=ACTOR, project=project, name="shop").text

    async def request() -> list[dict[str, Any]]:
        server, url = await start_engine(tokens=tokens, **(engine or {}))
        target = {"name": "gpu-1", "url": url, "triton_model": "small", "options": options or {}}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            return await ask(key, {"model": model.model_id, "messages": MESSAGES, **fields})
        finally:
            await close_transport()
            await writer().close()
            server.close()

    return asyncio.run(request())


def answer(model: ServedModel, tokens: tuple[str, ...], *more: Any, status: int = 200, **fields: Any) -> Any:
    """The JSON of one whole answer, or the chunks of a stream."""
    first, *rest = sent(model, tokens, *more, **fields)
    body = b"".join(message.get("body", b"") for message in rest)
    assert first["status"] == status, body
    if not fields.get("stream"):
        return json.loads(body)
    *events, empty = body.decode().split("\n\n")
    assert empty == ""
    return [json.loads(event.removeprefix("data: ")) for event in events if event != "data: [DONE]"]


def recorded() -> tuple[str, str, int]:
    record = UsageRecord.objects.get()
    return record.outcome, record.error_code, record.output_tokens


def test_every_format_that_can_be_chosen_has_its_parser() -> None:
    assert set(ToolCallFormat.values) == set(TOOL_CALLS)


def test_the_catalogue_knows_how_a_model_writes_calls(model: ServedModel, able: ServedModel) -> None:
    found = {offer.model_id: offer.tools for offer in load_catalogue().offers}
    assert found == {"acme/small": None, "acme/able": ToolFormat("hermes")}


@pytest.mark.django_db(transaction=True)
def test_a_model_is_told_of_its_tools_and_its_calls_come_out(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    tokens = ("<think>", "Hm", "</think>", *CALL)
    body = answer(able, tokens, {"received": received}, tools=TOOLS)
    (choice,) = body["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Ulm"}'}
    assert (choice["message"]["content"], choice["message"]["reasoning"]) == (None, "Hm")
    assert choice["finish_reason"] == "tool_calls"
    assert body["usage"]["completion_tokens"] == len(tokens)
    assert recorded() == ("completed", "", len(tokens))
    prompt = received[0]["text_input"]
    assert '"name": "get_weather", "description": "The weather."' in prompt
    assert '"name": "get_time"' in prompt
    # Nothing is guided where the model is free to answer.
    assert set(json.loads(received[0]["sampling_parameters"])) == {"max_tokens", "skip_special_tokens"}


@pytest.mark.django_db(transaction=True)
def test_each_choice_of_a_stream_has_its_own_calls(able: ServedModel) -> None:
    chunks = answer(able, ("I look.", *CALL), tools=TOOLS, n=2, stream=True)
    ids = set()
    for index in range(2):
        mine = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        (call,) = [call for choice in mine for call in choice["delta"].get("tool_calls", ())]
        assert call["index"] == 0
        assert mine[-1]["finish_reason"] == "tool_calls"
        assert "".join(choice["delta"].get("content") or "" for choice in mine) == "I look."
        ids.add(call["id"])
    assert len(ids) == 2
    assert recorded() == ("completed", "", 10)


@pytest.mark.django_db(transaction=True)
def test_tools_that_must_not_be_called_are_not_offered(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    body = answer(able, CALL, {"received": received}, tools=TOOLS, tool_choice="none")
    assert body["choices"][0]["message"]["content"] == "".join(CALL)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "get_weather" not in received[0]["text_input"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("options", "key"),
    [({}, "structured_outputs"), ({"guided_decoding": "guided_decoding"}, "guided_decoding"),
     ({"guided_decoding": "none"}, None)],
)  # fmt: skip
def test_the_engine_is_held_to_a_named_function_as_its_version_wants(
    able: ServedModel, options: dict[str, Any], key: str | None
) -> None:
    received: list[dict[str, Any]] = []
    choice = {"type": "function", "function": {"name": "get_weather"}}
    tokens = ('{"city":', ' "Ulm"}') if key else CALL
    body = answer(able, tokens, {"received": received}, options, tools=TOOLS, tool_choice=choice)
    (call,) = body["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Ulm"}'}
    parameters = json.loads(received[0]["sampling_parameters"])
    assert set(parameters) - {"skip_special_tokens"} == {"max_tokens", *([key] if key else [])}
    if key:
        assert json.loads(parameters[key]) == {"json": CITY}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [True, False])
def test_a_call_that_had_to_come_and_did_not_is_an_error_and_costs_nothing(able: ServedModel, stream: bool) -> None:
    # Nothing went out before it was clear, so that a stream has a status, too.
    first, last, *_ = sent(able, ('{"x":', "1"), tools=TOOLS, tool_choice="required", stream=stream)
    assert first["status"] == 502
    assert json.loads(last["body"])["error"]["code"] == "tool_call_missing"
    assert recorded()[:2] == ("failed", "tool_call_missing")
    assert UsageRecord.objects.get().cost_nano == 0


@pytest.mark.django_db(transaction=True)
def test_a_form_is_guided_checked_and_not_thought_about(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    body = answer(able, ('{"city":', ' "Ulm"}'), {"received": received}, response_format=FORM)
    assert json.loads(body["choices"][0]["message"]["content"]) == {"city": "Ulm"}
    assert json.loads(json.loads(received[0]["sampling_parameters"])["structured_outputs"]) == {"json": CITY}
    assert "<think>" not in received[0]["text_input"]


@pytest.mark.django_db(transaction=True)
def test_any_object_may_be_the_form(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    answer(able, ("{", "}"), {"received": received}, response_format={"type": "json_object"})
    assert json.loads(json.loads(received[0]["sampling_parameters"])["structured_outputs"]) == {"json_object": True}


@pytest.mark.django_db(transaction=True)
def test_a_client_that_wants_thinking_gets_it_before_the_form(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    tokens = ("Hm", "</think>", '{"city": "Ulm"}')
    body = answer(able, tokens, {"received": received}, response_format=FORM, reasoning_effort="low")
    message = body["choices"][0]["message"]
    assert (message["reasoning"], message["content"]) == ("Hm", '{"city": "Ulm"}')
    assert received[0]["text_input"].endswith("<think>\n")


@pytest.mark.django_db(transaction=True)
def test_an_answer_of_another_form_is_an_error(able: ServedModel) -> None:
    body = answer(able, ("Ulm", " is sunny"), status=502, response_format=FORM)
    assert body["error"]["code"] == "invalid_structured_output"
    assert "sunny" not in body["error"]["message"]
    assert recorded()[:2] == ("failed", "invalid_structured_output")


@pytest.mark.django_db(transaction=True)
def test_a_stream_of_another_form_does_not_end_well(able: ServedModel) -> None:
    *chunks, last = answer(able, ("Ulm", " is sunny"), stream=True, response_format=FORM)
    assert last["error"]["code"] == "invalid_structured_output"
    assert {choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]} == {None}
    # It was read: else one could ask for what no answer conforms to, and read for nothing.
    assert recorded() == ("completed", "invalid_structured_output", 2)
    assert (UsageRecord.objects.get().cost_nano or 0) > 0


@pytest.mark.django_db(transaction=True)
def test_what_was_read_is_counted_where_the_engine_does_not(able: ServedModel) -> None:
    answer(able, ("Ulm", " is sunny"), {"counts": False}, stream=True, response_format=FORM)
    record = UsageRecord.objects.get()
    assert (record.outcome, record.token_source) == ("completed", "counted")
    assert record.output_tokens > 0 < (record.cost_nano or 0)


@pytest.mark.django_db(transaction=True)
def test_a_form_that_the_limit_cuts_off_ends_with_length(able: ServedModel) -> None:
    body = answer(able, ('{"city":', ' "U'), {"reason": "length"}, response_format=FORM)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["content"] == '{"city": "U'


@pytest.mark.django_db(transaction=True)
def test_calls_or_a_form_where_both_are_asked_for(able: ServedModel) -> None:
    body = answer(
        able, ('[{"name": "get_weather",', ' "arguments": {"city": "Ulm"}}]'), tools=TOOLS, response_format=FORM
    )
    assert body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert body["choices"][0]["finish_reason"] == "tool_calls"


def picture() -> tuple[bytes, str]:
    data = BytesIO()
    Image.new("RGB", (4, 3), "red").save(data, "PNG")
    return data.getvalue(), f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def looking(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.mark.django_db(transaction=True)
def test_an_image_reaches_the_engine_beside_its_place_in_the_prompt(able: ServedModel) -> None:
    received: list[dict[str, Any]] = []
    data, url = picture()
    answer(able, ("A", " square"), {"received": received}, messages=looking(url))
    assert [base64.b64decode(image) for image in received[0]["image"]] == [data]
    assert "What is this?<|vision_start|><|image_pad|><|vision_end|>" in received[0]["text_input"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"tools": TOOLS}, "unsupported_parameter", "tools"),
        ({"messages": looking(picture()[1])}, "unsupported_parameter", "messages[0].content[1].image_url"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_name(
    model: ServedModel, fields: dict[str, Any], code: str, param: str
) -> None:
    error = answer(model, ("Hi",), status=400, **fields)["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert not UsageRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_no_image_is_refused(able: ServedModel) -> None:
    error = answer(able, ("Hi",), status=400, messages=looking("data:image/png;base64,AAAA"))["error"]
    assert error["param"] == "messages[0].content[1].image_url"


@pytest.mark.django_db(transaction=True)
def test_markers_of_calls_that_are_special_tokens_are_asked_for(able: ServedModel) -> None:
    publish_model(actor=ACTOR, model_id=able.model_id, tool_parser="mistral", reasoning_parser="")
    received: list[dict[str, Any]] = []
    tokens = ("[TOOL_CALLS]", '[{"name": "get_time", "arguments": {}}]')
    body = answer(able, tokens, {"received": received}, tools=TOOLS)
    assert body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_time"
    assert json.loads(received[0]["sampling_parameters"])["skip_special_tokens"] is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "field"),
    [({"guided_decoding": "xgrammar"}, "options"), ({"strip_bos": 1}, "options"), ([], "options"),
     ({"guided_decoding": "none", "more": 1}, None)],
)  # fmt: skip
def test_options_are_checked_when_they_are_saved(able: ServedModel, options: Any, field: str | None) -> None:
    deployment = Deployment(name="gpu-1", model=able, url="http://10.0.0.5:8000", triton_model="m", options=options)
    problems = {}
    try:
        deployment.full_clean()
    except Exception as error:  # noqa: BLE001
        problems = error.message_dict
    assert set(problems) == ({field} if field else set())

"""Embeddings through the whole stack, as OpenAI's SDK sees them."""

import base64
import json
import struct
import uuid

import numpy as np
import pytest
from openai.types import CreateEmbeddingResponse

from inference.tensor_presets import PRESETS
from inference.tokenization import Tokenizer
from tests.engines import ROOT
from tests.live.asking import call, check, check_headers
from tests.live.engines import eventually
from tests.live.test_usage import record

pytestmark = pytest.mark.live

MODEL = "demo-embed"
PATH = "/v1/embeddings"
TEXTS = ["A ship in the harbour.", "Ships lie in the harbour.", "Invoices are due within 14 days."]


def near(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors of length 1."""
    return float(np.dot(one, other))


def test_the_sdk_gets_vectors_in_the_order_of_its_texts(client):
    answer = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
    check_headers(answer.http_response)
    # Asked for as base64 by the SDK, and decoded by it.
    assert json.loads(answer.http_response.request.content)["encoding_format"] == "base64"
    parsed = answer.parse()
    vectors = [one.embedding for one in parsed.data]
    assert [one.index for one in parsed.data] == [0, 1, 2]
    assert [len(vector) for vector in vectors] == [256] * 3
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert near(vectors[0], vectors[1]) > near(vectors[0], vectors[2]) + 0.2
    assert parsed.usage.prompt_tokens == parsed.usage.total_tokens > 0


async def test_the_async_sdk_gets_them_too(async_client):
    answer = await async_client.embeddings.create(model=MODEL, input="Hello")
    assert len(answer.data[0].embedding) == 256


def test_floats_and_base64_are_the_same_numbers(server, stack):
    body = {"model": MODEL, "input": TEXTS[:2]}
    answer = call(server, stack.api_key, path=PATH, json=body)
    CreateEmbeddingResponse.model_validate_json(answer.content, strict=True)
    floats = answer.json()["data"]
    coded = call(server, stack.api_key, path=PATH, json={**body, "encoding_format": "base64"}).json()["data"]
    for plain, one in zip(floats, coded, strict=True):
        raw = base64.b64decode(one["embedding"])
        assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == plain["embedding"]


def test_what_engine_bill_and_client_count_is_the_same(server, stack):
    answer = call(server, stack.api_key, path=PATH, json={"model": MODEL, "input": TEXTS})
    row = record(server, stack, answer.headers["x-request-id"])
    assert row["input_tokens"] == answer.json()["usage"]["prompt_tokens"]
    assert (row["endpoint"], row["outcome"], row["token_source"]) == ("embeddings", "completed", "reported")
    assert (row["output_tokens"], row["documents"], row["images"]) == (0, 0, 0)
    assert row["cost_nano"] == row["input_tokens"] * 150


def test_many_texts_come_back_in_order(uvicorn, stack):
    texts = [f"Text number {number}." for number in range(2048)]
    answer = call(uvicorn, stack.api_key, path=PATH, json={"model": MODEL, "input": texts}).json()
    assert [one["index"] for one in answer["data"]] == list(range(2048))
    alone = call(uvicorn, stack.api_key, path=PATH, json={"model": MODEL, "input": texts[1500]}).json()
    assert answer["data"][1500]["embedding"] == alone["data"][0]["embedding"]
    assert answer["data"][1499]["embedding"] != alone["data"][0]["embedding"]


def test_embeddings_may_be_cut_where_the_model_allows_it(client, server, stack):
    whole = client.embeddings.create(model=MODEL, input="Hello there").data[0].embedding
    cut = client.embeddings.create(model=MODEL, input="Hello there", dimensions=64).data[0].embedding
    start = np.array(whole[:64])
    assert cut == pytest.approx(start / np.linalg.norm(start), abs=1e-6)
    answer = call(server, stack.api_key, path=PATH, json={"model": MODEL, "input": "Hello", "dimensions": 100})
    error = check(answer, 400, "invalid_request_error", "invalid_value", "dimensions")
    assert "64" in error["message"]


def test_token_ids_are_embedded_as_their_text(client, stack):
    ids = Tokenizer(ROOT / "demo" / "assets" / "demo-chat" / "tokenizer.json").encode("A ship in the harbour.")
    as_text = client.embeddings.create(model=MODEL, input="A ship in the harbour.").data[0].embedding
    assert client.embeddings.create(model=MODEL, input=ids).data[0].embedding == as_text
    two = client.embeddings.create(model=MODEL, input=[ids, ids]).data
    assert [one.embedding for one in two] == [as_text, as_text]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": []}, "empty_array", "input"),
        ({"input": ""}, "empty_string", "input"),
        ({"input": ["a", ""]}, "empty_string", "input[1]"),
        ({"input": ["a", 1]}, "invalid_type", "input[1]"),
        ({"input": ["a"] * 2049}, "array_above_max_length", "input"),
        ({"input": [[1], [10**9]]}, "invalid_value", "input[1]"),
        ({"input": "a", "encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"input": "word " * 9000}, "context_length_exceeded", "input"),
        ({"input": ["a", "word " * 9000]}, "context_length_exceeded", "input[1]"),
        ({"input": ["word " * 7000] * 50}, "max_tokens_per_request", "input"),
        ({}, "missing_required_parameter", "input"),
    ],
)
def test_what_cannot_be_embedded_is_refused(uvicorn, stack, fields, code, param):
    answer = call(uvicorn, stack.api_key, path=PATH, json={"model": MODEL, **fields})
    check(answer, 400, "invalid_request_error", code, param)


def test_other_models_do_not_embed(uvicorn, stack):
    answer = call(uvicorn, stack.api_key, path=PATH, json={"model": "demo-chat", "input": "a"})
    check(answer, 404, "invalid_request_error", "model_not_found", "model")


def test_a_model_that_triton_does_not_have_is_unavailable(server, stack):
    name = f"lost-{uuid.uuid4().hex[:8]}"
    tensor_map = json.dumps({**PRESETS["text-embedding"].tensor_map, "max_batch": 4})
    sizes = ("--context-length", "512", "--capability", "embeddings")
    stack.manage("publish_model", name, "--unpublished", *sizes)
    deployment = ("--model", name, "--url", stack.triton_url, "--triton-model", "nowhere", "--tensor-map", tensor_map)
    stack.manage("add_deployment", name, *deployment)
    assert "not ready" in stack.manage("check_deployment", name, check=False).stdout
    stack.manage("publish_model", name)
    eventually(lambda: call(server, stack.api_key, "GET", f"/v1/models/{name}").status_code == 200)
    answer = call(server, stack.api_key, path=PATH, json={"model": name, "input": "a"})
    check(answer, 503, "server_error", "server_is_overloaded")
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["outcome"], row["cost_nano"]) == ("failed", 0)


def test_a_map_that_does_not_fit_the_model_in_triton_is_refused(stack):
    engine = ("--url", stack.triton_url, "--triton-model", "demo-rerank", "--preset", "text-embedding")
    done = stack.manage("add_deployment", "misfit", "--model", MODEL, *engine, check=False)
    assert done.returncode != 0
    assert "The model has no input TEXT; it has DOCUMENTS, QUERY." in done.stderr


def test_every_demo_deployment_fits(stack):
    reports = stack.manage_json("check_deployment", "demo-embed", "demo-rerank", "demo-image")
    assert [report["problems"] for report in reports] == [[], [], []]

"""What was answered is on record when the client has its last byte, with the right counts and price."""

import csv
import io
import json
import uuid

import httpx
import openai
import pytest

from tests.live.asking import check
from tests.live.engines import eventually
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

ASK = [{"role": "user", "content": "[[n=20]]"}]


def get(server: Server, key: str, path: str, **params: str) -> httpx.Response:
    return httpx.get(f"{server.v1}{path}", params=params, headers={"authorization": f"Bearer {key}"}, timeout=30)


def record(server: Server, stack: Stack, request_id: str) -> dict:
    found = [row for row in get(server, stack.api_key, "/usage/records").json()["data"] if row["id"] == request_id]
    assert len(found) == 1, f"{len(found)} records of {request_id}"
    return found[0]


def make_key(stack: Stack, *options: str) -> str:
    """A new key of the demo organization."""
    return stack.manage_json("issue_key", stack.organization, f"test {uuid.uuid4().hex[:8]}", *options)["key"]


def test_the_record_is_there_when_the_answer_is(server, client, stack):
    answer = client.chat.completions.create(model="demo-chat", messages=ASK)
    row = record(server, stack, answer.id.removeprefix("chatcmpl-"))
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["outcome"] == "completed"
    assert row["token_source"] == "reported"
    assert row["streamed"] is False
    assert row["endpoint"] == "chat.completions"
    assert 0 <= row["queue_ms"] <= row["first_token_ms"] <= row["total_ms"]


def test_the_record_is_there_before_done(server, stack):
    body = {"model": "demo-chat", "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    headers = {"authorization": f"Bearer {stack.api_key}"}
    with httpx.stream("POST", f"{server.v1}/chat/completions", json=body, headers=headers, timeout=60) as answer:
        for line in answer.iter_lines():
            if '"usage":{' in line:
                usage = json.loads(line.removeprefix("data: "))["usage"]
                row = record(server, stack, answer.headers["x-request-id"])
    assert row["output_tokens"] == usage["completion_tokens"]
    assert row["streamed"] is True


def test_the_cost_is_the_tokens_times_the_price(server, client, stack):
    sums = get(server, stack.api_key, "/usage/records", limit="1").json()
    assert sums["currency"] == "EUR"
    answer = client.chat.completions.create(model="demo-chat", messages=ASK)
    row = record(server, stack, answer.id.removeprefix("chatcmpl-"))
    prices = stack.manage(
        "shell",
        "--no-imports",
        "-c",
        "from billing.models import PriceVersion as P; p = P.objects.get(model_class='standard', organization=None);"
        " print(p.input_nano, p.output_nano)",
    ).stdout.split()
    input_nano, output_nano = map(int, prices[-2:])
    exact = row["input_tokens"] * input_nano + row["output_tokens"] * output_nano
    assert row["cost_nano"] == (exact + 500_000) // 1_000_000
    assert row["cost_nano"] > 0


def test_a_page_leads_to_the_next(server, client, stack):
    for _ in range(3):
        client.chat.completions.create(model="demo-chat", messages=ASK, max_tokens=1)
    first = get(server, stack.api_key, "/usage/records", limit="2").json()
    assert first["has_more"] is True
    assert len(first["data"]) == 2
    second = get(server, stack.api_key, "/usage/records", limit="2", after=first["last_id"]).json()
    ids = [row["id"] for row in first["data"] + second["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids)


def test_sums_by_day_model_and_key_follow_the_records(server, stack, worker):
    # Of its own: other tests' records are more than one page.
    customer = f"sums-{uuid.uuid4().hex[:8]}"
    stack.manage("create_organization", customer)
    keys = [
        stack.manage_json("issue_key", customer, f"key {number}", "--scope", "chat", "--scope", "usage:read")["key"]
        for number in range(2)
    ]
    for key in keys:
        with openai.OpenAI(base_url=server.v1, api_key=key) as client:
            client.chat.completions.create(model="demo-chat", messages=ASK)
    rows = get(server, keys[0], "/usage/records").json()["data"]
    assert len(rows) == 2
    stack.manage("shell", "--no-imports", "-c", "from billing.tasks import roll_up_usage; roll_up_usage.delay()")

    def sums(by: str) -> list[dict]:
        return get(server, keys[0], "/usage", by=by).json()["data"]

    eventually(lambda: sum(row["requests"] for row in sums("day")) == len(rows), seconds=30)
    assert [row["group"] for row in sums("model")] == ["demo-chat"]
    assert len(sums("key")) == len(keys)
    for by in ("day", "model", "key"):
        assert sum(row["output_tokens"] for row in sums(by)) == sum(row["output_tokens"] for row in rows)


def test_csv_has_every_record_of_the_period(server, client, stack):
    client.chat.completions.create(model="demo-chat", messages=ASK, max_tokens=1)
    answer = get(server, stack.api_key, "/usage/records", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    listed = get(server, stack.api_key, "/usage/records", limit="999").json()["data"]
    assert {row["id"] for row in listed} <= {line["id"] for line in lines}
    assert get(server, stack.api_key, "/usage", format="csv", by="key").text.startswith("group,")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"by": "colour"}, "by"),
        ({"start": "yesterday"}, "start"),
        ({"start": "99999999999999999"}, "start"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
        ({"end": "9999-12-31"}, "end"),
        ({"start": "2026-11-02", "end": "2026-11-01"}, "end"),
        ({"format": "xml"}, "format"),
    ],
)
def test_a_wrong_parameter_is_named(server, stack, params, param):
    answer = get(server, stack.api_key, "/usage", **params)
    check(answer, 400, "invalid_request_error", "invalid_value", param)


@pytest.mark.parametrize("limit", ["0", "1001", "x", "9" * 5000])
def test_a_page_has_its_bounds(server, stack, limit):
    answer = get(server, stack.api_key, "/usage/records", limit=limit)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"


def test_a_query_of_too_many_fields_is_refused(server, stack):
    assert get(server, stack.api_key, "/usage", **{f"a{i}": "1" for i in range(1100)}).status_code == 400


def test_usage_needs_its_scope(server, stack):
    key = make_key(stack)
    for path in ("/usage", "/usage/records"):
        check(get(server, key, path), 403, "permission_error", "missing_scope")


def test_another_organization_sees_nothing_of_it(server, client, stack):
    client.chat.completions.create(model="demo-chat", messages=ASK, max_tokens=1)
    slug = f"other-{uuid.uuid4().hex[:8]}"
    stack.manage("create_organization", slug, "--name", "Other")
    key = stack.manage_json("issue_key", slug, "reader", "--scope", "usage:read")["key"]
    for path in ("/usage", "/usage/records"):
        assert get(server, key, path).json()["data"] == []
        table = get(server, key, path, format="csv")
        assert table.status_code == 200
        assert len(table.text.splitlines()) == 1

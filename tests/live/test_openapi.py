"""The published description holds against the running server: requests made of it, right and wrong ones."""

import json
import os
from collections import Counter
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from inference.api.openapi.document import document
from tests.live.asking import bearer
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
EVENTS = "text/event-stream"
# Schemathesis makes 3,500 requests that each break or just fit one thing, and some at random. One in so many of the
# former, and so many of the latter for each operation, are what a run of all tests has time for: SCHEMATHESIS=all makes
# all of them.
ALL = os.environ.get("SCHEMATHESIS") == "all"
STRIDE, EXAMPLES = (1, 100) if ALL else (7, 6)
# Other addresses of what is tried already.
SAME = "^$" if ALL else "^/rerank|/v2/rerank$|{response_id}/"
# Which model serves what; without one that there is, hardly a request would get far.
SERVED_BY = {"/v1/embeddings": "demo-embed", "/v1/images/generations": "demo-image", "/v1/images/edits": "demo-image"}
# What would only take long.
MOST = {"n": 2, "best_of": 2, "max_tokens": 20, "max_completion_tokens": 20, "max_output_tokens": 20, "min_tokens": 20}

schema = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig()).exclude(path_regex=SAME)
counted: Counter[str] = Counter()


def closed(schema: Any) -> Any:
    """The same where objects have no other fields than those that are named."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


COMPONENTS = closed(document()["components"])


@cache
def strict(method: str, path: str, media_type: str) -> jsonschema_rs.Draft202012Validator:
    """What a 200 may hold, and nothing else; of a stream, what the data of an event may."""
    content = document()["paths"][path][method.lower()]["responses"]["200"]["content"]
    schema = content[media_type]["schema"]
    if media_type == EVENTS:
        schema = schema["properties"]["data"]["anyOf"][0]["contentSchema"]
    return jsonschema_rs.Draft202012Validator({**closed(schema), "components": COMPONENTS})


def check_that_nothing_is_kept_back(case: schemathesis.Case, answer: schemathesis.Response) -> None:
    """Asserts that a good answer has no field that the description does not tell."""
    media_type = answer.headers["content-type"][0].partition(";")[0]
    if answer.status_code != 200 or media_type == "text/csv":
        return
    validator = strict(case.method, case.path, media_type)
    if media_type != EVENTS:
        validator.validate(json.loads(answer.content))
        return
    for line in answer.content.decode().splitlines():
        if line.startswith("data: {"):
            validator.validate(json.loads(line.removeprefix("data: ")))


def guided(path: str, body: Any) -> Any:
    """The same body for a model that there is, and without numbers that would take long."""
    if not isinstance(body, dict):
        return body
    found = {name: min(value, MOST[name]) if _counts(name, value) else value for name, value in body.items()}
    if isinstance(found.get("model"), str):
        found["model"] = "demo-rerank" if path.endswith("rerank") else SERVED_BY.get(path, "demo-chat")
    if path.startswith("/v1/images/") and "size" in found:
        found["size"] = "64x64"
    return found


def _counts(name: str, value: Any) -> bool:
    return name in MOST and isinstance(value, int) and not isinstance(value, bool)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_nothing_that_fits_or_breaks_the_description_gets_an_answer_that_it_does_not_tell(
    case: schemathesis.Case, uvicorn: Server, stack: Stack
) -> None:
    counted[case.path] += 1
    if case.meta is not None and case.meta.phase.name == TestPhase.COVERAGE and counted[case.path] % STRIDE:
        return
    case.body = guided(case.path, case.body)
    headers = bearer(stack.api_key)
    answer = case.call(base_url=uvicorn.url, headers=headers, timeout=30)
    case.validate_response(answer, checks=CHECKS, headers=headers)
    check_that_nothing_is_kept_back(case, answer)

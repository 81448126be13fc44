"""What is proposed to a key that asks for a model which is not there."""

import json
import time

import pytest

from accounts.models import Organization
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from inference.models import ServedModel
from inference.near_names import fingerprint, nearest
from inference.services import grant_model, publish_model
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.getting import Got, fetch

NAMES = ("demo-chat", "openai/gpt-oss-120b", "openai/gpt-oss-20b", "Qwen/Qwen3-32B", "bge-m3", "bge-reranker-v2-m3")
KNOWN = [(name, name, fingerprint(name)) for name in NAMES]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("dmeo-chat", ["demo-chat"]),
        ("DEMO_CHAT", ["demo-chat"]),
        ("demo", ["demo-chat"]),
        ("qwen3-32b", ["Qwen/Qwen3-32B"]),
        ("gpt-oss-120b", ["openai/gpt-oss-120b", "openai/gpt-oss-20b"]),
        ("gpt-4o", []),
        ("", []),
        ("🚢", []),
        ("-/-", []),
        ("x" * 100_000, []),
    ],
)
def test_near_names_are_found(wanted: str, near: list[str]) -> None:
    assert nearest(wanted, KNOWN) == near


def test_three_at_most_and_each_model_once() -> None:
    family = [(f"model-{n}", f"model-{n}", fingerprint(f"model-{n}")) for n in range(9)]
    assert nearest("model", family) == ["model-0", "model-1", "model-2"]
    small = [(name, "acme/small", fingerprint(name)) for name in ("smal", "smalll", "acme/small", "ACME-small")]
    assert nearest("acme-smal", small) == ["acme/small"]


def test_a_long_name_among_many_models_costs_milliseconds() -> None:
    many = [(f"organization-{n}/model-{n}", str(n), fingerprint(f"organization-{n}/model-{n}")) for n in range(1000)]
    began = time.process_time()
    for _ in range(10):
        nearest("organization-model" * 100_000, many)
    assert (time.process_time() - began) / 10 < 0.05


def chat(key: str, model: str) -> Got:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    return fetch("/v1/chat/completions", key, method="POST", body=body, content_type="application/json")


@pytest.mark.django_db(transaction=True)
def test_only_what_the_key_may_use_is_proposed_wherever_a_model_is_looked_up(model: ServedModel) -> None:
    reeder, kontor = (create_organization(actor=ACTOR, slug=slug, name=slug) for slug in ("reeder", "kontor"))
    publish_model(actor=ACTOR, model_id="acme/small-secret", visibility="granted", **SIZES)
    ours = publish_model(actor=ACTOR, model_id="acme/small-ours", visibility="granted", **SIZES)[0]
    grant_model(actor=ACTOR, model=ours, organization=reeder)

    def key(organization: Organization, **restricted: list[str]) -> str:
        name = f"key {restricted}"
        return issue_key(actor=ACTOR, project=default_project_of(organization), name=name, **restricted).text

    start = "The model `acme/smal` does not exist or you do not have access to it."
    expected = {
        key(reeder): f"{start} Did you mean `acme/small` or `acme/small-ours`?",
        key(kontor): f"{start} Did you mean `acme/small`?",
        key(kontor, allowed_models=["acme/small-ours"]): start,
    }
    for text, message in expected.items():
        for answer in (chat(text, "acme/smal"), fetch("/v1/models/acme/smal", text)):
            assert answer.status == 404
            assert answer.error == {
                "message": message,
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }

"""A model that answers for an organization where it asks for one that is not there."""

import asyncio
import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Organization
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from billing.services import set_price
from inference.backends.transport import close_transport
from inference.models import FallbackModel, ServedModel
from inference.services import add_deployment, publish_model, remove_fallback_model, save_fallback_model
from tests.inference.asking import start_engine
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.getting import Got, answer, fetch

HEADER = "x-hanse-model-fallback"
in_requests = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reeder(db: None) -> Organization:
    return create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster")


def key_of(organization: Organization, **restricted: list[str]) -> str:
    name = f"key {restricted}"
    return issue_key(actor=ACTOR, project=default_project_of(organization), name=name, **restricted).text


def fall_back(organization: Organization, model: ServedModel) -> FallbackModel:
    return save_fallback_model(actor=ACTOR, fallback=FallbackModel(organization=organization, model=model))


def chat(model: str, **more: Any) -> dict[str, Any]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}).encode()
    return {"method": "POST", "body": body, "content_type": "application/json"}


def refused(key: str, model: str) -> tuple[int, str]:
    got = fetch("/v1/chat/completions", key, **chat(model))
    return got.status, got.error["code"]


def answered(model: ServedModel, key: str, *requests: dict[str, Any]) -> list[Got]:
    """The answers to chat requests, one after the other, by an engine behind `model`."""

    async def ask_all() -> list[Got]:
        server, url = await start_engine()
        target = {"name": "gpu-1", "url": url, "triton_model": "small", "adapter": "triton_vllm"}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            return [await answer("/v1/chat/completions", key, **request) for request in requests]
        finally:
            await close_transport()
            await writer().close()
            server.close()

    return asyncio.run(ask_all())


@in_requests
def test_the_answer_says_which_model_answered_and_costs_what_that_one_costs(
    model: ServedModel, reeder: Organization
) -> None:
    set_price(input_nano=7_000_000, output_nano=9_000_000, model_id="acme/small")
    fall_back(reeder, model)
    whole, stream, named, alias = answered(
        model, key_of(reeder), chat("gpt-4o"), chat("gpt-4o", stream=True), chat("acme/small"), chat("small")
    )
    assert [got.status for got in (whole, stream, named, alias)] == [200] * 4
    assert [got.headers.get(HEADER) for got in (whole, stream, named, alias)] == ["acme/small"] * 2 + [None] * 2
    assert (whole.json["model"], alias.json["model"]) == ("acme/small", "acme/small")
    first = json.loads(stream.body.split(b"\n\n")[0].removeprefix(b"data: "))
    assert first["model"] == "acme/small"
    for record in UsageRecord.objects.all():
        assert record.model_id == "acme/small"
        assert record.cost_nano == record.input_tokens * 7 + record.output_tokens * 9
    assert UsageRecord.objects.count() == 4


@in_requests
def test_only_what_is_unknown_falls_back_and_only_to_what_the_key_may_use(
    model: ServedModel, reeder: Organization
) -> None:
    publish_model(actor=ACTOR, model_id="acme/secret", visibility="granted", **SIZES)
    publish_model(actor=ACTOR, model_id="acme/other", **SIZES)
    publish_model(actor=ACTOR, model_id="acme/embed", capabilities=["embeddings"], **SIZES)
    kontor = create_organization(actor=ACTOR, slug="kontor", name="Kontor Elbe")
    fall_back(reeder, model)
    # One that is hidden looks like one that is not there.
    (hidden,) = answered(model, key_of(reeder), chat("acme/secret"))
    assert (hidden.status, hidden.headers[HEADER]) == (200, "acme/small")
    assert refused(key_of(kontor), "gpt-4o") == (404, "model_not_found")
    assert refused(key_of(reeder, allowed_models=["acme/small"]), "acme/other") == (403, "model_not_allowed")
    assert refused(key_of(reeder, allowed_models=["acme/other"]), "gpt-4o") == (404, "model_not_found")
    assert refused(key_of(reeder, allowed_classes=["standard"]), "acme/embed") == (404, "model_not_found")
    assert fetch("/v1/models/gpt-4o", key_of(reeder, allowed_networks=["127.0.0.1"])).status == 404


@in_requests
def test_a_fallback_that_is_withdrawn_or_cannot_chat_answers_nothing(model: ServedModel, reeder: Organization) -> None:
    embed = publish_model(actor=ACTOR, model_id="acme/embed", capabilities=["embeddings"], **SIZES)[0]
    key = key_of(reeder)
    fallback = fall_back(reeder, embed)
    assert refused(key, "gpt-4o") == (404, "model_not_found")
    fallback.model = model
    save_fallback_model(actor=ACTOR, fallback=fallback)
    publish_model(actor=ACTOR, model_id="acme/small", published=False)
    assert refused(key, "gpt-4o") == (404, "model_not_found")


def test_setting_and_removing_are_audited(model: ServedModel, reeder: Organization) -> None:
    fallback = fall_back(reeder, model)
    remove_fallback_model(actor=ACTOR, fallback=fallback)
    assert not FallbackModel.objects.exists()
    events = AuditEvent.objects.filter(organization=reeder, action__contains="fallback").order_by("id")
    assert [(event.action, event.detail) for event in events] == [
        ("organization.fallback_model_set", {"model": "acme/small"}),
        ("organization.fallback_model_removed", {"model": "acme/small"}),
    ]


def test_what_the_organization_may_not_use_is_refused(model: ServedModel, reeder: Organization) -> None:
    hidden = publish_model(actor=ACTOR, model_id="acme/secret", visibility="granted", **SIZES)[0]
    draft = publish_model(actor=ACTOR, model_id="acme/draft", published=False, **SIZES)[0]
    for wrong in (hidden, draft):
        with pytest.raises(ValidationError) as refusal:
            fall_back(reeder, wrong)
        assert "model" in refusal.value.message_dict
    assert not FallbackModel.objects.exists()


def test_an_operator_sets_changes_and_removes_it(operating: Client, model: ServedModel, reeder: Organization) -> None:
    other = publish_model(actor=ACTOR, model_id="acme/other", **SIZES)[0]
    hidden = publish_model(actor=ACTOR, model_id="acme/secret", visibility="granted", **SIZES)[0]
    add = reverse("admin:inference_fallbackmodel_add")
    wrong = operating.post(add, {"organization": reeder.pk, "model": hidden.pk})
    assert "may not use" in wrong.context["adminform"].form.errors["model"][0]
    assert operating.post(add, {"organization": reeder.pk, "model": model.pk}).status_code == 302
    row = FallbackModel.objects.get()
    operating.post(reverse("admin:inference_fallbackmodel_change", args=[row.pk]), {"model": other.pk})
    row.refresh_from_db()
    assert (row.model, row.organization) == (other, reeder)
    assert b"acme/other" in operating.get(reverse("admin:inference_fallbackmodel_changelist")).content
    operating.post(reverse("admin:inference_fallbackmodel_delete", args=[row.pk]), {"post": "yes"})
    assert not FallbackModel.objects.exists()
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor_label) == ("organization.fallback_model_removed", "operator@hanse.example")

"""Writes to the catalogue: what is refused, what is audited, what is secret."""

import shutil
from datetime import date

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent
from accounts.services import create_organization
from billing.services import set_price
from inference.backend_secrets import BackendSecretUnreadable, seal, unseal
from inference.catalogue import _assets, load_catalogue, target_of
from inference.models import Deployment, ModelAlias, ServedModel, Visibility
from inference.services import add_deployment, delete_deployment, delete_model, grant_model, publish_model
from tests.inference.conftest import ACTOR, SIZES


def actions() -> list[str]:
    return [event.action for event in AuditEvent.objects.order_by("id")]


def test_a_model_without_a_price_is_not_published(db):
    with pytest.raises(ValidationError) as refused:
        publish_model(actor=ACTOR, model_id="m", **SIZES)
    assert "published" in refused.value.message_dict
    assert not ServedModel.objects.exists()
    assert publish_model(actor=ACTOR, model_id="m", published=False, **SIZES)[1]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"max_output_tokens": 5000}, "max_output_tokens"),
        ({"default_output_tokens": 300}, "default_output_tokens"),
        ({"context_length": 0}, "context_length"),
        ({"tool_parser": "openai"}, "tool_parser"),
        ({"tool_parser": "openai", "reasoning_parser": "qwen3"}, "tool_parser"),
        ({"reasoning_parser": "guess"}, "reasoning_parser"),
        ({"model_id": "with space"}, "model_id"),
        ({"model_class": "gold"}, "model_class"),
        ({"model_id": "small"}, "model_id"),
        ({"assets": ""}, "assets"),
        ({"assets": "nowhere"}, "assets"),
        ({"chat_template": "{% if"}, "chat_template"),
        ({"fim_template": "{{ prefix }}"}, "fim_template"),
        ({"capabilities": ["completions"], "fim_template": "{% if"}, "fim_template"),
        ({"capabilities": ["completions"], "assets": ""}, "assets"),
    ],
)
def test_a_wrong_field_is_named(model, fields, field):
    with pytest.raises(ValidationError) as refused:
        publish_model(actor=ACTOR, **{"model_id": "other", **SIZES, **fields})
    assert field in refused.value.message_dict


@pytest.mark.parametrize(
    ("capability", "item"), [("rerank", "document"), ("images", "image"), ("image_edits", "image")]
)
def test_what_is_paid_by_the_piece_needs_a_price_for_it(prices, capability, item):
    fields = {"model_id": "m", "capabilities": [capability], "context_length": 512}
    with pytest.raises(ValidationError) as refused:
        publish_model(actor=ACTOR, **fields)
    assert item in refused.value.message_dict["published"][0]
    set_price(model_class="standard", input_nano=1, output_nano=1, **{f"{item}_nano": 5})
    assert publish_model(actor=ACTOR, **fields)[1]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"capabilities": ["embeddings"], "context_length": 0}, "context_length"),
        ({"embedding_dimensions": [0]}, "embedding_dimensions"),
        ({"embedding_dimensions": ["64"]}, "embedding_dimensions"),
        ({"embedding_dimensions": {"64": 1}}, "embedding_dimensions"),
    ],
)
def test_a_wrong_field_of_a_model_of_vectors_is_named(prices, fields, field):
    usual = {"model_id": "m", "capabilities": ["embeddings"], "context_length": 512}
    with pytest.raises(ValidationError) as refused:
        publish_model(actor=ACTOR, **{**usual, **fields})
    assert field in refused.value.message_dict


def test_a_model_of_vectors_needs_neither_assets_nor_output_limits(prices):
    publish_model(actor=ACTOR, model_id="m", capabilities=["embeddings"], context_length=512, embedding_dimensions=[64])
    (offer,) = load_catalogue().offers
    assert (offer.assets, offer.max_output_tokens, offer.embedding_dimensions) == (None, 0, (64,))


def test_publishing_twice_changes_and_records_nothing(model):
    before = actions()
    again, created = publish_model(actor=ACTOR, model_id="acme/small", aliases=["small"], **SIZES)
    assert (again.pk, created) == (model.pk, False)
    assert actions() == before


def test_aliases_are_replaced_as_a_whole(model):
    publish_model(actor=ACTOR, model_id="acme/small", aliases=["tiny"])
    assert list(ModelAlias.objects.values_list("alias", flat=True)) == ["tiny"]


def test_an_alias_may_not_be_another_models_id(model):
    with pytest.raises(ValidationError):
        publish_model(actor=ACTOR, model_id="other", aliases=["acme/small"], **SIZES)
    assert not ServedModel.objects.filter(model_id="other").exists()


def test_a_deployment_is_added_changed_and_removed_on_record(model):
    url = "http://127.0.0.1:8000"
    first = {"actor": ACTOR, "name": "one", "model": model, "url": url, "triton_model": "m"}
    deployment, created = add_deployment(**first)
    assert created
    assert add_deployment(**first) == (deployment, False)
    add_deployment(**first, weight=0)
    delete_deployment(actor=ACTOR, deployment=deployment)
    assert actions()[-3:] == ["deployment.created", "deployment.changed", "deployment.deleted"]
    assert not Deployment.objects.exists()


def test_an_engines_secret_rests_encrypted_and_travels_in_its_header(model):
    deployment, _ = add_deployment(
        actor=ACTOR,
        name="one",
        model=model,
        url="http://127.0.0.1:8000/",
        triton_model="m",
        secret="open sesame",
        secret_header="x-engine-key",
    )
    assert "sesame" not in Deployment.objects.get(pk=deployment.pk).secret_value
    target = target_of(deployment)
    assert target.headers == {"x-engine-key": "open sesame"}
    assert target.url == "http://127.0.0.1:8000"
    assert "sesame" not in str(list(AuditEvent.objects.values()))


def test_a_secret_of_another_key_is_unreadable_and_takes_only_its_deployment_out(model, settings):
    add_deployment(
        actor=ACTOR, name="one", model=model, url="http://127.0.0.1:1", triton_model="m", secret="s", secret_header="x"
    )
    add_deployment(actor=ACTOR, name="two", model=model, url="http://127.0.0.1:1", triton_model="m")
    sealed = seal("s")
    settings.SECRET_KEY = "another key that is long enough to be one"
    with pytest.raises(BackendSecretUnreadable):
        unseal(sealed)
    assert [target.name for target in load_catalogue().by_name["acme/small"].targets] == ["two"]


def test_the_snapshot_holds_what_is_published(model, django_assert_max_num_queries):
    for number in range(5):
        publish_model(actor=ACTOR, model_id=f"model-{number}", **SIZES)
    publish_model(actor=ACTOR, model_id="hidden", published=False, **SIZES)
    publish_model(actor=ACTOR, model_id="gone", lifecycle="retired", **SIZES)
    publish_model(actor=ACTOR, model_id="due", lifecycle="deprecated", retires_on=date(2026, 1, 1), **SIZES)
    with django_assert_max_num_queries(6):
        snapshot = load_catalogue()
    assert {offer.model_id for offer in snapshot.offers} == {"acme/small", *(f"model-{n}" for n in range(5))}
    assert snapshot.by_name["small"].model_id == "acme/small"


def test_a_granted_model_names_its_organizations(model):
    organization = create_organization(actor=ACTOR, slug="acme", name="Acme")
    publish_model(actor=ACTOR, model_id="acme/small", visibility=Visibility.GRANTED)
    assert grant_model(actor=ACTOR, model=model, organization=organization)
    assert not grant_model(actor=ACTOR, model=model, organization=organization)
    assert load_catalogue().by_name["small"].granted == frozenset({organization.pk})


def test_a_model_with_broken_assets_leaves_the_others(model, settings, tmp_path):
    shutil.copytree(settings.MODEL_ASSETS_DIR / "demo-chat", tmp_path / "demo-chat")
    shutil.copytree(settings.MODEL_ASSETS_DIR / "demo-chat", tmp_path / "broken")
    settings.MODEL_ASSETS_DIR = tmp_path
    publish_model(actor=ACTOR, model_id="broken", **{**SIZES, "assets": "broken"})
    (tmp_path / "broken" / "tokenizer.json").write_text("{")
    snapshot = load_catalogue()
    assert snapshot.by_name["broken"].assets is None
    assert "acme/small" in snapshot.by_name


def test_a_model_is_taken_away_with_its_deployments(model):
    add_deployment(actor=ACTOR, name="one", model=model, url="http://127.0.0.1:1", triton_model="m")
    delete_model(actor=ACTOR, model=model)
    assert not Deployment.objects.exists()
    assert actions()[-1] == "model.deleted"


def test_assets_that_no_model_uses_any_more_are_forgotten(model):
    first = load_catalogue().by_name["acme/small"].assets
    assert load_catalogue().by_name["acme/small"].assets is first
    for ending in ("1", "2"):
        publish_model(actor=ACTOR, model_id="acme/small", chat_template="{{ messages[0].content }}" + ending)
        load_catalogue()
    assert len(_assets) == 1
    assert first not in _assets.values()

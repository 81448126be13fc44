"""The catalogue in the operators' admin."""

from datetime import date

import pytest
from django.urls import reverse

from accounts.models import AuditEvent
from inference.models import Deployment, ModelAlias, ServedModel
from inference.services import add_deployment, publish_model
from tests.inference.conftest import ACTOR, SIZES

INLINES = {
    f"{prefix}-{part}": "0"
    for prefix in ("aliases", "grants", "deployments")
    for part in ("TOTAL_FORMS", "INITIAL_FORMS")
}
FORM = {
    "model_id": "acme/new",
    "published": "on",
    "model_class": "standard",
    "owned_by": "acme",
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "capabilities": ["chat"],
    "lifecycle": "active",
    "visibility": "public",
    "first_token_timeout": "60",
    "idle_timeout": "60",
    "total_timeout": "600",
    **{name: str(value) for name, value in SIZES.items()},
    "chat_template": "",
    **INLINES,
}


def test_an_operator_publishes_a_model_with_an_alias(operating, prices):
    alias = {"aliases-TOTAL_FORMS": "1", "aliases-0-alias": "new"}
    answer = operating.post(reverse("admin:inference_servedmodel_add"), FORM | alias)
    assert answer.status_code == 302, answer.context["errors"]
    assert ServedModel.objects.get().published
    assert ModelAlias.objects.get().alias == "new"
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor_label) == ("model.created", "operator@hanse.example")


def test_how_a_model_thinks_is_chosen_from_what_there_is(operating, prices):
    url = reverse("admin:inference_servedmodel_add")
    answer = operating.post(url, FORM | {"reasoning_parser": "harmony"})
    assert "not one of the available choices" in answer.content.decode()
    assert operating.post(url, FORM | {"reasoning_parser": "qwen3"}).status_code == 302
    assert ServedModel.objects.get().reasoning_parser == "qwen3"


@pytest.mark.parametrize(("typed", "sizes"), [("", []), ("[]", []), ("[64, 128]", [64, 128])])
def test_a_model_of_vectors_has_sizes_or_none(operating, prices, typed, sizes):
    fields = {"capabilities": ["embeddings"], "output_modalities": ["embedding"], "image_sizes": ""}
    none = {"max_output_tokens": "0", "default_output_tokens": "0", "assets": ""}
    answer = operating.post(
        reverse("admin:inference_servedmodel_add"), {**FORM, **fields, **none, "embedding_dimensions": typed}
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert ServedModel.objects.get().embedding_dimensions == sizes


def test_without_a_price_the_form_says_so_beside_the_field(operating):
    answer = operating.post(reverse("admin:inference_servedmodel_add"), FORM)
    assert answer.status_code == 200
    assert "No list price" in answer.context["adminform"].form.errors["published"][0]
    assert not ServedModel.objects.exists()


def test_without_its_files_the_form_says_so_beside_the_field(operating, prices):
    answer = operating.post(reverse("admin:inference_servedmodel_add"), FORM | {"assets": "nowhere"})
    assert "no folder" in answer.context["adminform"].form.errors["assets"][0]
    answer = operating.post(reverse("admin:inference_servedmodel_add"), FORM | {"chat_template": "{% if"})
    assert "chat_template" in answer.context["adminform"].form.errors
    assert not ServedModel.objects.exists()


def test_publishing_several_skips_those_without_a_price(operating, prices):
    for name in ("one", "two"):
        publish_model(actor=ACTOR, model_id=name, published=False, **SIZES)
    chosen = list(ServedModel.objects.values_list("pk", flat=True))
    url = reverse("admin:inference_servedmodel_changelist")
    operating.post(url, {"action": "publish", "_selected_action": chosen})
    assert ServedModel.objects.filter(published=True).count() == 2
    operating.post(url, {"action": "withdraw", "_selected_action": chosen[:1]})
    assert ServedModel.objects.filter(published=True).count() == 1


def test_a_deployments_secret_is_written_and_never_shown(operating, model):
    form = {
        "name": "one",
        "model": model.pk,
        "enabled": "on",
        "adapter": "triton_vllm",
        "url": "http://127.0.0.1:8000",
        "triton_model": "m",
        "options": "{}",
        "weight": "1",
        "max_concurrency": "8",
        "secret_header": "x-key",
        "secret": "open sesame",
    }
    assert operating.post(reverse("admin:inference_deployment_add"), form).status_code == 302
    deployment = Deployment.objects.get()
    sealed = deployment.secret_value
    page = operating.get(reverse("admin:inference_deployment_change", args=[deployment.pk]))
    assert "sesame" not in page.text
    assert sealed not in page.text
    operating.post(
        reverse("admin:inference_deployment_change", args=[deployment.pk]), form | {"secret": "", "weight": "2"}
    )
    deployment.refresh_from_db()
    assert (deployment.weight, deployment.secret_value) == (2, sealed)


def test_deployments_are_switched_and_checked_from_the_list(operating, model, triton):
    add_deployment(actor=ACTOR, name="good", model=model, url=triton.url, triton_model="demo-chat")
    chosen = [Deployment.objects.get().pk]
    url = reverse("admin:inference_deployment_changelist")

    def act(action: str) -> list[str]:
        answer = operating.post(url, {"action": action, "_selected_action": chosen}, follow=True)
        return [str(message) for message in answer.context["messages"]]

    assert act("check_engine") == ["good fits."]
    act("disable")
    assert not Deployment.objects.get().enabled
    act("enable")
    assert Deployment.objects.get().enabled


@pytest.mark.parametrize("page", ["servedmodel", "deployment"])
def test_lists_ask_no_query_for_each_row(operating, prices, page, connection_queries):
    def rows(first: int, last: int) -> None:
        for number in range(first, last):
            model, _ = publish_model(actor=ACTOR, model_id=f"model-{number}", retires_on=date(2027, 1, 1), **SIZES)
            url = "http://127.0.0.1:1"
            add_deployment(actor=ACTOR, name=f"deployment-{number}", model=model, url=url, triton_model="m")

    url = reverse(f"admin:inference_{page}_changelist")
    rows(0, 2)
    few = connection_queries(lambda: operating.get(url))
    rows(2, 12)
    assert connection_queries(lambda: operating.get(url)) == few

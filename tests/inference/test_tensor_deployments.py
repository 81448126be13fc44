"""Deployments with a tensor map: what is refused when they are saved, what Triton is asked, and the operator's form."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse

from inference.catalogue import load_catalogue
from inference.models import Deployment
from inference.services import add_deployment, publish_model
from inference.tensor_presets import PRESETS
from tests.engines import free_port
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.test_tensor_map import CONFIG

EMBEDDING = PRESETS["text-embedding"].tensor_map
NOBODY = f"http://127.0.0.1:{free_port()}"


@contextmanager
def triton(config: dict[str, Any] | None = CONFIG, secret: str = "") -> Iterator[str]:
    """A Triton that tells one model's configuration, or that it has none; its URL. `secret`: of its header X-Secret."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = config is not None and self.headers.get("x-secret", "") == secret
            body = json.dumps(config if known else {"error": "Request for unknown model"}).encode()
            self.send_response(200 if known else 400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def embedder(prices: None) -> Any:
    """A published model of vectors."""
    return publish_model(actor=ACTOR, model_id="m", capabilities=["embeddings"], context_length=512)[0]


def deploy(model: Any, url: str, **fields: Any) -> Deployment:
    """A deployment of it."""
    usual = {"adapter": "triton_tensors", "tensor_map": EMBEDDING, "triton_model": "m"}
    return add_deployment(actor=ACTOR, name="d", model=model, url=url, **{**usual, **fields})[0]


def refused(model: Any, url: str, **fields: Any) -> dict[str, list[str]]:
    """What is wrong with a deployment, by field."""
    with pytest.raises(ValidationError) as found:
        deploy(model, url, **fields)
    assert not Deployment.objects.exists()
    return found.value.message_dict


def test_a_map_that_fits_says_how_much_a_call_takes(embedder):
    with triton() as url:
        deployment = deploy(embedder, url)
        assert deployment.tensor_map == {**EMBEDDING, "max_batch": 64}
        # The same once more changes nothing.
        add_deployment(actor=ACTOR, name="d", model=embedder, url=url, triton_model="m", tensor_map=EMBEDDING)
    (offer,) = load_catalogue().offers
    assert offer.targets[0].tensor_map.max_batch == 64


def test_a_map_that_does_not_fit_is_refused(embedder):
    with triton({**CONFIG, "max_batch_size": 8}) as url:
        assert "at most 8" in refused(embedder, url, tensor_map={**EMBEDDING, "max_batch": 9})["tensor_map"][0]
        outputs = {"embedding": {"tensor": "VECTOR"}, "tokens": {"tensor": "TOKENS"}}
        assert (
            "no output VECTOR" in refused(embedder, url, tensor_map={**EMBEDDING, "outputs": outputs})["tensor_map"][0]
        )


@pytest.mark.parametrize("config", [None, [], "silent"])
def test_what_nobody_can_check_may_be_saved_with_a_batch(embedder, config):
    with triton(None if config == "silent" else config) as answering:
        url = NOBODY if config == "silent" else answering
        assert "max_batch" in refused(embedder, url)["tensor_map"][0]
        assert deploy(embedder, url, tensor_map={**EMBEDDING, "max_batch": 16}).pk


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tensor_map": {}}, "tensor_map"),
        ({"tensor_map": PRESETS["query-documents"].tensor_map}, "tensor_map"),
        # Nobody counts tokens, or makes them.
        ({"tensor_map": {**EMBEDDING, "outputs": {"embedding": {"tensor": "E"}}}}, "tensor_map"),
        ({"tensor_map": PRESETS["token-ids-embedding"].tensor_map}, "tensor_map"),
        ({"adapter": "triton_vllm"}, "adapter"),
    ],
)
def test_what_could_not_serve_the_model_is_refused(embedder, fields, field):
    assert field in refused(embedder, NOBODY, **fields)


def test_a_model_of_text_takes_no_tensor_map(prices):
    model = publish_model(actor=ACTOR, model_id="chat", **SIZES)[0]
    assert "adapter" in refused(model, NOBODY)


def test_the_secret_is_sent_to_be_asked_with(embedder):
    with triton(secret="canary") as url:
        assert deploy(embedder, url, secret="canary", secret_header="X-Secret").tensor_map["max_batch"] == 64


def test_the_command_takes_a_preset_or_a_map(embedder):
    def told(*more: str) -> str:
        out = StringIO()
        call_command("add_deployment", "d", "--model", "m", *more, stdout=out)
        return out.getvalue()

    with triton() as url:
        assert "Added" in told("--url", url, "--preset", "text-embedding")
        assert Deployment.objects.get().adapter == "triton_tensors"
        assert "Updated" in told("--url", url, "--tensor-map", json.dumps({**EMBEDDING, "max_batch": 4}))
        assert Deployment.objects.get().tensor_map["max_batch"] == 4
        with pytest.raises(CommandError, match="tensor_map: The input TEXT"):
            told("--url", url, "--tensor-map", json.dumps(EMBEDDING).replace("BYTES", "INT32"))


# -- the form ---------------------------------------------------------------------------------------------------------


def form(model: Any, url: str, **fields: str) -> dict[str, str]:
    """What a browser sends."""
    usual = {"name": "d", "model": str(model.pk), "enabled": "on", "adapter": "triton_tensors", "url": url}
    rest = {"triton_model": "m", "triton_version": "", "options": "{}", "preset": "", "tensor_map": "", "weight": "1"}
    return {**usual, **rest, "max_concurrency": "8", "secret_header": "", "secret": "", **fields}


ADD = "admin:inference_deployment_add"


def test_an_operator_chooses_a_preset(operating, embedder):
    with triton() as url:
        answer = operating.post(reverse(ADD), form(embedder, url, preset="text-embedding"))
    assert answer.status_code == 302, answer.context["errors"]
    assert Deployment.objects.get().tensor_map == {**EMBEDDING, "max_batch": 64}


def test_a_preset_that_does_not_fit_is_there_to_be_changed(operating, embedder):
    with triton({**CONFIG, "input": [{**CONFIG["input"][0], "name": "text"}]}) as url:
        answer = operating.post(reverse(ADD), form(embedder, url, preset="text-embedding"))
        assert answer.status_code == 200
        shown = answer.context["adminform"].form
        assert "no input TEXT; it has text" in shown.errors["tensor_map"][0]
        tensor_map = shown["tensor_map"].value()
        assert json.loads(tensor_map) == EMBEDDING
        changed = form(embedder, url, tensor_map=tensor_map.replace("TEXT", "text"))
        assert operating.post(reverse(ADD), changed).status_code == 302


def test_where_triton_is_silent_the_page_says_so_and_saves(operating, embedder):
    tensor_map = json.dumps({**EMBEDDING, "max_batch": 4})
    answer = operating.post(reverse(ADD), form(embedder, NOBODY, tensor_map=tensor_map), follow=True)
    assert "the map was not checked" in answer.content.decode()
    deployment = Deployment.objects.get()
    page = operating.get(reverse("admin:inference_deployment_change", args=[deployment.pk])).content.decode()
    # Over several lines, as a person would write it.
    assert "&quot;max_batch&quot;: 4\n}" in page.replace("\r", "")


def test_what_is_no_json_stays_as_it_was_typed(operating, embedder):
    answer = operating.post(reverse(ADD), form(embedder, NOBODY, tensor_map="{no", preset="text-embedding"))
    shown = answer.context["adminform"].form
    assert "valid JSON" in shown.errors["tensor_map"][0]
    assert shown["tensor_map"].value() == "{no"


def test_disabling_asks_nobody(operating, embedder):
    deployment = deploy(embedder, NOBODY, tensor_map={**EMBEDDING, "max_batch": 4})
    action = {"action": "disable", "_selected_action": str(deployment.pk)}
    answer = operating.post(reverse("admin:inference_deployment_changelist"), action, follow=True)
    assert "is disabled" in answer.content.decode()

"""The commands with which operators script the catalogue."""

import json

import pytest
from django.core.management import CommandError, call_command

from accounts.services import create_organization
from inference.models import Deployment, ServedModel
from tests.inference.conftest import ACTOR

SIZES = [
    "--assets",
    "demo-chat",
    "--context-length",
    "4096",
    "--max-output-tokens",
    "256",
    "--default-output-tokens",
    "64",
]


def told(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_model_is_published_once_and_updated_after(prices, capsys):
    call_command("publish_model", "m", *SIZES, "--class", "premium", "--alias", "a", "--alias", "b", "--json")
    assert told(capsys) == {"model": "m", "class": "premium", "created": True}
    call_command("publish_model", "m", "--description", "Better", "--json")
    assert told(capsys)["created"] is False
    model = ServedModel.objects.get()
    assert (model.description, model.context_length, model.model_class) == ("Better", 4096, "premium")
    assert sorted(alias.alias for alias in model.aliases.all()) == ["a", "b"]


def test_a_model_says_how_it_thinks(prices):
    call_command("publish_model", "m", *SIZES, "--reasoning-parser", "deepseek_r1")
    assert ServedModel.objects.get().reasoning_parser == "deepseek_r1"
    call_command("publish_model", "m", "--reasoning-parser", "")
    assert ServedModel.objects.get().reasoning_parser == ""
    with pytest.raises(CommandError, match="invalid choice: 'harmony'"):
        call_command("publish_model", "m", "--reasoning-parser", "harmony")


def test_sizes_that_are_no_single_number_are_given_as_json(prices):
    call_command("publish_model", "m", *SIZES, "--image-sizes", '{"only": ["512x512"], "default": "512x512"}')
    call_command("publish_model", "m", "--embedding-dimensions", "[256, 128]")
    model = ServedModel.objects.get()
    assert (model.image_sizes, model.embedding_dimensions) == ({"only": ["512x512"], "default": "512x512"}, [256, 128])
    with pytest.raises(CommandError, match=r"image_sizes: The default size is none"):
        call_command("publish_model", "m", "--image-sizes", '{"largest": 512}')
    with pytest.raises(CommandError, match="image-sizes"):
        call_command("publish_model", "m", "--image-sizes", "large")


def test_a_models_end_is_announced(prices):
    call_command("publish_model", "next", *SIZES)
    end = ("--lifecycle", "deprecated", "--deprecated-on", "2026-12-01", "--retires-on", "2027-06-01")
    call_command("publish_model", "m", *SIZES, *end, "--replacement", "next", "--input-modality", "text")
    model = ServedModel.objects.get(model_id="m")
    assert (str(model.retires_on), str(model.deprecated_on)) == ("2027-06-01", "2026-12-01")
    assert model.replacement.model_id == "next"
    with pytest.raises(CommandError, match="no model nothing"):
        call_command("publish_model", "m", "--replacement", "nothing")


def test_a_refused_model_says_why(db):
    with pytest.raises(CommandError, match=r"published: No list price"):
        call_command("publish_model", "m", *SIZES)


def test_a_model_is_granted(prices):
    organization = create_organization(actor=ACTOR, slug="acme", name="Acme")
    call_command("publish_model", "m", *SIZES, "--visibility", "granted", "--grant", "acme")
    assert list(ServedModel.objects.get().granted_to.all()) == [organization]
    with pytest.raises(CommandError, match="no organization nobody"):
        call_command("publish_model", "m", "--grant", "nobody")


def test_a_deployment_takes_its_secret_from_the_environment(model, monkeypatch, capsys):
    monkeypatch.setenv("ENGINE_SECRET", "open sesame")
    command = ["add_deployment", "one", "--model", "acme/small", "--url", "http://127.0.0.1:8000"]
    call_command(*command, "--secret-header", "x-key", "--secret-env", "ENGINE_SECRET", "--json")
    assert told(capsys) == {"deployment": "one", "model": "acme/small", "created": True}
    deployment = Deployment.objects.get()
    assert deployment.triton_model == "acme/small"
    assert deployment.secret_value
    call_command(*command, "--disabled")
    deployment.refresh_from_db()
    assert not deployment.enabled
    assert deployment.secret_value


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "nope", "--url", "http://127.0.0.1:1"], "no model nope"),
        (["--model", "acme/small", "--url", "ftp://127.0.0.1"], "url: "),
        (["--model", "acme/small", "--url", "http://127.0.0.1:1", "--secret-env", "NOT_SET_ANYWHERE"], "is empty"),
    ],
)
def test_a_refused_deployment_says_why(model, options, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("add_deployment", "one", *options)
    assert not Deployment.objects.exists()


def test_a_deployment_that_fits_is_told_from_those_that_do_not(model, triton, capsys):
    call_command("add_deployment", "good", "--model", "acme/small", "--url", triton.url, "--triton-model", "demo-chat")
    call_command(
        "add_deployment", "lost", "--model", "acme/small", "--url", "http://127.0.0.1:9", "--triton-model", "m"
    )
    call_command("add_deployment", "unknown", "--model", "acme/small", "--url", triton.url, "--triton-model", "nope")
    capsys.readouterr()
    call_command("check_deployment", "good")
    assert capsys.readouterr().out == "good: fits\n"
    with pytest.raises(SystemExit) as ended:
        call_command("check_deployment", "--json")
    assert ended.value.code == 1
    reports = {report["deployment"]: report for report in json.loads(capsys.readouterr().out)}
    assert reports["good"]["fits"]
    assert "Nothing answers" in reports["lost"]["problems"][0]
    assert "nope" in reports["unknown"]["problems"][0]

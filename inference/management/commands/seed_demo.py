"""`manage.py seed_demo`: a customer with a key, an operator, and the demo models with prices and deployments."""

import os
import secrets
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.keys import MalformedKey, digest_of, is_sealed, parse_key
from accounts.models import ApiKey, Organization, User
from accounts.scopes import SCOPES
from accounts.selectors import default_project_of, key_with_name
from accounts.services import create_organization, create_user, issue_key, revoke_key, rotate_key, set_password
from billing.models import PriceVersion
from billing.services import set_price
from inference.models import Deployment, ModelClass, ReasoningFormat
from inference.services import add_deployment, publish_model
from inference.tensor_presets import PRESETS

ACTOR = "command: seed_demo"
SLUG = "demo"
KEY_NAME = "Demo"
OPERATOR = "operator@demo.example"
CUSTOMER = "customer@demo.example"
# Nano-euro per million tokens: input, cached input, output.
PRICES = {
    ModelClass.STANDARD: (150_000_000, 75_000_000, 450_000_000),
    ModelClass.PREMIUM: (650_000_000, 325_000_000, 1_950_000_000),
}
# Nano-euro per document, and per image.
ITEM_PRICES: dict[str, dict[str, Any]] = {
    "demo-rerank": {"document_nano": 2_000},
    "demo-image": {"image_nano": 20_000_000},
}
# What demo/triton serves, as it is published; all have demo-chat's tokenizer.
MODELS: dict[str, dict[str, Any]] = {
    "demo-chat": {
        "aliases": ["demo"],
        "description": "A small deterministic generator for trying things out; it runs on any CPU.",
        "capabilities": ["chat", "completions", "tools", "structured_outputs", "logprobs", "reasoning"],
        "input_modalities": ["text", "image"],
        "reasoning_parser": ReasoningFormat.QWEN3,
        "tool_parser": "hermes",
        "fim_template": "<|fim_prefix|>{{ prefix }}<|fim_suffix|>{{ suffix }}<|fim_middle|>",
        "context_length": 8192,
        "max_output_tokens": 2048,
        "default_output_tokens": 512,
    },
    "demo-chat-harmony": {
        "description": "demo-chat in gpt-oss's format: thinks before each answer, calls one tool at a time.",
        "capabilities": ["chat", "completions", "tools", "structured_outputs", "logprobs", "reasoning"],
        "reasoning_parser": ReasoningFormat.OPENAI_GPTOSS,
        "tool_parser": "openai",
        "assets": "demo-chat-harmony",
        "context_length": 8192,
        "max_output_tokens": 2048,
        "default_output_tokens": 512,
    },
    "demo-ocr": {
        "description": "Reads the text in an image, where it is in a certain bitmap font, or says what it looks like.",
        "capabilities": ["chat"],
        "input_modalities": ["text", "image"],
        "context_length": 8192,
        "max_output_tokens": 2048,
        "default_output_tokens": 1024,
    },
    "demo-embed": {
        "description": "Embeds texts by their hashed character n-grams, so that similar texts are near.",
        "capabilities": ["embeddings"],
        "output_modalities": ["embedding"],
        "embedding_dimensions": [128, 64],
        "context_length": 8192,
    },
    "demo-rerank": {
        "description": "Ranks documents by BM25: how much of the query each of them answers.",
        "capabilities": ["rerank"],
        "output_modalities": ["score"],
        "context_length": 8192,
    },
    "demo-image": {
        "description": "Draws a landscape of shapes in the prompt's colours, and edits images.",
        "capabilities": ["images", "image_edits"],
        "input_modalities": ["text", "image"],
        "output_modalities": ["image"],
        "context_length": 2048,
    },
}
# Their maps name a batch where Triton, which need not run yet, would be asked for it.
TENSOR_MAPS: dict[str, dict[str, Any]] = {
    "demo-embed": {**PRESETS["text-embedding"].tensor_map, "max_batch": 64},
    "demo-rerank": PRESETS["query-documents"].tensor_map,
    "demo-image": PRESETS["prompt-files"].tensor_map,
}


class Command(BaseCommand):
    """Run again, it changes only the deployments' addresses, and makes anew what was lost from `var/demo`."""

    help = "Creates the demo: organization, people, key, prices, models and deployments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where Triton listens."""
        parser.add_argument("--triton-url", default=os.environ.get("TRITON_URL", ""), help="default: TRITON_URL")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Seeds the database, and the files under `VAR_DIR/demo` that tell its secrets."""
        if not options["triton_url"]:
            raise CommandError("Say where Triton listens: --triton-url, or TRITON_URL in the environment.")
        folder = Path(settings.VAR_DIR) / "demo"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        person(folder / "admin-login", OPERATOR, full_name="Demo operator", is_staff=True, is_superuser=True)
        customer = person(folder / "customer-login", CUSTOMER, full_name="Demo customer")
        organization = Organization.objects.filter(slug=SLUG).first() or create_organization(
            actor=ACTOR, slug=SLUG, name="Demo GmbH", owner=customer, city="Berlin", country="DE"
        )
        demo_key(folder / "api-key", organization)
        list_prices()
        for model_id, fields in MODELS.items():
            offer(model_id, options["triton_url"], **fields)
        self.stdout.write(f"The demo is there; its key and logins are in {folder}.")


def person(file: Path, email: str, **fields: Any) -> User:
    """The user `email`, with the password in `file`; a lost file gets a new password."""
    user = User.objects.filter(email=email).first()
    if file.is_file() and user is not None:
        return user
    password = file.read_text().strip().partition("\t")[2] if file.is_file() else secrets.token_urlsafe(15)
    if user is None:
        user = create_user(actor=ACTOR, email=email, password=password, **fields)
    else:
        set_password(actor=ACTOR, user=user, password=password)
    keep(file, f"{email}\t{password}\n")
    return user


def demo_key(file: Path, organization: Organization) -> None:
    """An active key of the organization, whose text is in `file`; a lost file costs the old secret its validity."""
    project = default_project_of(organization)
    api_key: ApiKey | None = key_with_name(project, KEY_NAME)
    if (
        api_key is not None
        and file.is_file()
        and api_key.status() == "active"
        and opens(file.read_text().strip(), api_key)
    ):
        return
    if api_key is not None and api_key.status() != "active":
        revoke_key(actor=ACTOR, api_key=api_key)
        api_key = None
    if api_key is None:
        issued = issue_key(actor=ACTOR, project=project, name=KEY_NAME, scopes=SCOPES)
    else:
        issued = rotate_key(actor=ACTOR, api_key=api_key, overlap=timedelta(0))
    keep(file, f"{issued.text}\n")


def opens(text: str, api_key: ApiKey) -> bool:
    """Whether `text` is a secret of `api_key` under the present pepper."""
    try:
        if not is_sealed(parse_key(text)):
            return False
    except MalformedKey:
        return False
    secret = api_key.secrets.filter(digest=digest_of(text, settings.API_KEY_PEPPER))
    return bool(secret.exclude(expires_at__lte=timezone.now()).exists())


def list_prices() -> None:
    """A list price for each class that has none."""
    for model_class, (input_nano, cached_input_nano, output_nano) in PRICES.items():
        if not PriceVersion.objects.filter(organization=None, model_class=model_class).exists():
            set_price(
                model_class=model_class,
                input_nano=input_nano,
                cached_input_nano=cached_input_nano,
                output_nano=output_nano,
            )


def offer(model_id: str, triton_url: str, **fields: Any) -> None:
    """Publishes a demo model, with its own list price where its class's does not do, and attaches its deployment."""
    items = ITEM_PRICES.get(model_id)
    if items and not PriceVersion.objects.filter(organization=None, model_id=model_id).exists():
        input_nano, cached_input_nano, output_nano = PRICES[ModelClass.STANDARD]
        set_price(
            model_id=model_id,
            input_nano=input_nano,
            cached_input_nano=cached_input_nano,
            output_nano=output_nano,
            **items,
        )
    model, _ = publish_model(
        actor=ACTOR, model_id=model_id, model_class=ModelClass.STANDARD, **{"assets": "demo-chat", **fields}
    )
    mapped: dict[str, Any] = {}
    if model_id in TENSOR_MAPS:
        mapped["adapter"] = Deployment.Adapter.TRITON_TENSORS
        mapped["tensor_map"] = TENSOR_MAPS[model_id]
    add_deployment(actor=ACTOR, name=model_id, model=model, url=triton_url, triton_model=model_id, **mapped)


def keep(file: Path, text: str) -> None:
    """Writes `text` to `file` for this user's eyes only."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)

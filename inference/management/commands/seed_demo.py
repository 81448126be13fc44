"""`manage.py seed_demo`: a customer with a key, an operator, a priced model and its deployment."""

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
from inference.models import ModelClass, ReasoningFormat
from inference.services import add_deployment, publish_model

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


class Command(BaseCommand):
    """Run again, it changes only the deployment's address, and makes anew what was lost from `var/demo`."""

    help = "Creates the demo: organization, people, key, prices, model and deployment."

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
        model, _ = publish_model(
            actor=ACTOR,
            model_id="demo-chat",
            aliases=["demo"],
            model_class=ModelClass.STANDARD,
            description="A small deterministic generator for trying things out; it runs on any CPU.",
            capabilities=["chat", "logprobs", "reasoning"],
            reasoning_parser=ReasoningFormat.QWEN3,
            context_length=8192,
            max_output_tokens=2048,
            default_output_tokens=512,
            assets="demo-chat",
        )
        add_deployment(actor=ACTOR, name="demo-chat", model=model, url=options["triton_url"], triton_model="demo-chat")
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


def keep(file: Path, text: str) -> None:
    """Writes `text` to `file` for this user's eyes only."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)

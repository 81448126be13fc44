"""`manage.py publish_model`: offers a model to customers, or changes the one that is."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from inference.management.words import in_words
from inference.models import Lifecycle, ModelClass, ReasoningFormat, ServedModel, ToolCallFormat, Visibility
from inference.services import grant_model, publish_model

# Options that are fields of the same name.
TEXT_FIELDS = {
    "description": "what customers read about it",
    "hugging-face-repository": "for example Qwen/Qwen3-32B",
    "owned-by": "shown as owned_by",
    "assets": "folder below MODEL_ASSETS_DIR with tokenizer and template",
    "chat-template": "Jinja; instead of the one of the assets",
    "fim-template": "Jinja with prefix and suffix, for completions with a suffix",
}
NUMBER_FIELDS = {
    "context-length": "tokens of prompt and answer together",
    "max-output-tokens": "most tokens of one answer",
    "default-output-tokens": "tokens of an answer whose request names no limit",
    "first-token-timeout": "seconds",
    "idle-timeout": "seconds between two tokens",
    "total-timeout": "seconds",
}


LIST_FIELDS = {
    "capability": "capabilities",
    "input-modality": "input_modalities",
    "output-modality": "output_modalities",
}
JSON_FIELDS = {
    "embedding-dimensions": "JSON list of the sizes to which embeddings may be cut, such as [1024, 512]",
    "image-sizes": """JSON of the sizes in which it draws, such as {"default": "512x512", "largest": 1024}""",
}
DATE_FIELDS = ("deprecated-on", "retires-on")


class Command(BaseCommand):
    """Creates or changes a model and publishes it; running it twice changes nothing the second time."""

    help = "Offers a model to customers. Options that are not given leave an existing model's values as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The model's id and its fields."""
        parser.add_argument("model_id")
        parser.add_argument("--class", dest="model_class", choices=ModelClass.values)
        parser.add_argument("--lifecycle", choices=Lifecycle.values)
        parser.add_argument("--visibility", choices=Visibility.values)
        formats = ("", *ReasoningFormat.values)
        text = "how it marks what it thinks; empty: it does not"
        parser.add_argument("--reasoning-parser", choices=formats, help=text)
        calls = ("", *ToolCallFormat.values)
        parser.add_argument("--tool-parser", choices=calls, help="how it writes calls of tools; empty: it makes none")
        parser.add_argument("--grant", action="append", default=[], metavar="SLUG", help="to an organization")
        parser.add_argument("--alias", action="append", metavar="NAME", help="another name; all of them")
        for option, field in LIST_FIELDS.items():
            parser.add_argument(f"--{option}", action="append", dest=field, metavar="NAME", help="may be repeated")
        for option in DATE_FIELDS:
            parser.add_argument(f"--{option}", type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--replacement", metavar="ID", help="the model to use instead")
        for option, text in TEXT_FIELDS.items():
            parser.add_argument(f"--{option}", help=text)
        for option, text in NUMBER_FIELDS.items():
            parser.add_argument(f"--{option}", type=int, help=text)
        for option, text in JSON_FIELDS.items():
            parser.add_argument(f"--{option}", type=json.loads, metavar="JSON", help=text)
        parser.add_argument("--unpublished", action="store_true", help="prepare it without offering it yet")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Publishes; fails with one sentence a field."""
        names = ["model_class", "lifecycle", "visibility", "reasoning_parser", "tool_parser", *LIST_FIELDS.values()]
        names += [option.replace("-", "_") for option in (*TEXT_FIELDS, *NUMBER_FIELDS, *JSON_FIELDS, *DATE_FIELDS)]
        fields = {name: options[name] for name in names if options[name] is not None}
        if options["replacement"] is not None:
            fields["replacement"] = ServedModel.objects.filter(model_id=options["replacement"]).first()
            if fields["replacement"] is None:
                raise CommandError(f"There is no model {options['replacement']}.")
        organizations = []
        for slug in options["grant"]:
            organization = Organization.objects.filter(slug=slug).first()
            if organization is None:
                raise CommandError(f"There is no organization {slug}.")
            organizations.append(organization)
        try:
            model, created = publish_model(
                actor="command: publish_model",
                model_id=options["model_id"],
                aliases=options["alias"],
                published=not options["unpublished"],
                **fields,
            )
        except ValidationError as error:
            raise CommandError(in_words(error)) from None
        for organization in organizations:
            grant_model(actor="command: publish_model", model=model, organization=organization)
        self.stdout.write(_told(model, created=created, as_json=options["json"]))


def _told(model: ServedModel, *, created: bool, as_json: bool) -> str:
    if as_json:
        return json.dumps({"model": model.model_id, "class": model.model_class, "created": created})
    act = "Updated" if not created else "Published" if model.published else "Prepared"
    return f"{act} {model.model_id} ({model.get_model_class_display()})."

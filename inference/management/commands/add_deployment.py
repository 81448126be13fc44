"""`manage.py add_deployment`: attaches a Triton model to a served model."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from inference.management.words import in_words
from inference.models import Deployment, ServedModel
from inference.services import add_deployment
from inference.tensor_presets import PRESETS


class Command(BaseCommand):
    """Creates or changes a deployment; running it twice changes nothing the second time."""

    help = "Attaches a Triton model to a served model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The deployment's name and its fields."""
        parser.add_argument("name")
        parser.add_argument("--model", required=True, metavar="ID", help="the served model it answers for")
        parser.add_argument("--url", required=True, help="where Triton listens, for example http://10.0.0.5:8000")
        parser.add_argument("--triton-model", help="its name in Triton (default: the served model's id)")
        parser.add_argument("--triton-version")
        parser.add_argument("--adapter", choices=Deployment.Adapter.values)
        parser.add_argument("--weight", type=int, help="share of the requests; 0: none")
        parser.add_argument("--max-concurrency", type=int, help="requests at once from one web process")
        parser.add_argument("--secret-header", help="header that carries the engine's secret")
        parser.add_argument("--secret-env", metavar="NAME", help="environment variable that holds the secret")
        parser.add_argument("--options", type=json.loads, metavar="JSON", help="options of the adapter")
        tensors = parser.add_mutually_exclusive_group()
        tensors.add_argument("--tensor-map", type=json.loads, metavar="JSON", help="of the adapter triton_tensors")
        tensors.add_argument("--preset", choices=PRESETS, help="a tensor map that is often seen")
        parser.add_argument("--disabled", action="store_true")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Attaches; fails with one sentence a field."""
        model = ServedModel.objects.filter(model_id=options["model"]).first()
        if model is None:
            raise CommandError(f"There is no model {options['model']}.")
        secret = None
        if options["secret_env"]:
            secret = os.environ.get(options["secret_env"])
            if not secret:
                raise CommandError(f"The environment variable {options['secret_env']} is empty.")
        names = ("triton_version", "adapter", "weight", "max_concurrency", "secret_header", "options", "tensor_map")
        fields = {name: options[name] for name in names if options[name] is not None}
        if options["preset"]:
            fields["tensor_map"] = PRESETS[options["preset"]].tensor_map
        if "tensor_map" in fields:
            fields.setdefault("adapter", Deployment.Adapter.TRITON_TENSORS)
        try:
            deployment, created = add_deployment(
                actor="command: add_deployment",
                name=options["name"],
                model=model,
                url=options["url"],
                triton_model=options["triton_model"] or model.model_id,
                secret=secret,
                enabled=not options["disabled"],
                **fields,
            )
        except ValidationError as error:
            raise CommandError(in_words(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps({"deployment": deployment.name, "model": model.model_id, "created": created}))
        else:
            self.stdout.write(f"{'Added' if created else 'Updated'} {deployment.name} for {model.model_id}.")

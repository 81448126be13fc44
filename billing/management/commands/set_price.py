"""Sets a price from a script: `manage.py set_price --model demo-chat --input 0.65 --output 1.95 --json`."""

import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Organization
from billing.errors import PriceError
from billing.money import euro_to_nano, nano_to_euro
from billing.pricing import price_of
from billing.services import set_price


def amount(text: str) -> int:
    """Nano-euro of an amount in EUR that was typed."""
    try:
        return euro_to_nano(Decimal(text))
    except (InvalidOperation, ValueError):
        raise ArgumentTypeError(f"{text!r} is not an amount in EUR with at most nine decimals") from None


def moment(text: str) -> datetime:
    """An ISO 8601 moment; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a moment such as 2027-01-01T00:00:00") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Adds a price version; does nothing when the one in effect says the same."""

    help = "Sets what a million tokens cost, in EUR, for a model or a class, and an image or a document."

    def add_arguments(self, parser: CommandParser) -> None:
        """The price, for what, for whom and from when."""
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument("--model", default="", help="id of the model")
        target.add_argument("--class", dest="model_class", default="", choices=["premium", "standard"])
        parser.add_argument("--organization", metavar="SLUG", help="price of this customer; without it the list price")
        parser.add_argument("--input", type=amount, required=True, metavar="EUR", help="a million input tokens")
        parser.add_argument("--cached-input", type=amount, metavar="EUR", help="default: as --input")
        parser.add_argument("--output", type=amount, required=True, metavar="EUR", help="a million output tokens")
        parser.add_argument("--reasoning", type=amount, metavar="EUR", help="default: as --output")
        parser.add_argument("--image", type=amount, metavar="EUR", help="an image; without it images have no price")
        text = "a document that is ranked; without it documents have no price"
        parser.add_argument("--document", type=amount, metavar="EUR", help=text)
        parser.add_argument("--from", dest="effective_from", type=moment, metavar="TIME", help="ISO 8601; default: now")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sets it and says what is in effect. Raises `CommandError` with the reason where it cannot."""
        try:
            organization = options["organization"] and Organization.objects.get(slug=options["organization"])
            version, created = set_price(
                actor="command: set_price",
                organization=organization or None,
                model_id=options["model"],
                model_class=options["model_class"],
                input_nano=options["input"],
                cached_input_nano=options["cached_input"],
                output_nano=options["output"],
                reasoning_nano=options["reasoning"],
                image_nano=options["image"],
                document_nano=options["document"],
                effective_from=options["effective_from"],
            )
        except Organization.DoesNotExist:
            raise CommandError(f"No organization has the slug {options['organization']!r}.") from None
        except PriceError as error:
            raise CommandError(str(error)) from error
        if not options["json"]:
            self.stdout.write(f"{version}: {'set' if created else 'unchanged'}.")
            return
        price = price_of(version)
        self.stdout.write(
            json.dumps(
                {
                    "id": version.pk,
                    "created": created,
                    "model": version.model_id or None,
                    "class": version.model_class or None,
                    "organization": options["organization"],
                    "effective_from": version.effective_from.isoformat(),
                    "eur_per_million_tokens": {
                        "input": f"{nano_to_euro(price.input_nano):f}",
                        "cached_input": f"{nano_to_euro(price.cached_input_nano):f}",
                        "output": f"{nano_to_euro(price.output_nano):f}",
                        "reasoning": f"{nano_to_euro(price.reasoning_nano):f}",
                    },
                    "eur_each": {"image": _euro(price.image_nano), "document": _euro(price.document_nano)},
                }
            )
        )


def _euro(nano: int | None) -> str | None:
    return None if nano is None else f"{nano_to_euro(nano):f}"

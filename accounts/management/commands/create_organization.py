"""`manage.py create_organization acme --name "Acme GmbH" --owner-email ada@acme.example`."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.management.problems import told
from accounts.models import Organization, User
from accounts.selectors import default_project_of
from accounts.services import create_organization, create_user

ACTOR = "command: create_organization"
DETAILS = {
    "legal_name": "name on invoices",
    "address_line1": "street and number",
    "address_line2": "further line of the address",
    "postal_code": "postal code",
    "city": "city",
    "country": "ISO 3166-1 alpha-2, for example DE",
    "vat_id": "VAT id with the country's prefix",
    "billing_email": "where invoices go",
}


class Command(BaseCommand):
    """Creates an organization with its default project; one that exists is left as it is."""

    help = "Creates an organization with its default project. Run again, it changes nothing and says so."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("slug", help="short name in URLs and commands")
        parser.add_argument("--name", help="name on pages (default: the slug)")
        for field, text in DETAILS.items():
            parser.add_argument(f"--{field.replace('_', '-')}", default="", help=text)
        parser.add_argument("--owner-email", default="", help="first owner; a new user signs in once a password is set")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises `CommandError` with every value that is wrong."""
        slug = options["slug"]
        organization = Organization.objects.filter(slug=slug).first()
        created = organization is None
        if organization is None:
            try:
                organization = self.create(options)
            except ValidationError as error:
                raise CommandError(told(error)) from None
        if options["json"]:
            project = default_project_of(organization)
            answer = {
                "created": created,
                "id": organization.pk,
                "slug": organization.slug,
                "name": organization.name,
                "status": organization.status,
                "default_project": project.slug,
            }
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(f"Organization {slug} {'created' if created else 'exists already; nothing changed'}.")

    @transaction.atomic
    def create(self, options: dict[str, Any]) -> Organization:
        """The organization, and its owner where none has this address yet."""
        owner = None
        if address := options["owner_email"].strip().lower():
            owner = User.objects.filter(email=address).first() or create_user(actor=ACTOR, email=address)
        return create_organization(
            actor=ACTOR,
            slug=options["slug"],
            name=options["name"] or options["slug"],
            owner=owner,
            **{field: options[field] for field in DETAILS},
        )

"""`manage.py issue_key acme "nightly batch" --scope chat --network 192.0.2.0/24 --expires 90d`."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.keys import fingerprint
from accounts.management.problems import told
from accounts.models import ApiKey, Project
from accounts.restrictions import MODEL_CLASSES
from accounts.scopes import DEFAULT_SCOPES, SCOPES
from accounts.selectors import key_state, key_with_name
from accounts.services import issue_key

ACTOR = "command: issue_key"


class Command(BaseCommand):
    """Issues a key and prints it once, alone on standard output; what is said about it goes to standard error."""

    help = (
        "Issues an API key and prints it, this once. Where the project has a key of this name that is not revoked, it "
        "issues none, says so and succeeds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("organization", help="slug of the organization")
        parser.add_argument("name", help="what the key is called")
        parser.add_argument("--project", help="slug of the project (default: the organization's default project)")
        parser.add_argument(
            "--scope",
            action="append",
            choices=list(SCOPES),
            help=f"what the key may do; may be repeated (default: {', '.join(DEFAULT_SCOPES)})",
        )
        parser.add_argument("--model", action="append", default=[], help="only this model; may be repeated")
        parser.add_argument(
            "--model-class",
            action="append",
            default=[],
            choices=list(MODEL_CLASSES),
            help="only models of this class; may be repeated",
        )
        parser.add_argument(
            "--network", action="append", default=[], help="only from this IP address or CIDR range; may be repeated"
        )
        parser.add_argument("--expires", type=moment, help="90d, 12h, 2027-01-31 or 2027-01-31T12:00+01:00")
        parser.add_argument("--json", action="store_true", help="print one JSON object, the key in it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises `CommandError` for an unknown organization or project, and for values that are wrong."""
        project = self.project(options)
        existing = key_with_name(project, options["name"].strip())
        if existing is not None:
            self.answer(options, existing, None)
            return
        try:
            issued = issue_key(
                actor=ACTOR,
                project=project,
                name=options["name"],
                scopes=options["scope"] or DEFAULT_SCOPES,
                allowed_models=options["model"],
                allowed_classes=options["model_class"],
                allowed_networks=options["network"],
                expires_at=options["expires"],
            )
        except ValidationError as error:
            raise CommandError(told(error)) from None
        self.answer(options, issued.api_key, issued.text)

    def project(self, options: dict[str, Any]) -> Project:
        """The project that the options name."""
        chosen = {"slug": options["project"]} if options["project"] else {"is_default": True}
        projects = Project.objects.filter(organization__slug=options["organization"], **chosen)
        project: Project | None = projects.select_related("organization").first()
        if project is None:
            wanted = f"a project {options['project']}" if options["project"] else "a default project"
            raise CommandError(f"There is no organization {options['organization']} with {wanted}.")
        return project

    def answer(self, options: dict[str, Any], api_key: ApiKey, text: str | None) -> None:
        """Prints the key, or that there is one."""
        if options["json"]:
            answer = {
                "created": text is not None,
                "organization": options["organization"],
                "project": api_key.project.slug,
                "name": api_key.name,
                "public_id": api_key.public_id,
                "state": key_state(api_key),
                "expires_at": api_key.expires_at.isoformat() if api_key.expires_at else None,
                "key": text,
            }
            self.stdout.write(json.dumps(answer))
        elif text is not None:
            self.stderr.write(f"Key {fingerprint(api_key.public_id)} issued. It is shown this once:")
            self.stdout.write(text)
        else:
            self.stderr.write(
                f"The project has a key “{api_key.name}” already ({fingerprint(api_key.public_id)},"
                f" {key_state(api_key)}); none issued."
            )


def moment(text: str) -> datetime:
    """The time that `text` means, from now or as a date (its beginning, UTC). Raises `ValueError`."""
    if span := re.fullmatch(r"(\d{1,5})([dh])", text):
        return timezone.now() + timedelta(**{{"d": "days", "h": "hours"}[span[2]]: int(span[1])})
    parsed = parse_datetime(text)
    if parsed is None:
        raise ValueError(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

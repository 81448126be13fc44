"""`manage.py check_deployment`: does the engine behind a deployment fit?"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.deployment_check import check_deployment
from inference.models import Deployment


class Command(BaseCommand):
    """Compares deployments with what Triton says of its models; exit code 1 where something does not fit."""

    help = "Compares deployments with Triton's configuration and says what does not fit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Names of deployments."""
        parser.add_argument("names", nargs="*", metavar="NAME", help="deployments; none: all that are enabled")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Checks and tells."""
        names = options["names"]
        found = Deployment.objects.filter(**({"name__in": names} if names else {"enabled": True})).select_related(
            "model"
        )
        deployments = {deployment.name: deployment for deployment in found.select_related("model")}
        for name in names:
            if name not in deployments:
                raise CommandError(f"There is no deployment {name}.")
        reports = [check_deployment(deployment) for deployment in deployments.values()]
        if options["json"]:
            self.stdout.write(
                json.dumps([{"deployment": r.deployment, "fits": r.fits, "problems": r.problems} for r in reports])
            )
        else:
            for report in reports:
                self.stdout.write(f"{report.deployment}: {'fits' if report.fits else 'does not fit'}")
                for problem in report.problems:
                    self.stdout.write(f"  - {problem}")
        if not all(report.fits for report in reports):
            raise SystemExit(1)

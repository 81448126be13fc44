"""The admin app with our site, and what a process sets up once."""

from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from config import checks, logs


class HanseAdminConfig(AdminConfig):
    """Puts `HanseAdminSite` behind `django.contrib.admin.site`."""

    default_site = "config.admin_site.HanseAdminSite"

    def ready(self) -> None:
        """Registers our system checks and keeps exception texts off stderr."""
        super().ready()
        for check in checks.DEPLOY_CHECKS:
            register(check, Tags.security, deploy=True)
        logs.quiet_hooks()

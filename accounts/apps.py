"""The accounts app."""

from django.apps import AppConfig
from django.core import checks

from accounts.checks import check_key_settings


class AccountsConfig(AppConfig):
    """Registers the app and its checks with Django."""

    name = "accounts"

    def ready(self) -> None:
        """Called once Django has loaded all apps."""
        checks.register(check_key_settings, checks.Tags.security)

"""The billing app."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Registers the app with Django."""

    name = "billing"

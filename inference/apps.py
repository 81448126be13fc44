"""The inference app."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Registers the app with Django."""

    name = "inference"

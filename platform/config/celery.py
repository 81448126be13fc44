"""The Celery application: `celery -A config`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def keep_logging(**kwargs: Any) -> None:
    """Logs stay as the settings made them: with a receiver, Celery sets up none of its own (which print arguments)."""


setup_logging.connect(keep_logging)

app = Celery("hanse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

"""A priced, published model and an operator's browser."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from billing.services import set_price
from inference.catalogue import catalogue
from inference.models import ServedModel
from inference.services import publish_model

ACTOR = "command: test"
SIZES = {"assets": "demo-chat", "context_length": 4096, "max_output_tokens": 256, "default_output_tokens": 64}


@pytest.fixture(autouse=True)
def fresh_catalogue() -> None:
    """The process' snapshot outlives a test."""
    catalogue.clear()


@pytest.fixture
def prices(db: None) -> None:
    """List prices of both classes."""
    for model_class in ("premium", "standard"):
        set_price(input_nano=150_000_000, output_nano=600_000_000, model_class=model_class)


@pytest.fixture
def model(prices: None) -> ServedModel:
    """A published model without deployments."""
    return publish_model(actor=ACTOR, model_id="acme/small", aliases=["small"], **SIZES)[0]


@pytest.fixture
def operating(db: None, settings: Any) -> Client:
    """A browser in which an operator is signed in."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("operator@hanse.example"))
    return browser


@pytest.fixture
def connection_queries() -> Callable[[Callable[[], Any]], int]:
    """Counts the queries of a call."""

    def count(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            call()
        return len(queries)

    return count

"""The ASGI application: `/v1` and what belongs to it elsewhere by our consumer, everything else by Django."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Before the imports that need the applications to be loaded.
pages = get_asgi_application()

from inference.consumers import ApiConsumer  # noqa: E402
from inference.lifecycle import lifespan  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                # Rerank clients also look for it outside /v1.
                re_path(
                    r"^(?:v1(?:/|$)|(?:v2/)?rerank$|\.well-known/(?:agent-config|jwks\.json)$)", ApiConsumer.as_asgi()
                ),
                re_path(r"", pages),  # type: ignore[arg-type]
            ]
        ),
        "lifespan": lifespan,
    }
)

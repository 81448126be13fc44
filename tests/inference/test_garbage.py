"""What a request leaves behind in the process: nothing that only the garbage collector could free."""

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from inference.backends.transport import close_transport
from inference.models import ServedModel
from inference.services import add_deployment
from tests.inference.asking import ask, start_engine
from tests.inference.conftest import ACTOR

REQUESTS = 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 200),
        ({"stream": True}, 200),
        ({"stream": True, "n": 2}, 200),
        ({"temperature": "hot"}, 400),
        ({"messages": []}, 400),
        ({"model": "none"}, 404),
    ],
)
def test_a_request_leaves_no_cycles_behind(model: ServedModel, more: dict[str, Any], status: int):
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    key = issue_key(actor=ACTOR, project=project, name="shop").text
    body = {"model": model.model_id, "messages": [{"role": "user", "content": "Hi"}], **more}

    async def requests() -> Counter[str]:
        server, url = await start_engine()
        await asyncio.to_thread(
            add_deployment, actor=ACTOR, name="gpu-1", model=model, url=url, triton_model="small", adapter="triton_vllm"
        )
        try:
            for _ in range(3):
                assert (await ask(key, body))[0]["status"] == status
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            for _ in range(REQUESTS):
                await ask(key, body)
            await asyncio.sleep(0.05)
            gc.collect()
            return Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            await close_transport()
            await writer().close()
            server.close()

    left = asyncio.run(requests())
    # Of no kind one for each request: what a load of the catalogue or a library leaves now and then is none of it.
    assert max(left.values(), default=0) < REQUESTS, left

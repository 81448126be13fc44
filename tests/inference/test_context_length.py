"""Prompts that are not counted before they go to the engine, and turn out too long there."""

import asyncio
import json

import pytest

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from inference.backends.transport import close_transport
from inference.models import ServedModel
from inference.services import add_deployment
from tests.inference.asking import ask, start_engine
from tests.inference.conftest import ACTOR, SIZES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("tokens", "status"), [(SIZES["context_length"] - 1, 200), (SIZES["context_length"], 400)])
def test_what_the_engine_counts_holds_against_the_model_as_it_is_offered(model: ServedModel, tokens: int, status: int):
    """The engine may take longer prompts than the operator offers."""
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    key = issue_key(actor=ACTOR, project=project, name="shop").text

    async def request() -> tuple[int, bytes]:
        server, url = await start_engine(input_tokens=tokens)
        target = {"name": "gpu-1", "url": url, "triton_model": "small", "adapter": "triton_vllm"}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            sent = await ask(key, {"model": model.model_id, "messages": [{"role": "user", "content": "Hi"}]})
            return sent[0]["status"], sent[1]["body"]
        finally:
            await close_transport()
            await writer().close()
            server.close()

    answered, body = asyncio.run(request())
    assert answered == status
    if status == 400:
        error = json.loads(body)["error"]
        assert error["code"] == "context_length_exceeded"
        assert f"your messages resulted in {tokens} tokens" in error["message"]
    record = UsageRecord.objects.get()
    assert (record.outcome, record.input_tokens) == ("completed" if status == 200 else "failed", tokens)

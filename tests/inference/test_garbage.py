"""What a request leaves behind in the process: nothing that only the garbage collector could free."""

import asyncio
import gc
import json
from collections import Counter
from typing import Any

import pytest

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from inference.backends.transport import close_transport
from inference.consumers import ApiConsumer
from inference.models import ServedModel
from inference.services import add_deployment
from tests.inference.conftest import ACTOR

ANSWER = b'data: {"text_output":"%b","finish_reason":"%b","num_input_tokens":4,"num_output_tokens":1}\n\n'
PIECES = [ANSWER % (b"Hello", b"None"), ANSWER % (b" there", b"None"), ANSWER % (b"!", b"stop")]


async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request with the same three tokens."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.writelines(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in PIECES)
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def ask(key: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What the consumer sends for one chat request."""
    content = json.dumps(body).encode()
    received = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop() if received else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {key}"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    await ApiConsumer()(scope, receive, send)
    return sent


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
        server = await asyncio.start_server(engine, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.to_thread(
            add_deployment, actor=ACTOR, name="gpu-1", model=model, url=url, triton_model="small", adapter="triton_vllm"
        )
        try:
            for _ in range(3):
                assert (await ask(key, body))[0]["status"] == status
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            for _ in range(5):
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
    # Less than one object a request: what the loop or a library leaves now and then is none of ours.
    assert left.total() < 5, left

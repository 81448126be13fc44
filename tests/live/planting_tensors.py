"""Canaries in requests for embeddings and rerank: that go well, that are wrong, and that their engine repeats."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.live.asking import call
from tests.live.engines import eventually
from tests.live.planting import listed
from tests.stack import Server, Stack

FAULTS = ("400", "500", "503", "page", "head", "length")
PUBLISH = """
from inference.services import add_deployment, publish_model
from inference.tensor_presets import PRESETS
for fault in {faults!r}:
    name = f"embedding-canaries-{{fault}}"
    model, _ = publish_model(actor="test", model_id=name, capabilities=["embeddings"], context_length=4096)
    tensor_map = {{**PRESETS["text-embedding"].tensor_map, "max_batch": 8}}
    fields = {{"adapter": "triton_tensors", "tensor_map": tensor_map}}
    add_deployment(actor="test", name=name, model=model, url="{url}", triton_model=fault, **fields)
"""


class EchoingEngine(BaseHTTPRequestHandler):
    """An engine that fails as its model's name says, and repeats the request in whatever it says."""

    def do_GET(self) -> None:
        """Knows nothing of its models."""
        self.send_error(404)

    def do_POST(self) -> None:
        """Fails."""
        said = self.rfile.read(int(self.headers["content-length"])).translate(None, b'\r\n"\\\0')
        fault = self.path.split("/")[3]
        self.send_response_only(int(fault) if fault.isdigit() else 200)
        body = b'{"error":"%b"}' % said if fault.isdigit() else said
        # Of what it says, all is JSON, or far more than there is.
        if fault == "head":
            self.send_header("inference-header-content-length", str(len(body)))
        self.send_header("content-length", str(len(body) + (1000 if fault == "length" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def echoing_engine() -> Iterator[str]:
    """A running one; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoingEngine) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def embeddings(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Bodies of embedding requests."""
    text = words["prompt"]
    base = {"model": "demo-embed", "input": [text, words["completion"]], "user": words["user"], "x": words["unknown"]}
    yield base
    yield {**base, "encoding_format": "base64", "dimensions": 64}
    yield {**base, "encoding_format": text}
    yield {**base, "dimensions": text}
    yield {**base, "input": [text, {text: 1}]}
    yield {**base, "input": [text, 1]}
    yield {**base, "input": f"{text} " * 9000}
    yield {**base, "model": text}
    for fault in FAULTS:
        yield {**base, "model": f"embedding-canaries-{fault}"}


def ranks(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Bodies of rerank requests."""
    text = words["prompt"]
    base = {"model": "demo-rerank", "query": text, "documents": [words["completion"], {"text": text, "note": text}]}
    yield base
    yield {**base, "return_documents": False, "rank_fields": ["note"]}
    yield {**base, "return_documents": text}
    yield {**base, "top_n": text}
    yield {**base, "documents": [text, {text: text}]}
    yield {**base, "documents": [text, {"text": {text: 1}}]}
    yield {**base, "documents": [text, f"{text} " * 9000]}


def plant_tensors(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Sends them."""
    with echoing_engine() as url:
        stack.manage("shell", "--no-imports", "-c", PUBLISH.format(faults=FAULTS, url=url))
        eventually(lambda: f"embedding-canaries-{FAULTS[-1]}" in listed(server.v1, stack.api_key))
        requests = [("/v1/embeddings", body) for body in embeddings(words)]
        requests += [(path, body) for body in ranks(words) for path in ("/v1/rerank", "/v2/rerank")]

        def send(request: tuple[str, dict[str, Any]]) -> int:
            return call(server, stack.api_key, path=request[0], json=request[1]).status_code

        with ThreadPoolExecutor(6) as clients:
            assert {*clients.map(send, requests)} == {200, 400, 404, 502, 503}

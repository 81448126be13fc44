"""Canaries in requests for completions: that go well, that are wrong, and that their engine or template fails."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.live.asking import call
from tests.live.engines import eventually
from tests.live.planting import listed
from tests.stack import Server, Stack

PATH = "/v1/completions"
MODEL = "completing-canaries"
# It fails when it meets one; without, nobody could publish it.
FIM = "{% if 'canary' in prefix %}{{ raise_exception(prefix) }}{% endif %}{{ prefix }}{{ suffix }}"
PUBLISH = """
from inference.services import add_deployment, publish_model
sizes = {{"context_length": 4096, "max_output_tokens": 512, "default_output_tokens": 64}}
fields = {{"assets": "demo-chat", "capabilities": ["completions"], "fim_template": {fim!r}, **sizes}}
model, _ = publish_model(actor="test", model_id="{model}", **fields)
add_deployment(actor="test", name="{model}", model=model, url="{url}", triton_model="demo-chat")
"""


def bodies(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The requests."""
    prompt = words["prompt"]
    base = {"model": MODEL, "user": words["user"], "stop": [words["stop"]], "unknown": {words["unknown"]: 1}}
    good = f"{prompt} [[echo={words['completion']}]]"
    for stream in (True, False):
        yield {**base, "prompt": good, "stream": stream, "echo": True}
        yield {**base, "prompt": [good, prompt], "stream": stream, "n": 2, "logprobs": 2}
        yield {**base, "prompt": [good, f"{prompt} [[fail=2]]"], "stream": stream}
        yield {**base, "prompt": f"{prompt} [[fail=0]]", "stream": stream}
    yield {**base, "prompt": good, "best_of": 3}
    yield {**base, "prompt": prompt, "suffix": words["completion"]}
    yield {**base, "prompt": "a", "suffix": prompt}
    yield {**base, "prompt": {prompt: 1}}
    yield {**base, "prompt": [prompt, 1]}
    yield {**base, "prompt": good, "logprobs": prompt}
    yield {**base, "prompt": prompt * 20_000}
    yield {**base, "prompt": good, "model": prompt}
    yield {**base, "prompt": good, "guided_json": {prompt: prompt}}


def plant_completions(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Sends them."""
    stack.manage("shell", "--no-imports", "-c", PUBLISH.format(fim=FIM, model=MODEL, url=stack.triton_url))
    eventually(lambda: MODEL in listed(server.v1, stack.api_key))

    def send(body: dict[str, Any]) -> int:
        return call(server, stack.api_key, path=PATH, json=body).status_code

    with ThreadPoolExecutor(6) as clients:
        assert {*clients.map(send, bodies(words))} == {200, 400, 404, 500, 502}

"""Canaries in requests for images: in prompts, in the names and the insides of files, and in what cannot be read."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.inference.images.pictures import chunk, data_url, picture, png
from tests.live.asking import call
from tests.stack import Server, Stack

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
SIZE = "64x64"
# More than Django's parser, left to itself, keeps in memory.
LARGE_SIDE = 1800


def requests(words: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths, and what httpx is to send there."""
    prompt = words["prompt"]
    base = {"model": "demo-image", "prompt": prompt, "size": SIZE, "user": words["user"], words["unknown"]: prompt}
    comment = chunk(b"tEXt", b"Comment\0" + prompt.encode())
    small = png(16, 16, bytes(17 * 16), comment)
    large = png(LARGE_SIDE, LARGE_SIDE, random.Random(1).randbytes((LARGE_SIDE + 1) * LARGE_SIDE), comment)
    broken = png(64, 64, b"\0" * 10, comment)
    for stream in (True, False):
        asked = {**base, "stream": stream, "n": 2, "negative_prompt": words["stop"]}
        yield GENERATIONS, {"json": asked}
        for order in ("[[fail]]", "[[garbage]]", "[[bomb]]"):
            yield GENERATIONS, {"json": {**asked, "prompt": f"{prompt} {order}"}}
        yield EDITS, {"json": {**base, "stream": stream, "image": data_url(small)}}
    yield GENERATIONS, {"json": {**base, "prompt": prompt * 1000}}
    yield GENERATIONS, {"json": {**base, "model": prompt}}
    yield GENERATIONS, {"json": {**base, "size": prompt[:30]}}
    yield GENERATIONS, {"json": {**base, "n": prompt}}
    for url in (f"https://{prompt}.invalid/", f"data:image/png;base64,{prompt}!", prompt, data_url(broken)):
        yield EDITS, {"json": {**base, "image": url}}
    form = {"data": base}
    name = f"{prompt}.png"
    for file in (small, large, broken, f"<svg>{prompt}</svg>".encode(), picture()[:50] + prompt.encode()):
        yield EDITS, {**form, "files": [("image[]", (name, file, f"image/{prompt}")), (prompt, (name, small))]}
    yield EDITS, {**form, "files": [("image", (name, small)), ("mask", (name, large))]}
    yield EDITS, {"content": prompt.encode(), "headers": {"content-type": f"multipart/form-data; boundary={prompt}"}}
    yield EDITS, {"content": prompt.encode(), "headers": {"content-type": "multipart/form-data"}}


def plant_images(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Sends them."""

    def send(asked: tuple[str, dict[str, Any]]) -> int:
        path, request = asked
        return call(server, stack.api_key, path=path, **request).status_code

    with ThreadPoolExecutor(4) as clients:
        assert {*clients.map(send, requests(words))} == {200, 400, 404, 502}

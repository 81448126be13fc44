"""Endpoints beside chat: embeddings of one text and of 64, ranked documents, and responses."""

import base64
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from benchmarks.client import AnswerError, Client, Target
from benchmarks.figures import LONG, SHORT, TOKENS, Bench, Figures, quantile
from benchmarks.load import WORDS, Shape
from benchmarks.tensors import (
    DIMENSIONS,
    EMBED_MODEL,
    HEADER,
    INPUT_TOKENS,
    RERANK_MODEL,
    infer_request,
    score,
    vector,
)
from benchmarks.upstream import OWN_PACE, PACED_MODEL, token

BATCHES = (1, 64)
DOCUMENTS = 32
# Bytes of a text that is embedded, and of a document.
TEXT_BYTES = 200
CLIENTS = 16
# In a stream of a response, a text comes in deltas and whole in four more events: it is done, its part, its item, all.
TIMES_IN_A_STREAM = 5


def texts(count: int) -> list[str]:
    """As many texts of `TEXT_BYTES`, each another."""
    return [f"{index:03d} {WORDS * 3}"[:TEXT_BYTES] for index in range(count)]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is answered with numbers."""

    content: bytes
    tokens: int = 0
    streamed: bool = False

    def body(self) -> bytes:
        """As of `load.Asked`."""
        return self.content

    def marks(self, target: Target) -> int | None:
        """As of `load.Asked`: a byte like it may be in any number."""
        return None


@dataclass(frozen=True, slots=True)
class ResponseShape(Shape):
    """What is asked for of `/v1/responses`.

    It has no seed for the engine to take its pace from, which Hanse does not pass on: one model has a pace of its own.
    """

    def body(self) -> bytes:
        """As of `load.Asked`; `max_tokens` is for the relay's engine."""
        content = json.loads(super(ResponseShape, self).body())
        content["input"] = content.pop("messages")
        return json.dumps(content | {"max_output_tokens": self.tokens}, separators=(",", ":")).encode()

    def marks(self, target: Target) -> int | None:
        """As of `load.Asked`."""
        return self.tokens * (TIMES_IN_A_STREAM if target.openai and self.streamed else 1)


def at(client: Client, path: str, **headers: str) -> Client:
    """A client of the same server for another path."""
    url = urlsplit(client.target.url)
    return Client(
        replace(client.target, url=f"{url.scheme}://{url.netloc}{path}", headers=client.target.headers | headers)
    )


def about_tensors(
    client: Client, model: str, path: str, content: dict, inputs: dict[str, list[str]]
) -> tuple[Client, Call]:
    """Who asks what: OpenAI's JSON of Hanse, the engine's tensors of relay and engine."""
    if client.target.openai:
        return at(client, path), Call(json.dumps({"model": model, **content}).encode())
    head, body = infer_request(model, inputs)
    engine_path = f"/v2/models/{model}/infer"
    return at(client, engine_path, **{HEADER: str(head), "Content-Type": "application/octet-stream"}), Call(body)


def embedding_of(client: Client, count: int) -> tuple[Client, Call]:
    """A request for so many embeddings; as base64, as OpenAI's SDKs ask for them."""
    lines = texts(count)
    content = {"input": lines if count > 1 else lines[0], "encoding_format": "base64"}
    return about_tensors(client, EMBED_MODEL, "/v1/embeddings", content, {"TEXT": lines})


def ranking_of(client: Client) -> tuple[Client, Call]:
    """A request that ranks `DOCUMENTS` documents."""
    query, *lines = texts(DOCUMENTS + 1)
    content = {"query": query, "documents": lines, "return_documents": False}
    return about_tensors(client, RERANK_MODEL, "/v1/rerank", content, {"QUERY": [query], "DOCUMENTS": lines})


async def embeddings_figures(bench: Bench, client: Client) -> Figures:
    """For each size of request: µs of CPU, ms until the answer is there."""
    figures: Figures = {}
    for count in BATCHES:
        asking, call = embedding_of(client, count)
        figures |= await call_figures(bench, asking, call, f"embed_{count}")
    return figures


async def rerank_figures(bench: Bench, client: Client) -> Figures:
    """The same of documents that are ranked."""
    asking, call = ranking_of(client)
    return await call_figures(bench, asking, call, "rerank")


async def call_figures(bench: Bench, client: Client, call: Call, name: str) -> Figures:
    """µs of CPU of a request, 16 clients without pause (not of the engine, which shares its core with the load); ms
    until the answer is there, one client."""
    figures: Figures = {}
    await bench.phase(client, call, clients=CLIENTS, each=2)
    if client.target.name != "engine":
        seconds, result = await bench.cpu(
            client, call, clients=CLIENTS, each=max(1, bench.load.requests // 4 // CLIENTS)
        )
        figures[f"{name}_cpu"] = seconds / len(result) * 1e6
    result = await bench.phase(client, call, clients=1, each=max(10, bench.load.requests // 20))
    times = [one.total for one in result]
    figures |= {f"{name}_p50": quantile(times, 0.5) * 1e3, f"{name}_p99": quantile(times, 0.99) * 1e3}
    client.close()
    return figures


async def responses_figures(bench: Bench, client: Client) -> Figures:
    """µs of CPU of a whole response whose engine answers at once, and of a streamed chunk; ms to the first token."""
    asking = at(client, "/v1/responses") if client.target.openai else client
    figures: Figures = {}
    whole = ResponseShape(TOKENS, 0, streamed=False, prompt_bytes=bench.load.prompt_bytes)
    await bench.phase(asking, whole, clients=CLIENTS, each=2)
    if client.target.name != "engine":
        seconds, result = await bench.cpu(asking, whole, clients=CLIENTS, each=bench.load.requests // 4 // CLIENTS)
        figures["responses_cpu"] = seconds / len(result) * 1e6
        taken = {}
        for tokens in (SHORT, LONG):
            seconds, _ = await bench.cpu(asking, paced(bench, tokens), clients=bench.load.streams, each=1, ramp=0.3)
            taken[tokens] = seconds
        figures["responses_chunk"] = (taken[LONG] - taken[SHORT]) / (bench.load.streams * (LONG - SHORT)) * 1e6
    result = await bench.phase(asking, paced(bench, TOKENS), clients=CLIENTS, each=8, ramp=TOKENS / OWN_PACE)
    figures["responses_ttft"] = quantile([one.first_token for one in result], 0.5) * 1e3
    if asking is not client:
        asking.close()
    return figures


def paced(bench: Bench, tokens: int) -> ResponseShape:
    """A streamed response of so many tokens."""
    return ResponseShape(tokens, OWN_PACE, streamed=True, prompt_bytes=bench.load.prompt_bytes, model=PACED_MODEL)


async def check_endpoints(bench: Bench, hanse: Client) -> None:
    """Read an answer of each kind as a client does. Raises `AnswerError`."""
    for count in BATCHES:
        answer = await read(bench, *embedding_of(hanse, count))
        vectors = [struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(one["embedding"])) for one in answer["data"]]
        if len(vectors) != count or not all(same(got, vector(index)) for index, got in enumerate(vectors)):
            raise AnswerError("hanse: the embeddings are not the engine's")
        if answer["usage"]["prompt_tokens"] != count * INPUT_TOKENS:
            raise AnswerError(f"hanse: usage {answer['usage']}")
    ranked = (await read(bench, *ranking_of(hanse)))["results"]
    places = [(one["index"], one["relevance_score"] > 0.5) for one in ranked]
    if places != [(index, score(index) > 0) for index in reversed(range(DOCUMENTS))]:
        raise AnswerError(f"hanse: the documents are not in the engine's order: {places}")
    shape = ResponseShape(TOKENS, 0, streamed=False, prompt_bytes=bench.load.prompt_bytes)
    response = await read(bench, at(hanse, "/v1/responses"), shape)
    said = [part["text"] for item in response["output"] for part in item["content"]]
    if said != ["".join(map(token, range(TOKENS)))] or response["usage"]["output_tokens"] != TOKENS:
        raise AnswerError(f"hanse: the response is not the engine's: {said}")


def same(got: Sequence[float], sent: Sequence[float]) -> bool:
    """Whether a vector is the engine's, of length 1."""
    length = math.hypot(*sent)
    return all(abs(one - other / length) < 1e-6 for one, other in zip(got, sent, strict=True))


async def read(bench: Bench, client: Client, call: Call | Shape) -> dict:
    """The JSON of one answer, noted as sent."""
    content = await client.content(client.request(call.body()))
    client.close()
    bench.note(client, call)
    return json.loads(content)

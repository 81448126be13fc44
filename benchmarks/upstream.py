"""A paced engine that speaks Triton's generate extension as its vLLM backend does, and `/infer`, on next to no CPU.

`python -m benchmarks.upstream --port N`. It answers `POST /v2/models/{m}/generate_stream` with `max_tokens` frames of
one token each, at `seed` tokens a second (0: all at once): `seed` is a number that every gateway passes on untouched,
so that one run can mix paces; `PACED_MODEL` has a pace of its own, for requests that know no seed. It also takes an
OpenAI body, for callers that forward one as it is. `tensors` says what it answers to `POST /v2/models/{m}/infer`.
"""

import argparse
import asyncio
import json
from typing import Annotated, Any, cast

import httptools
import msgspec
import uvloop

from benchmarks.tensors import HEADER, TENSORS, infer_answer, tensor_config

MODEL = "bench-chat"
# The same with more context.
LONG_MODEL = "bench-chat-128k"
LARGE_MODEL = "bench-chat-256k"
# The same at `OWN_PACE` tokens a second, where a request names none.
PACED_MODEL = "bench-chat-paced"
OWN_PACE = 100
# One in each token and nowhere else in an answer, in any wire format: counting this byte counts tokens.
MARK = "~"
INPUT_TOKENS = 100
LONGEST = 4096

HEADER_NAME = HEADER.lower().encode()
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
INPUTS = ("text_input", "stream", "sampling_parameters", "exclude_input_in_output")
FLAGS = ("return_finish_reason", "return_logprobs", "return_num_input_tokens", "return_num_output_tokens")


def token(index: int) -> str:
    """The text of an answer's token number `index`."""
    return f" {MARK}{index:03d}"


def frame(index: int, finish_reason: str) -> bytes:
    """A token as a chunk of HTTP's chunked coding that holds one SSE frame, with all that vLLM's backend can return."""
    outputs = {
        "model_name": MODEL,
        "model_version": "1",
        "finish_reason": finish_reason,
        "num_input_tokens": INPUT_TOKENS,
        "num_output_tokens": 1,
        "text_output": token(index),
    }
    data = b"data: " + json.dumps(outputs, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


FRAMES = [frame(index, "None") for index in range(LONGEST)]
LAST_FRAMES = [frame(index, "length") for index in range(LONGEST)]


def answer(first: int, until: int, total: int) -> bytes:
    """Frames `first` up to `until` (excluded) of an answer of `total`, with the end of the body when they reach it."""
    if until < total:
        return b"".join(FRAMES[first:until])
    return b"".join((*FRAMES[first : total - 1], LAST_FRAMES[total - 1], END))


Tokens = Annotated[int, msgspec.Meta(ge=1)]


class Body(msgspec.Struct):
    """What counts of a request: the tensors of vLLM's backend, or an OpenAI body's limit."""

    sampling_parameters: str = ""
    stream: bool = False
    exclude_input_in_output: bool = False
    max_tokens: Tokens = 16
    seed: int | None = None


class Sampling(msgspec.Struct):
    """What counts of `sampling_parameters`; vLLM's default of 16 tokens."""

    max_tokens: Tokens = 16
    seed: int | None = None


decode_body = msgspec.json.Decoder(Body).decode
decode_sampling = msgspec.json.Decoder(Sampling).decode


class RefusedError(Exception):
    """A request that vLLM's backend would refuse; the text is its error."""


def asked_for(body: bytes) -> tuple[int, int | None]:
    """Tokens and pace that `body` asks for. Raises `RefusedError` (reference: vllm_backend src/model.py)."""
    try:
        request = decode_body(body)
        if not request.sampling_parameters:
            return min(request.max_tokens, LONGEST), request.seed
        sampling = decode_sampling(request.sampling_parameters)
    except msgspec.MsgspecError as error:
        raise RefusedError(f"failed to parse the request: {error}") from error
    if not request.stream or not request.exclude_input_in_output:
        raise RefusedError("Error generating stream: stream and exclude_input_in_output must both be true")
    return min(sampling.max_tokens, LONGEST), sampling.seed


def json_answer(status: bytes, content: object) -> bytes:
    """A whole JSON answer."""
    body = json.dumps(content).encode()
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def model_config() -> dict[str, Any]:
    """Triton's `/config` of the model, as far as a gateway can care."""
    inputs = [{"name": name, "optional": name != "text_input"} for name in (*INPUTS, *FLAGS)]
    outputs = ("text_output", "finish_reason", "logprobs", "num_input_tokens", "num_output_tokens")
    types = {
        "text_input": "STRING",
        "sampling_parameters": "STRING",
        "text_output": "STRING",
        "finish_reason": "STRING",
        "logprobs": "STRING",
    }
    for tensor in inputs:
        tensor |= {"data_type": f"TYPE_{types.get(str(tensor['name']), 'BOOL')}", "dims": [1]}
    return {
        "name": MODEL,
        "platform": "",
        "backend": "vllm",
        "max_batch_size": 0,
        "input": inputs,
        "output": [{"name": name, "data_type": f"TYPE_{types.get(name, 'UINT32')}", "dims": [-1]} for name in outputs],
        "model_transaction_policy": {"decoupled": True},
        "parameters": {},
    }


class Counters:
    """What the process has served; `GET /counters` tells."""

    def __init__(self) -> None:
        # Connections that brought a request; answers; writes of paced answers, and the tokens in them.
        self.connections = self.started = self.completed = self.cancelled = self.writes = self.tokens = 0


class Connection(asyncio.Protocol):
    """One keep-alive connection: requests one after the other, the answer written by timers."""

    def __init__(self, counters: Counters, pace: int) -> None:
        self.counters = counters
        self.default_pace = pace
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.body: list[bytes] = []
        self.head_bytes = 0
        self.timer: asyncio.TimerHandle | None = None
        self.writable = True
        self.sent = self.total = self.pace = 0
        self.began = 0.0
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the peer is there."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the peer is gone; what it had asked for ends here."""
        if self.sent < self.total:
            self.counters.cancelled += 1
        self.total = 0
        if self.timer:
            self.timer.cancel()

    def pause_writing(self) -> None:
        """asyncio: the peer reads too slowly."""
        self.writable = False

    def resume_writing(self) -> None:
        """asyncio: the peer has caught up; what is due by now goes out at once."""
        self.writable = True
        if self.sent < self.total:
            self.tick()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes for the parser."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        """httptools: (a part of) the request's target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header of the request."""
        if name.lower() == HEADER_NAME:
            self.head_bytes = int(value)

    def on_body(self, data: bytes) -> None:
        """httptools: a part of the body."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        url, body = self.url, b"".join(self.body)
        self.url, self.body = b"", []
        model = url.decode("ascii", "replace").removeprefix("/v2/models/").partition("/")[0]
        if url.endswith(b"/generate_stream"):
            self.generate(body, OWN_PACE if model == PACED_MODEL else self.default_pace)
        elif url.endswith(b"/infer") and model in TENSORS:
            self.infer(model, body)
        elif url.endswith((b"/ready", b"/live")):
            self.transport.write(READY)
        elif url.endswith(b"/config") and model in TENSORS:
            self.transport.write(json_answer(b"200 OK", tensor_config(model)))
        elif url.endswith(b"/config") and "chat" in model:
            # One program stands for every model that writes.
            self.transport.write(json_answer(b"200 OK", model_config()))
        elif url == b"/counters":
            self.transport.write(json_answer(b"200 OK", vars(self.counters)))
        else:
            self.transport.write(json_answer(b"404 Not Found", {"error": "Not Found"}))

    def infer(self, model: str, body: bytes) -> None:
        """The whole answer, at once."""
        try:
            answer = infer_answer(model, body, self.head_bytes)
        except ValueError as refusal:
            self.transport.write(json_answer(b"400 Bad Request", {"error": str(refusal)}))
            return
        self.begin()
        self.counters.completed += 1
        self.transport.write(answer)

    def begin(self) -> None:
        """Count an answer, and the connection if it is its first."""
        self.counters.started += 1
        if not self.used:
            self.used = True
            self.counters.connections += 1

    def generate(self, body: bytes, own_pace: int) -> None:
        """Begin the answer: the head goes out with the first token, as Triton's does."""
        try:
            total, pace = asked_for(body)
        except RefusedError as refusal:
            self.transport.write(json_answer(b"400 Bad Request", {"error": str(refusal)}))
            return
        self.begin()
        self.pace = own_pace if pace is None else pace
        if self.pace <= 0:
            self.counters.completed += 1
            self.transport.write(HEAD + answer(0, total, total))
            return
        self.total, self.sent, self.began = total, 0, self.loop.time()
        self.timer = self.loop.call_at(self.began + 1 / self.pace, self.tick)

    def tick(self) -> None:
        """Send what is due: mostly one token; more after a delay, so that the pace holds."""
        if not self.writable or self.sent >= self.total:
            return
        # Half a token's time of grace, for a timer that fires a little early.
        due = min(self.total, max(self.sent + 1, int((self.loop.time() - self.began) * self.pace + 0.5)))
        frames = answer(self.sent, due, self.total)
        self.transport.write(frames if self.sent else HEAD + frames)
        self.counters.writes += 1
        self.counters.tokens += due - self.sent
        self.sent = due
        if due < self.total:
            self.timer = self.loop.call_at(self.began + (due + 1) / self.pace, self.tick)
        else:
            self.counters.completed += 1


async def serve(port: int, pace: int) -> None:
    """Listen on 127.0.0.1 until the process is ended."""
    counters = Counters()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counters, pace), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A paced engine with Triton's generate extension.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace", type=int, default=0, help="tokens a second where a request names no seed; 0: at once")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.pace))


if __name__ == "__main__":
    main()

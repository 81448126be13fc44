"""Triton's vLLM backend over `generate_stream` (vllm_backend, src/model.py and src/utils/request.py)."""

import asyncio
import contextlib
import json
from typing import Any

import msgspec
from msgspec import Struct

from inference.backends.sse import SseDecoder
from inference.backends.transport import TRANSPORT_ERRORS, EngineResponse, send
from inference.backends.triton_errors import backend_error, status_error, unavailable
from inference.backends.triton_options import guided_key
from inference.errors import BackendFailed
from inference.generation import (
    ChosenToken,
    Event,
    EventStream,
    Finish,
    Generation,
    Structure,
    Target,
    TextDelta,
    TokenLogprob,
    Usage,
)
from inference.large_requests import beside_the_loop

MAX_ERROR_BYTES = 64 * 1024
# Every error of the generate extension comes with this status.
TRITON_ERROR = 400
SMALLEST_TOP_P = 1e-6
# What msgspec raises for a payload that is no JSON of ours, or no UTF-8.
NO_ANSWER = (msgspec.DecodeError, UnicodeDecodeError)
# How long an engine may take to end its response after the end of its answer; then the connection is given up.
LINGER_SECONDS = 0.5
# Milliseconds to write an image's bytes into a request.
MS_PER_IMAGE_BYTE = 3e-6

# The engine's words for the end of an answer, in OpenAI's.
FINISH_REASONS = {"stop": "stop", "length": "length"}


class _Response(Struct, gc=False):
    """One response; Triton writes single-element tensors as scalars."""

    text_output: str = ""
    finish_reason: str = "None"
    num_output_tokens: int = 0
    num_input_tokens: int = 0
    logprobs: str | None = None
    error: str | None = None


class _Logprob(Struct):
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


_decode_response = msgspec.json.Decoder(_Response).decode
_Logprobs = list[dict[str, _Logprob]] | None
_decode_logprobs = msgspec.json.Decoder(_Logprobs).decode
_encode = msgspec.json.Encoder().encode


def sampling_parameters(generation: Generation, target: Target) -> dict[str, Any]:
    """vLLM's SamplingParams; an unknown key would fail the request, so only what was asked for is sent."""
    sampling = generation.sampling
    parameters: dict[str, Any] = {
        name: value for name in sampling.__struct_fields__ if (value := getattr(sampling, name)) not in (None, ())
    }
    # Always sent: the engine's own default is 16.
    parameters["max_tokens"] = generation.max_tokens
    if sampling.min_tokens is not None:
        parameters["min_tokens"] = min(sampling.min_tokens, generation.max_tokens)
    if sampling.top_p == 0:
        # OpenAI allows it, vLLM refuses it.
        parameters["top_p"] = SMALLEST_TOP_P
    if generation.stop:
        parameters["stop"] = generation.stop
    if generation.top_logprobs is not None:
        parameters["logprobs"] = generation.top_logprobs
    if generation.structure is not None and (key := guided_key(target)) is not None:
        parameters[key] = guidance(generation.structure)
    return parameters


def guidance(structure: Structure) -> str:
    """vLLM's StructuredOutputsParams, which the backend takes as JSON text inside the JSON text."""
    schema = structure.schema
    return _encode({"json_object": True} if schema is None else {"json": msgspec.Raw(schema.encode())}).decode()


def request_body(generation: Generation, target: Target) -> bytes:
    """The flat JSON object of the generate extension: keys that are input tensors, nothing else."""
    prompt = generation.prompt
    # The engine adds its own beginning-of-sequence token; a template's would then stand twice.
    strip_bos = target.options.get("strip_bos")
    if isinstance(strip_bos, str):
        prompt = prompt.removeprefix(strip_bos)
    body: dict[str, Any] = {
        "text_input": prompt,
        "stream": True,
        "exclude_input_in_output": True,
        "return_finish_reason": True,
        "return_num_input_tokens": True,
        "return_num_output_tokens": True,
        "sampling_parameters": _encode(sampling_parameters(generation, target)).decode(),
    }
    if generation.top_logprobs is not None:
        body["return_logprobs"] = True
    if generation.images:
        # msgspec writes bytes in base64, as the backend reads them.
        body["image"] = generation.images
    return _encode(body)


def chosen_tokens(text: str | None, top: int) -> tuple[ChosenToken, ...]:
    """The tokens of one `logprobs` element; the engine writes the sampled token first, whatever its rank.

    Raises `BackendFailed` where it makes no sense.
    """
    chosen = []
    for position in _logprobs(text or "null") or ():
        if not position:
            raise BackendFailed("The model's answer could not be read.")
        first = next(iter(position.values()))
        ranked = sorted(position.values(), key=lambda entry: -entry.logprob)[:top]
        chosen.append(
            ChosenToken(
                token=first.decoded_token or "",
                logprob=first.logprob,
                top=tuple(TokenLogprob(token=entry.decoded_token or "", logprob=entry.logprob) for entry in ranked),
            )
        )
    return tuple(chosen)


def _logprobs(text: str) -> _Logprobs:
    try:
        return _decode_logprobs(text)
    except NO_ANSWER:
        pass
    # The engine writes with Python's json, which spells a token that cannot come "-Infinity".
    try:
        return msgspec.convert(json.loads(text), _Logprobs)
    except (ValueError, RecursionError):
        raise BackendFailed("The model's answer could not be read.") from None


class TritonVllm:
    """The adapter for `triton_vllm` deployments."""

    async def stream(self, generation: Generation, target: Target) -> EventStream:
        """See `inference.generation.Backend`."""
        headers = {"content-type": "application/json", **target.headers}
        image_bytes = sum(map(len, generation.images))
        body = await beside_the_loop(image_bytes * MS_PER_IMAGE_BYTE, request_body, generation, target)
        try:
            response = await send("POST", f"{target.model_url}/generate_stream", headers=headers, body=body)
        except TRANSPORT_ERRORS as error:
            raise unavailable() from error
        began = False
        answer = _Answer(generation)
        with response:
            try:
                if response.status_code != 200:
                    raise await _refusal(response)
                decoder = SseDecoder()
                while chunk := await response.read():
                    for payload in decoder.feed(chunk):
                        for event in answer.events(payload, began=began):
                            began = True
                            yield event
                    if answer.complete:
                        await _read_to_end(response)
                        return
                raise BackendFailed("The model broke off its answer.")
            except TRANSPORT_ERRORS as error:
                raise (BackendFailed("The model broke off its answer.") if began else unavailable()) from error


async def _read_to_end(response: EngineResponse) -> None:
    """Reads what follows an answer, so that the connection can be used again; nothing in it matters any more."""
    if response.complete:
        return
    with contextlib.suppress(TimeoutError, TRANSPORT_ERRORS):
        async with asyncio.timeout(LINGER_SECONDS):
            while await response.read():
                pass


async def _refusal(response: EngineResponse) -> Exception:
    """The error behind a response that is not 200, whose body is JSON or one server-sent event."""
    body = b""
    while chunk := await response.read():
        body += chunk
        if len(body) > MAX_ERROR_BYTES:
            break
    if response.status_code != TRITON_ERROR:
        # A proxy before Triton, a wrong secret, an unknown address: nothing was generated.
        return status_error(response.status_code)
    payloads = SseDecoder().feed(body) if body.startswith(b"data:") else [body]
    try:
        text = _decode_response(payloads[0]).error or ""
    except (*NO_ANSWER, IndexError):
        text = ""
    return backend_error(text, began=False) if text else status_error(response.status_code)


class _Answer:
    """What one stream has said so far: its token counts, and whether it has ended."""

    __slots__ = ("_output_tokens", "_top", "complete")

    def __init__(self, generation: Generation) -> None:
        self._top = generation.top_logprobs
        self._output_tokens = 0
        self.complete = False

    def events(self, payload: bytes, *, began: bool) -> list[Event]:
        """The events in one response; raises what an error response means."""
        if self.complete:
            return []
        try:
            response = _decode_response(payload)
        except NO_ANSWER:
            # The error may hold a piece of the answer.
            raise BackendFailed("The model's answer could not be read.") from None
        if response.error is not None:
            raise backend_error(response.error, began=began)
        text, reason, tokens = response.text_output, response.finish_reason, response.num_output_tokens
        self._output_tokens += tokens
        chosen = None if self._top is None else chosen_tokens(response.logprobs, self._top)
        if not text and reason == "stop":
            # The end-of-sequence token: counted, but no part of the text whose tokens a client asked about.
            chosen = None
        events: list[Event] = []
        # An engine that does not count says 0, as no prompt can: then `meter` counts.
        counted = response.num_input_tokens > 0
        if counted and not began:
            events.append(Usage(response.num_input_tokens, 0))
        if text or tokens or chosen:
            events.append(TextDelta(0, text, tokens, chosen))
        if reason != "None":
            if reason not in FINISH_REASONS:
                raise BackendFailed("The model broke off its answer.")
            self.complete = True
            if counted:
                events.append(Usage(response.num_input_tokens, self._output_tokens))
            events.append(Finish(0, FINISH_REASONS[reason]))
        return events

"""Triton models that generate no text, over KServe's `/infer` with binary tensors and the operator's tensor map."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from accounts.errors import ApiError
from inference.backends.kserve import HEADER, NoAnswerError, read_answer, request_parts
from inference.backends.tensor_layout import MissingValueError, Values, laid_out
from inference.backends.tensor_results import Results, results
from inference.backends.transport import TRANSPORT_ERRORS, EngineResponse, send
from inference.backends.triton_errors import infer_error, status_error, unavailable
from inference.errors import BackendFailed
from inference.generation import Target
from inference.large_requests import beside_the_loop
from inference.tensor_map import TensorMap

# More than the hidden states of 64 long texts, or dozens of pictures, take.
MAX_ANSWER_BYTES = 512 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
# Measured: laying texts, files and token ids out, and making vectors or pixels of what was read.
MS_PER_VALUE = 1e-3
MS_PER_BYTE_SENT = 1e-6
MS_PER_TOKEN_ID = 4e-5
MS_PER_BYTE_READ = 5e-6
NO_ANSWER = "The model's answer could not be read."


class _Refusal(Struct):
    error: str = ""


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class TritonTensors:
    """The adapter for `triton_tensors` deployments."""

    async def infer(self, values: Values, target: Target, *, batch: int = 1) -> Results:
        """One call for `batch` items: `values` by source of the target's map, results by role (`tensor_results`).

        Raises as `inference.generation.Backend` says. Nothing of an answer is passed on before its end, so that any
        call may be tried again elsewhere.
        """
        tensor_map = target.tensor_map
        if tensor_map is None:
            raise unavailable()
        body, head_bytes = await beside_the_loop(_layout_ms(values), infer_request, tensor_map, values, batch)
        headers = {"content-type": "application/octet-stream", HEADER: str(head_bytes), **target.headers}
        try:
            with await send("POST", f"{target.model_url}/infer", headers=headers, body=body) as response:
                if response.status_code != 200:
                    raise await _refusal(response)
                header_bytes = _header_bytes(response)
                parts, size = await _read(response, MAX_ANSWER_BYTES)
        except TRANSPORT_ERRORS as error:
            raise unavailable() from error
        ids = values.get("input_ids")
        lengths = [len(text) for text in ids] if ids else None
        return await beside_the_loop(
            size * MS_PER_BYTE_READ, infer_results, tensor_map, parts, header_bytes or size, batch, lengths
        )


def infer_request(tensor_map: TensorMap, values: Values, batch: int = 1) -> tuple[bytes, int]:
    """The body of a call, and the length of the JSON it begins with. Raises `BackendFailed`."""
    try:
        sent = laid_out(tensor_map, values, batch)
    except (MissingValueError, ValueError, OverflowError, TypeError):
        # The map and what requests bring do not go together, which no other request changes; the cause may hold values.
        raise BackendFailed("The model is not set up for this request.") from None
    return request_parts(sent, tensor_map.outputs.tensors.values())


def infer_results(
    tensor_map: TensorMap, parts: list[bytes], header_bytes: int, batch: int, lengths: Sequence[int] | None
) -> Results:
    """What an answer comes to that begins with so much JSON; `lengths` as of `results`. Raises `BackendFailed`."""
    try:
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return results(tensor_map, read_answer(body, header_bytes), batch, lengths)
    except NoAnswerError:
        raise BackendFailed(NO_ANSWER) from None


def _layout_ms(values: Values) -> float:
    """What `infer_request` takes at most."""
    found = 0.0
    for many in values.values():
        for value in many:
            found += MS_PER_VALUE
            if isinstance(value, list):
                found += len(value) * MS_PER_TOKEN_ID
            elif isinstance(value, str | bytes):
                found += len(value) * MS_PER_BYTE_SENT
    return found


def _header_bytes(response: EngineResponse) -> int:
    """The length of the JSON that an answer begins with; 0: it is all JSON."""
    text = response.headers.get(HEADER.lower().encode(), b"0")
    return int(text) if text.isdigit() else 0


async def _read(response: EngineResponse, limit: int) -> tuple[list[bytes], int]:
    parts, size = [], 0
    while part := await response.read():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise BackendFailed(NO_ANSWER)
    return parts, size


async def _refusal(response: EngineResponse) -> ApiError:
    """The error behind an answer that is not 200."""
    parts, _ = await _read(response, MAX_ERROR_BYTES)
    try:
        text = _decode_refusal(b"".join(parts)).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = ""
    return infer_error(response.status_code, text) if text else status_error(response.status_code)

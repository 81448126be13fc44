"""What a request asks for, in the words of the steps that follow."""

from msgspec import Struct

from inference.api.schemas import problems
from inference.api.schemas.effort import effort_variables
from inference.api.schemas.responses.fields import InputRequest, ResponsesRequest
from inference.api.schemas.responses.tools import Offered, offered_tools
from inference.api.schemas.responses.turns import Opening, Turns
from inference.api.schemas.tools import structure_of
from inference.conversation import Conversation
from inference.generation import Sampling, Structure
from inference.json_schema import CHECK_MS_PER_BYTE, STRICT_MS_PER_BYTE

LOGPROBS = "message.output_text.logprobs"
SEALED_REASONING = "reasoning.encrypted_content"

# Milliseconds of a conversion, measured: items of a few words, and arguments, base64 and keys of which much is made.
MS_PER_ITEM = 2e-3
MS_PER_BYTE = 2e-5


class Asking(Struct, frozen=True):
    """A request in the words of the steps that follow, and the tools as the client knows them."""

    conversation: Conversation
    offered: Offered


def asking_of(request: InputRequest, opening: Opening) -> Asking:
    """What is asked for; `opening` opens reasoning that was sealed. Raises InvalidRequest."""
    offered = offered_tools(request)
    turns = Turns(offered.names, opening)
    if request.instructions:
        turns.instruct(request.instructions)
    if isinstance(request.input, str):
        turns.messages.append({"role": "user", "content": request.input})
    else:
        for index, item in enumerate(request.input):
            turns.add(item, f"input[{index}]")
    turns.end()
    whole = request if isinstance(request, ResponsesRequest) else None
    conversation = Conversation(
        messages=turns.messages,
        sampling=Sampling() if whole is None else _sampling(whole),
        variables=effort_variables(None if request.reasoning is None else request.reasoning.effort),
        output_limit=None if whole is None else whole.max_output_tokens,
        top_logprobs=None if whole is None else _wanted_logprobs(whole),
        tooling=offered.tooling,
        structure=_structure(request),
        pictures=tuple(turns.pictures),
        param="input",
    )
    return Asking(conversation, offered)


def wants(request: ResponsesRequest, included: str) -> bool:
    """Whether the answer is to have what `included` names."""
    return included in (request.include or ())


def conversion_ms(request: InputRequest, body_bytes: int) -> float:
    """Milliseconds that `asking_of` takes at most."""
    items = 1 if isinstance(request.input, str) else len(request.input)
    milliseconds = items * MS_PER_ITEM + body_bytes * MS_PER_BYTE
    wanted = None if request.text is None else request.text.format
    if request.tools or (wanted is not None and wanted.schema is not None):
        # Which of it are schemas is not known yet.
        strict = (wanted is not None and bool(wanted.strict)) or any(tool.get("strict") for tool in request.tools or ())
        milliseconds += body_bytes * (STRICT_MS_PER_BYTE if strict else CHECK_MS_PER_BYTE)
    return milliseconds


def _sampling(request: ResponsesRequest) -> Sampling:
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
    )


def _wanted_logprobs(request: ResponsesRequest) -> int | None:
    return (request.top_logprobs or 0) if wants(request, LOGPROBS) else None


def _structure(request: InputRequest) -> Structure | None:
    found = None if request.text is None else request.text.format
    if found is None or found.type == "text":
        return None
    if found.type == "json_schema":
        for field in ("name", "schema"):
            if getattr(found, field) is None:
                raise problems.missing(f"text.format.{field}")
    schema = found.schema if found.type == "json_schema" else None
    return structure_of(schema, "text.format.schema", strict=bool(found.strict))

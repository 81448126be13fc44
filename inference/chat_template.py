"""Chat templates: a conversation into the text that a model was trained on.

The text that a template is given comes from customers: what of it spells a special token is broken up first, see
`inference.special_tokens`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from jinja2.sandbox import SecurityError

from accounts.errors import ApiError
from inference.errors import InvalidRequest, ServerError
from inference.special_tokens import AssetError, SpecialTokens
from inference.template_habits import PROBE, habits_of, text_problem
from inference.template_sandbox import ExhaustedError, RaisedError, compiled, rendered

RESERVED_VARIABLES = frozenset(
    (
        "messages",
        "tools",
        "documents",
        "chat_template",
        "tokenize",
        "add_generation_prompt",
        "continue_final_message",
        "bos_token",
        "eos_token",
        "unk_token",
        "pad_token",
        "raise_exception",
        "strftime_now",
        "range",
        "dict",
        "lipsum",
        "cycler",
        "joiner",
        "namespace",
    )
)

# Templates ask whether it is none, which an undefined name is not.
ABSENT = {"documents": None}

# How templates spell their markers, for those that a tokenizer does not list as special: <|im_end|> (also with
# DeepSeek's full-width bars), <start_of_turn>, </s>, <bos>, [INST], [/INST].
MARKERS = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s'\"]{1,80}[|\uff5c]>|</?(?:s|bos|eos|pad|unk)>|<(?:start|end)_of_[a-z_]+>|\[/?[A-Z][A-Z_]+\]"
)
# Milliseconds of a rendering, measured with a template that calls a macro for each message; marks are characters that a
# special token begins with. Variables of the client's own may nest as they like.
MS_PER_MESSAGE = 5e-3
MS_PER_CHARACTER = 1e-6
MS_PER_MARK = 2e-4
VARIABLES_MS_PER_BYTE = 3e-4
# So many messages alone make a rendering long.
MANY_MESSAGES = 1000


class ChatTemplate:
    """One model's template, compiled."""

    def __init__(
        self,
        source: str,
        *,
        special_tokens: Sequence[str] = (),
        bos_token: str = "",
        eos_token: str = "",
        unk_token: str = "",
        pad_token: str = "",
    ) -> None:
        """Compiles `source`; raises AssetError. `special_tokens`: what the tokenizer turns into special ids."""
        self._template = compiled(source, "chat template")
        self._source = source
        self._knows_developer = "developer" in source
        self._knows_reasoning_content = "reasoning_content" in source
        tokens = {"bos_token": bos_token, "eos_token": eos_token, "unk_token": unk_token, "pad_token": pad_token}
        # jinja2's own `new_context` puts the globals together again for every rendering.
        self._constants = {**self._template.globals, **ABSENT, **tokens, "add_generation_prompt": True}
        self._special = SpecialTokens((*special_tokens, *MARKERS.findall(source)))
        self.special_tokens = self._special.tokens
        self.neutralise = self._special.neutralise
        problem = text_problem(self._render, PROBE)
        if problem is not None and text_problem(self._render, [{"type": "text", "text": PROBE}]) is not None:
            raise AssetError(f"The chat template cannot render a conversation of one user message: {problem}.")
        self.habits = habits_of(self._render, wants_parts=problem is not None)

    def _neutral(self, value: Any) -> Any:
        """`value` with every string in it neutralised, names of fields too."""
        if isinstance(value, str):
            return self.neutralise(value)
        if isinstance(value, list):
            return [self._neutral(item) for item in value]
        if isinstance(value, dict):
            return {self._neutral(key): self._neutral(item) for key, item in value.items()}
        return value

    def effort(
        self, messages: Sequence[Mapping[str, Any]], variables_bytes: int, tools: Sequence[dict[str, Any]] | None = None
    ) -> float:
        """Milliseconds that `render` takes at most, by an estimate that costs next to nothing."""
        if tools:
            variables_bytes += len(msgspec.json.encode(tools))
        milliseconds = len(messages) * MS_PER_MESSAGE + variables_bytes * VARIABLES_MS_PER_BYTE
        texts: list[str] = []
        for message in messages[:MANY_MESSAGES]:
            content = message["content"]
            if type(content) is str:
                texts.append(content)
            else:
                texts += [part.get("text", "") for part in content or ()]
            if "tool_calls" in message:
                milliseconds += len(msgspec.json.encode(message["tool_calls"])) * VARIABLES_MS_PER_BYTE
        text = "".join(texts)
        return milliseconds + len(text) * MS_PER_CHARACTER + self._special.marks(text) * MS_PER_MARK

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[dict[str, Any]] | None = None,
        /,
        **variables: Any,
    ) -> str:
        """The prompt for a conversation, which ends where the assistant's answer begins.

        `messages` are as of `inference.conversation.Conversation`, `tools` functions as in OpenAI's field,
        `variables` what the client passes to the template; all may hold anything that JSON can. Raises InvalidRequest
        for what the template refuses and ServerError for a template that fails; neither holds any of the conversation.
        """
        try:
            given = {name: self._neutral(value) for name, value in variables.items() if name not in RESERVED_VARIABLES}
        except RecursionError:
            given = None
        if given is None:
            raise self._wrong_variables("nested too deeply")
        try:
            offered = self._neutral(list(tools)) if tools else None
            return self._render(self._turns(messages), offered, given)
        except RaisedError as error:
            problem: ApiError = self._refusal(str(error))
        except (ExhaustedError, SecurityError, OverflowError, MemoryError, RecursionError):
            problem = ServerError("The model's chat template asks for more than it may.", code="chat_template_error")
        # A template is a program that may fail in any way. Whatever it was, its text may quote the conversation.
        except Exception:  # noqa: BLE001
            problem = self._failure(given)
        raise problem

    def _turns(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The messages as the template may see them. Hardly any needs a change, which one look at their texts tells."""
        plain = [] if self.habits.wants_parts else [message for message in messages if _is_plain(message)]
        if not self._special.absent("".join([message["content"] for message in plain])):
            plain = []
        if len(plain) == len(messages):
            return plain
        return [message if plain and _is_plain(message) else self._turn(message) for message in messages]

    def _turn(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A message as the template may see it."""
        turn = {name: value if name == "role" else self._neutral(value) for name, value in message.items()}
        if turn.get("role") == "developer" and not self._knows_developer:
            turn["role"] = "system"
        content = turn.get("content")
        if "reasoning_content" in turn and not self._knows_reasoning_content:
            thought = turn.pop("reasoning_content")
            # gpt-oss' name; its template takes either that or content beside calls.
            if not (content and "tool_calls" in turn):
                turn["thinking"] = thought
        if "tool_calls" in turn:
            if not content:
                turn["content"] = content = self.habits.no_content
            if self.habits.arguments_as_text:
                for call in turn["tool_calls"]:
                    call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        if isinstance(content, list):
            image = self.habits.image
            turn["content"] = [image if part.get("type") == "image" and image else part for part in content]
        elif self.habits.wants_parts and isinstance(content, str):
            turn["content"] = [{"type": "text", "text": content}]
        return turn

    def _render(
        self,
        turns: Sequence[Mapping[str, Any]],
        tools: Sequence[dict[str, Any]] | None,
        given: Mapping[str, Any] | None = None,
    ) -> str:
        given = given or {}
        variables = {**self._constants, **given, "messages": turns, "tools": tools}
        return rendered(self._template, variables, lambda: _size(turns) + _size(tools) + _size(given))

    def _refusal(self, message: str) -> InvalidRequest:
        """What the template says, if it is its own text and not put together from the conversation."""
        said = message.strip()
        own = said if said and said in self._source else "The model's chat template does not accept this conversation."
        return InvalidRequest(own, param="messages", code="invalid_value")

    def _failure(self, given: Mapping[str, Any]) -> ApiError:
        """A failure inside the template; with variables of the client's own the likely cause is one of them."""
        ours = {"reasoning_effort"}
        if isinstance(given.get("enable_thinking"), bool):
            ours.add("enable_thinking")
        if given.keys() - ours:
            return self._wrong_variables("the model's chat template fails with these values")
        return ServerError("The model's chat template fails with this conversation.", code="chat_template_error")

    def _wrong_variables(self, problem: str) -> InvalidRequest:
        message = f"Invalid 'chat_template_kwargs': {problem}."
        return InvalidRequest(message, param="chat_template_kwargs", code="invalid_value")


def _is_plain(message: Mapping[str, Any]) -> bool:
    """Whether a message is mere text, which a template may see as it is unless it spells a special token."""
    return len(message) == 2 and type(message.get("content")) is str and message.get("role", "developer") != "developer"


def _size(value: Any) -> int:
    """The characters of all strings in `value`."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 0

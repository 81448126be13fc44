"""Chat templates: a conversation into the text that a model was trained on.

Templates come from model assets and are programs, so they run in jinja2's immutable sandbox with bounds of their own.
The text that they are given comes from customers, and the engine tokenizes the result with special tokens switched on:
text that spells a special token would become one, and could end a turn or pose as the system. `neutralise` breaks every
such spelling with a space after its first character ("<|im_end|>" becomes "< |im_end|>"): still readable for model and
customer, a character that no tokenizer's normalizer drops, and nothing else of the text changes.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from accounts.errors import ApiError
from inference.errors import InvalidRequest, ServerError

# Far above any real template: what one loop, all loops of a rendering and one repeated text may come to.
MAX_ITERATIONS = 1_000_000
MAX_REPEATED = 1_000_000
# A rendering may hold the conversation some times over (a template may quote it), and its own text.
MAX_GROWTH = 8
MAX_OWN_TEXT = 1_000_000

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

# How templates spell their markers, for those that a tokenizer does not list as special: <|im_end|> (also with
# DeepSeek's full-width bars), <start_of_turn>, </s>, <bos>, [INST], [/INST].
MARKERS = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s'\"]{1,80}[|\uff5c]>|</?(?:s|bos|eos|pad|unk)>|<(?:start|end)_of_[a-z_]+>|\[/?[A-Z][A-Z_]+\]"
)
# One of them that no special token holds breaks spellings.
BREAKS = (" ", "\u200b", "\u2060")


class AssetError(Exception):
    """A model's template or tokenizer cannot be used; the message is for the operator and holds no content."""


class _RaisedError(TemplateError):
    """What a template says with raise_exception."""


class _ExhaustedError(Exception):
    """A rendering went over its bounds."""


class _GenerationTag(Extension):
    """`{% generation %}`: marks the assistant's tokens for training; renders as what is inside."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, which also refuses to blow up numbers and texts."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of `left operator right`; raises _ExhaustedError for one of absurd size."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**":
            if not numbers or abs(left) > MAX_REPEATED or abs(right) > 64:
                raise _ExhaustedError
        elif not numbers:
            times, text = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(times, int) and times * len(text) > MAX_REPEATED:
                raise _ExhaustedError
        return super().call_binop(context, operator, left, right)


class _Range:
    """`range` that counts: all loops of one rendering together stay below MAX_ITERATIONS."""

    def __init__(self) -> None:
        self.left = MAX_ITERATIONS

    def __call__(self, *bounds: int) -> range:
        numbers = range(*bounds)
        self.left -= len(numbers)
        if self.left < 0:
            raise _ExhaustedError
        return numbers


def _raise_exception(message: object) -> NoReturn:
    raise _RaisedError(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now(tz=UTC).strftime(form)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """jinja2's own filter escapes HTML, which models were not trained on."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[LoopControlExtension, _GenerationTag],
        # Prompts are no HTML.
        autoescape=False,
        # One template each: it is compiled once and kept by its model.
        cache_size=0,
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


ENVIRONMENT = _environment()


def spelling(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """An expression that finds the first character of every special token's spelling; None: there are none.

    A look-ahead, so that spellings that overlap are all found. Grouped by that character, so that the scan of a text
    stops only where a token could begin.
    """
    by_first: dict[str, list[str]] = {}
    for token in sorted(set(tokens), key=len, reverse=True):
        if len(token) > 1:
            by_first.setdefault(token[0], []).append(re.escape(token[1:]))
    if not by_first:
        return None
    return re.compile("|".join(f"{re.escape(first)}(?={'|'.join(rests)})" for first, rests in by_first.items()))


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
        try:
            self._template = ENVIRONMENT.from_string(source)
        except TemplateSyntaxError as error:
            raise AssetError(f"The chat template is wrong in line {error.lineno}: {error.message}") from None
        except (TemplateError, RecursionError, ValueError) as error:
            raise AssetError(f"The chat template cannot be compiled: {type(error).__name__}.") from None
        self._source = source
        self._knows_developer = "developer" in source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token, "unk_token": unk_token, "pad_token": pad_token}
        self.special_tokens = tuple(dict.fromkeys((*special_tokens, *MARKERS.findall(source))))
        self._spelling = spelling(self.special_tokens)
        joined = "".join(self.special_tokens)
        free = next((mark for mark in BREAKS if mark not in joined), None)
        if free is None:
            raise AssetError("The tokenizer's special tokens hold all the characters that could break them up.")
        self._broken = rf"\g<0>{free}"
        # Nothing can be put inside these.
        self._lone = str.maketrans({token: "?" for token in self.special_tokens if len(token) == 1})

    def neutralise(self, text: str) -> str:
        """`text` in which no special token is spelled out."""
        if self._lone:
            text = text.translate(self._lone)
        return text if self._spelling is None else self._spelling.sub(self._broken, text)

    def _neutral(self, value: Any) -> Any:
        """`value` with every string in it neutralised, names of fields too."""
        if isinstance(value, str):
            return self.neutralise(value)
        if isinstance(value, list):
            return [self._neutral(item) for item in value]
        if isinstance(value, dict):
            return {self._neutral(key): self._neutral(item) for key, item in value.items()}
        return value

    def render(self, messages: Sequence[Mapping[str, Any]], /, **variables: Any) -> str:
        """The prompt for a conversation, which ends where the assistant's answer begins.

        `messages` are dicts with `role` and `content`, `variables` what the client passes to the template; both may
        hold anything that JSON can. Raises InvalidRequest for what the template refuses and ServerError for a
        template that fails; neither holds any of the conversation.
        """
        try:
            return self._render(messages, variables)
        except _RaisedError as error:
            problem: ApiError = self._refusal(str(error))
        except (_ExhaustedError, SecurityError, OverflowError, MemoryError):
            problem = ServerError("The model's chat template asks for more than it may.", code="chat_template_error")
        except RecursionError:
            problem = InvalidRequest("The conversation is nested too deeply.", param="messages")
        # A template is a program that may fail in any way. Whatever it was, its text may quote the conversation.
        except Exception:  # noqa: BLE001
            problem = self._failure(variables)
        raise problem

    def _render(self, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any]) -> str:
        neutral = [self._neutral(dict(message)) for message in messages]
        if not self._knows_developer:
            for message in neutral:
                if message.get("role") == "developer":
                    message["role"] = "system"
        given = {name: self._neutral(value) for name, value in variables.items() if name not in RESERVED_VARIABLES}
        context = self._template.new_context(
            {**given, **self._tokens, "messages": neutral, "add_generation_prompt": True, "range": _Range()}
        )
        room = MAX_OWN_TEXT + MAX_GROWTH * (_size(neutral) + _size(given))
        pieces = []
        for piece in self._template.root_render_func(context):
            room -= len(piece)
            if room < 0:
                raise _ExhaustedError
            pieces.append(piece)
        return "".join(pieces)

    def _refusal(self, message: str) -> InvalidRequest:
        """What the template says, if it is its own text and not put together from the conversation."""
        said = message.strip()
        own = said if said and said in self._source else "The model's chat template does not accept this conversation."
        return InvalidRequest(own, param="messages", code="invalid_value")

    def _failure(self, variables: Mapping[str, Any]) -> ApiError:
        """A failure inside the template; with variables of the client's own the likely cause is one of them."""
        if variables.keys() - {"reasoning_effort"}:
            message = "Invalid 'chat_template_kwargs': the model's chat template fails with these values."
            return InvalidRequest(message, param="chat_template_kwargs", code="invalid_value")
        return ServerError("The model's chat template fails with this conversation.", code="chat_template_error")


def _size(value: Any) -> int:
    """The characters of all strings in `value`."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 0

"""The sandbox that chat templates run in: jinja2's immutable one, with what templates of models expect and bounds.

A template is an operator's asset and no enemy, but it is a program fed with customers' text: it can neither reach out
of the sandbox nor loop or repeat without end. A text doubled over and over by `~` is not noticed.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.utils import Namespace

from inference.special_tokens import AssetError

# Far above any real template: what all loops of one rendering, and one repeated text, may come to.
MAX_ITERATIONS = 1_000_000
MAX_REPEATED = 1_000_000
# A rendering may hold what it is given some times over (a template may quote it), and its own text.
MAX_GROWTH = 8
MAX_OWN_TEXT = 1_000_000
DICT_ATTRIBUTES = frozenset(dir(dict))
# Objects of jinja's own in whose public attributes nothing is to be kept from a template.
STATES = (LoopContext, Namespace)
ABSENT = object()


class RaisedError(TemplateError):
    """What a template says with raise_exception."""


class ExhaustedError(Exception):
    """A rendering went over its bounds."""


class _GenerationTag(Extension):
    """`{% generation %}`: marks the assistant's tokens for training; renders as what is inside."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, which also refuses to blow up numbers and texts."""

    # The base class puts an undefined value in place of what is forbidden, which prints as nothing.
    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        """Raises SecurityError: a template reached for something that is none of its business."""
        raise SecurityError(f"Access to {attribute} is not allowed.")

    # Most of what templates ask for, several times for each message: fields, which are there or not, the state of a
    # loop, and variables that outlive one. The base class comes to the same by exceptions and checks of everything.
    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`, where an attribute goes before an item."""
        kind = type(obj)
        if kind is dict and attribute not in DICT_ATTRIBUTES:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if kind in STATES and not attribute.startswith("_"):
            value = getattr(obj, attribute, ABSENT)
            if value is not ABSENT:
                return value
        return super().getattr(obj, attribute)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What `obj` returns; a macro, which templates call for every message, without the checks of other things."""
        if type(obj) is not Macro:
            return super().call(context, obj, *args, **kwargs)
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        special = kwargs or obj.caller or obj.catch_kwargs or obj.catch_varargs or context.eval_ctx.autoescape
        if special or len(args) != obj._argument_count:
            return obj(context.eval_ctx, *args, **kwargs)
        # What the macro's own call comes to when every argument is there.
        return obj._func(*args)

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of `left operator right`; raises ExhaustedError for one of absurd size."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**":
            if not numbers or abs(left) > MAX_REPEATED or abs(right) > 64:
                raise ExhaustedError
        elif not numbers:
            times, text = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(times, int) and times * len(text) > MAX_REPEATED:
                raise ExhaustedError
        return super().call_binop(context, operator, left, right)


class BoundedRange:
    """`range` that counts: all loops of one rendering together stay below MAX_ITERATIONS."""

    def __init__(self) -> None:
        self.left = MAX_ITERATIONS

    def __call__(self, *bounds: int) -> range:
        numbers = range(*bounds)
        self.left -= len(numbers)
        if self.left < 0:
            raise ExhaustedError
        return numbers


def _raise_exception(message: object) -> NoReturn:
    raise RaisedError(str(message))


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
    del environment.globals["lipsum"]
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


ENVIRONMENT = _environment()


def compiled(source: str, name: str) -> Template:
    """The template in `source`. Raises AssetError, which calls it `name` ("chat template")."""
    try:
        return ENVIRONMENT.from_string(source)
    except TemplateSyntaxError as error:
        raise AssetError(f"The {name} is wrong in line {error.lineno}: {error.message}") from None
    except (TemplateError, RecursionError, ValueError) as error:
        raise AssetError(f"The {name} cannot be compiled: {type(error).__name__}.") from None


def rendered(template: Template, variables: dict[str, Any], given: Callable[[], int]) -> str:
    """What a template makes of `variables`, globals included. `given`: their characters, asked for if it is long.

    Raises ExhaustedError for a text out of all proportion, RaisedError, and anything else that a program may.
    """
    context = ENVIRONMENT.context_class(ENVIRONMENT, {**variables, "range": BoundedRange()}, None, template.blocks)
    room: int = MAX_OWN_TEXT
    measured = False
    pieces = []
    for piece in template.root_render_func(context):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            if not measured:
                measured = True
                room += MAX_GROWTH * given()
            if room < 0:
                raise ExhaustedError
    # A macro holds the context that holds it: left to the garbage collector, they would keep the conversation.
    context.vars.clear()
    return "".join(pieces)

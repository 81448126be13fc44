"""Guided decoding, as vLLM's `structured_outputs` asks for it: an answer that has the form which was ordered."""

import json
import random
from collections.abc import Mapping
from typing import Any

from calling import Caller
from conversation import Call, Tool
from hints import Hints
from regex_text import matching
from schema_values import SchemaWriter
from writer import Writer

KINDS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
# The names that lists of calls use for the arguments.
_ARGUMENTS = ("parameters", "arguments")


def read_constraint(text: Any) -> dict[str, Any]:
    """The constraint in a JSON string, as the backend hands it to vLLM. Raises ValueError or TypeError."""
    values = json.loads(text)
    named = [kind for kind in KINDS if values.get(kind) not in (None, False)]
    if len(named) != 1:
        raise ValueError("You can only use one kind of structured outputs constraint")
    return {named[0]: values[named[0]]}


def obey(
    constraint: Mapping[str, Any],
    writer: Writer,
    question: str,
    tools: list[Tool],
    forced: list[Call],
    rng: random.Random,
    *,
    answering: bool,
) -> str:
    """A text that keeps to the constraint.

    `forced` are calls that were ordered, for a schema of calls; `answering`: of calls or an answer it is the answer.

    Raises ValueError with vLLM's kind of text for what cannot be obeyed.
    """
    ((kind, asked),) = constraint.items()
    if kind == "json_object":
        return writer.json_object()
    if kind == "choice" and isinstance(asked, list) and asked:
        named = Hints(question).one_of(asked)
        return str(rng.choice(asked) if named is None else named)
    if kind == "regex" and isinstance(asked, str):
        return matching(asked, rng)
    if kind != "json":
        raise ValueError(f"{kind} is not supported")
    schema = json.loads(asked) if isinstance(asked, str) else asked
    caller = Caller(tools, question, rng, writer.word, writer.sentence)
    schema = _either(schema, calling=not answering and bool(forced or caller.calls()))
    value = _calls(schema, caller, forced, tools)
    if value is None and forced:
        value = forced[0].arguments
    if value is None and any(_fields(tool.parameters) == _fields(schema) for tool in tools):
        # The arguments of the one tool that is to be called.
        value = caller.arguments(schema)
    if value is None:
        value = SchemaWriter(schema, Hints(question), rng, word=writer.word, sentence=writer.sentence).value(schema)
    return json.dumps(value, ensure_ascii=False)


def _either(schema: Any, *, calling: bool) -> Any:
    """Of a schema of calls or an answer the one that is wanted, any other as it is."""
    options = schema.get("anyOf") if isinstance(schema, Mapping) else None
    if not isinstance(options, list) or len(options) != 2:
        return schema
    calls, answer = (_with_definitions(option, schema) for option in options)
    if not isinstance(calls, Mapping) or calls.get("type") != "array" or not _options(calls, calls.get("items")):
        return schema
    return calls if calling else answer


def _fields(schema: Any) -> frozenset[str]:
    """The names of an object's fields."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return frozenset(properties) if isinstance(properties, Mapping) else frozenset()


def _calls(schema: Any, caller: Caller, forced: list[Call], tools: list[Tool]) -> Any:
    """The calls that a schema of a list of calls (or of one) stands for; None: it is another schema."""
    several = isinstance(schema, Mapping) and schema.get("type") == "array"
    options = _options(schema, schema.get("items") if several else schema)
    if not options:
        return None
    chosen = [call for call in forced or caller.calls() if call.name in options]
    if not chosen:
        name = caller.best(list(options))
        chosen = caller.calls_of(next((tool for tool in tools if tool.name == name), Tool(name, "", options[name][1])))
    found = [{"name": call.name, options[call.name][0]: call.arguments} for call in chosen]
    return found[: schema.get("maxItems")] if several else found[0]


def _options(root: Any, items: Any) -> dict[str, tuple[str, Any]]:
    """The calls that a schema allows, by name: the arguments' field and schema. Empty: it is no schema of calls."""
    options: dict[str, tuple[str, Any]] = {}
    if not isinstance(items, Mapping):
        return options
    for option in items.get("anyOf") or items.get("oneOf") or [items]:
        properties = _resolved(option, root).get("properties")
        named = properties.get("name") if isinstance(properties, Mapping) else None
        key = next((key for key in _ARGUMENTS if isinstance(properties, Mapping) and key in properties), None)
        names = (named.get("enum") or [named.get("const")]) if isinstance(named, Mapping) else [None]
        if key is None or not all(isinstance(name, str) for name in names):
            return {}
        options.update({name: (key, _with_definitions(properties[key], root)) for name in names})
    return options


def _resolved(option: Any, root: Any) -> Mapping[str, Any]:
    """An option of the list, wherever it is written."""
    reference = option.get("$ref") if isinstance(option, Mapping) else None
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        option = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/"))
    return option if isinstance(option, Mapping) else {}


def _with_definitions(schema: Any, root: Any) -> Any:
    """A part of a schema that can stand alone."""
    if isinstance(schema, Mapping) and "$defs" in root and "$defs" not in schema:
        return {**schema, "$defs": root["$defs"]}
    return schema

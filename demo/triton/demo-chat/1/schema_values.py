"""Values that fit a JSON Schema, taken from the question where it offers any: what guided decoding comes to here."""

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from hints import Hints
from regex_text import matching
from schema_numbers import fitting_number, within
from schema_parts import is_of, joined, title

# Deeper than that only what must be: schemas may hold themselves.
DEEP = 4
DEEPEST = 40
MOST_ITEMS = 200
_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:26:53Z",
    "time": "09:26:53Z",
    "duration": "PT15M",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "www.example.com",
    "idn-hostname": "www.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/example",
    "iri-reference": "/example",
    "uri-template": "/example/{id}",
    "uuid": "0190d3c2-7c1e-7f3a-9b5d-2f6a1c4e8b70",
    "json-pointer": "/example",
    "relative-json-pointer": "0",
    "regex": "[a-z]+",
    "byte": "SGFsbG8=",
}
# What a text in the question may be used for as it stands.
_FROM_QUESTION = frozenset(("date", "email", "idn-email", "uri", "url", "iri"))
_ABSENT = object()
# Of texts whose field asks for more than a word.
_LONG = ("description", "summary", "explanation", "reason", "text", "content", "answer", "message", "body", "output")


class SchemaWriter:
    """Writes values for one schema. `sentence` gives texts for fields like a summary, `word` those like a title."""

    def __init__(
        self,
        root: Any,
        hints: Hints,
        rng: random.Random,
        *,
        word: Callable[[], str],
        sentence: Callable[[], str],
        sparing: bool = False,
    ) -> None:
        """`sparing`: fields that need not be are only filled with what the question offers, as in calls of tools."""
        self._root = root
        self._hints = hints
        self._rng = rng
        self._word = word
        self._sentence = sentence
        self._sparing = sparing

    def value(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """A value that fits. Raises ValueError for a schema that nothing fits, or that is not understood."""
        found = self._value(schema, name, depth, must=True)
        return None if found is _ABSENT else found

    def _value(self, schema: Any, name: str, depth: int, *, must: bool) -> Any:
        """The same; `_ABSENT` where it need not be and the question has nothing for it."""
        if depth > DEEPEST:
            raise ValueError("the JSON Schema nests without end")
        if schema is True:
            schema = {}
        if not isinstance(schema, Mapping):
            raise ValueError("nothing fits the JSON Schema")
        schema = self._merged(schema, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._one_of(schema, must)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._value(self._option(schema, key, name, depth), name, depth + 1, must=must)
        kind = self._type(schema, depth)
        match kind:
            case "object":
                return self._object(schema, depth, must)
            case "array":
                return self._array(schema, name, depth, must)
            case "string":
                return self._text(schema, name, must)
            case "integer" | "number":
                return self._number(schema, name, kind, must)
            case "boolean":
                return self._given(schema, must, bool, lambda: not self._hints.denies())
        return None

    def _merged(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """The schema with what its references and its `allOf` say."""
        merged = dict(schema)
        for _ in range(DEEPEST):
            reference, parts = merged.pop("$ref", None), merged.pop("allOf", None)
            if reference is None and not parts:
                return merged
            for part in [*([self._referred(reference)] if reference is not None else []), *(parts or [])]:
                if isinstance(part, Mapping):
                    merged = joined(merged, part)
        raise ValueError("the JSON Schema refers to itself")

    def _referred(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValueError("only references within the JSON Schema are supported")
        place = self._root
        for step in filter(None, unquote(reference[1:]).split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                place = place[int(key)] if isinstance(place, list) else place[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise ValueError("the JSON Schema refers to what is not there") from None
        return place

    def _option(self, schema: dict[str, Any], key: str, name: str, depth: int) -> Any:
        """The first option that is no null, or the one whose name the question holds; null deep down."""
        options = [self._merged(option, depth) if isinstance(option, Mapping) else option for option in schema[key]]
        rest = {name: value for name, value in schema.items() if name != key}
        nulls = [option for option in options if isinstance(option, Mapping) and option.get("type") == "null"]
        if nulls and (depth > DEEP or (self._sparing and not self._hints.texts(name))):
            return nulls[0]
        others = [option for option in options if option not in nulls] or options
        if depth > DEEP:
            # The smallest ends a schema that holds itself soonest.
            others.sort(key=lambda option: len(option.get("required") or ()) if isinstance(option, Mapping) else 0)
        titles = {str(title(option)): option for option in others if isinstance(option, Mapping) and title(option)}
        named = self._hints.one_of(list(titles))
        chosen = titles[named] if named else others[0]
        return joined(rest, chosen) if isinstance(chosen, Mapping) else chosen

    def _type(self, schema: dict[str, Any], depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            kinds = (
                next((kind for kind in kinds if kind != "null"), "null")
                if depth <= DEEP or "null" not in kinds
                else "null"
            )
        if isinstance(kinds, str):
            return kinds
        for kind, keys in (
            ("object", ("properties", "required", "additionalProperties", "minProperties")),
            ("array", ("items", "prefixItems", "minItems")),
            ("number", ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")),
        ):
            if any(key in schema for key in keys):
                return kind
        return "string"

    def _one_of(self, schema: dict[str, Any], must: bool) -> Any:
        options = schema["enum"]
        kinds = schema.get("type")
        if kinds is not None:
            allowed = kinds if isinstance(kinds, list) else [kinds]
            options = [option for option in options if is_of(option, allowed)] or options
        named = self._hints.one_of(options)
        if named is not None:
            return named
        if not must and self._sparing:
            return _ABSENT
        return schema["default"] if "default" in schema and schema["default"] in options else options[0]

    def _object(self, schema: dict[str, Any], depth: int, must: bool) -> Any:
        properties = schema.get("properties") or {}
        required = list(schema.get("required") or ())
        found: dict[str, Any] = {}
        for key in [*properties, *(key for key in required if key not in properties)]:
            needed = key in required
            if depth > DEEP and not needed:
                continue
            inner = properties.get(key, schema.get("additionalProperties", {}))
            value = self._value({} if inner is False and needed else inner, key, depth + 1, must=needed)
            if value is not _ABSENT:
                found[key] = value
        extra = schema.get("additionalProperties", True)
        while len(found) < min(schema.get("minProperties") or 0, MOST_ITEMS) and extra is not False:
            found[f"key_{len(found) + 1}"] = self.value(extra, "", depth + 1)
        return _ABSENT if not must and self._sparing and not found else found

    def _array(self, schema: dict[str, Any], name: str, depth: int, must: bool) -> Any:
        least, most = schema.get("minItems") or 0, schema.get("maxItems")
        first = schema.get("prefixItems") or []
        inner = schema.get("items", {})
        if isinstance(inner, list):
            first, inner = inner, schema.get("additionalItems", {})
        offered = self._hints.texts(name) if self._is_text(inner, depth) else []
        if not must and self._sparing and not offered:
            return _ABSENT
        wanted = len(offered) or (1 if self._sparing else 2)
        count = max(least, len(first), wanted if depth <= DEEP and inner is not False else 0)
        count = min(count, MOST_ITEMS if most is None else most)
        items: list[Any] = []
        for index in range(count):
            value = self.value(first[index] if index < len(first) else inner, name, depth + 1)
            if schema.get("uniqueItems") and value in items:
                value = self._other(inner, items)
                if value is _ABSENT:
                    break
            items.append(value)
        return items

    def _is_text(self, schema: Any, depth: int) -> bool:
        if not isinstance(schema, Mapping):
            return False
        merged = self._merged(schema, depth)
        return merged.get("type") == "string" and not {"enum", "const", "pattern", "format"} & merged.keys()

    def _other(self, schema: Any, taken: list[Any]) -> Any:
        """A value that is not taken yet, for a list without repetitions."""
        merged = self._merged(schema, 0) if isinstance(schema, Mapping) else {}
        kind = self._type(merged, 0)
        candidates: list[Any] = list(merged.get("enum") or ())
        if not candidates and kind in ("integer", "number"):
            step = merged.get("multipleOf") or 1
            low = max(value for value in taken if isinstance(value, int | float))
            candidates = [low + step, *(low - step * count for count in range(1, len(taken) + 2))]
            candidates = [value for value in candidates if within(value, merged)]
        elif not candidates and kind == "string":
            longest = merged.get("maxLength")
            candidates = [f"{taken[-1]} {len(taken) + 1}"[-longest if longest else 0 :]]
        elif kind == "boolean":
            candidates = [True, False]
        return next((value for value in candidates if value not in taken), _ABSENT)

    def _text(self, schema: dict[str, Any], name: str, must: bool) -> Any:
        offered = self._hints.text(name)
        form = schema.get("format")
        if not must and self._sparing and offered is None:
            return _ABSENT
        least, most = schema.get("minLength") or 0, schema.get("maxLength")
        if isinstance(schema.get("pattern"), str):
            return self._patterned(schema["pattern"], offered, least, most)
        if form in _FORMATS:
            fits = offered and form in _FROM_QUESTION and (form != "date" or offered[:4].isdigit())
            return offered if fits else _FORMATS[form]
        if offered is None and isinstance(schema.get("default"), str):
            text = str(schema["default"])
        elif offered is not None:
            text = offered
        elif any(part in name.lower() for part in _LONG):
            text = self._sentence()
        else:
            text = self._word()
        while len(text) < least:
            text = f"{text} {self._sentence()}".strip()[: least if most is not None else None]
        return text if most is None else text[:most]

    def _patterned(self, pattern: str, offered: str | None, least: int, most: int | None) -> str:
        longest = math.inf if most is None else most
        if offered is not None and least <= len(offered) <= longest and _search(pattern, offered):
            return offered
        for _ in range(50):
            text = matching(pattern, self._rng)
            if least <= len(text) <= longest:
                return text
            padded = text + "x" * (least - len(text))
            if least <= len(padded) <= longest and _search(pattern, padded):
                return padded
        raise ValueError("no text was found for a pattern of the JSON Schema")

    def _number(self, schema: dict[str, Any], name: str, kind: str, must: bool) -> Any:
        offered = self._hints.number(name) if must or self._sparing else None
        if not must and self._sparing and offered is None:
            return _ABSENT
        return fitting_number(schema, kind, (offered, schema.get("default"), self._rng.randint(1, 9)))

    def _given(self, schema: dict[str, Any], must: bool, kind: type, otherwise: Callable[[], Any]) -> Any:
        if isinstance(schema.get("default"), kind):
            return schema["default"]
        return _ABSENT if not must and self._sparing else otherwise()


def _search(pattern: str, text: str) -> bool:
    try:
        return bool(re.search(pattern, text))
    except re.error:
        return False

"""Decides which tools a question calls for, and with which arguments."""

import random
import re
from collections.abc import Callable
from typing import Any

from conversation import Call, Tool
from hints import Hints
from phrases import SAME_WORDS, STOPWORDS
from schema_values import SchemaWriter
from topics import WORD

MOST_CALLS = 8
# A word of the name says more than one of the description; two of these call a tool as well.
IN_NAME, IN_DESCRIPTION, ENOUGH = 2, 1, 2
# What a question says of many a thing, and a tool's name of what it does.
_WEAK = frozenset("get set make do run use current new data info information value list show tell find".split())  # noqa: SIM905
_ENDINGS = ("ings", "ing", "ies", "ed", "es", "en", "s", "e", "y", "n")


class Caller:
    """Chooses among the tools of one conversation."""

    def __init__(
        self, tools: list[Tool], question: str, rng: random.Random, word: Callable[[], str], sentence: Callable[[], str]
    ) -> None:
        """`word` and `sentence` give texts for arguments for which the question has nothing."""
        self._tools = tools
        self._question = question
        self._rng = rng
        self._word = word
        self._sentence = sentence
        self._words = {_stem(SAME_WORDS.get(word, word)) for word in map(str.lower, WORD.findall(question))}

    def calls(self) -> list[Call]:
        """What the question calls for; empty: nothing."""
        chosen = [tool for tool in self._tools if self._fit(tool) >= ENOUGH][:MOST_CALLS]
        return [call for tool in chosen for call in self.calls_of(tool)][:MOST_CALLS]

    def best(self, names: list[str]) -> str:
        """The one of these that fits the question best, for a model that must call one."""
        known = {tool.name: tool for tool in self._tools}
        return max(names, key=lambda name: self._fit(known.get(name) or Tool(name, "", {})))

    def calls_of(self, tool: Tool) -> list[Call]:
        """One call, or one for each of the values that the question lists for the first text that is required."""
        properties = tool.parameters.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        listed = None
        for name in tool.parameters.get("required") or list(properties)[:1]:
            schema = properties.get(name)
            if isinstance(schema, dict) and schema.get("type") == "string" and "enum" not in schema:
                listed = (name, Hints(self._question).texts(name))
                break
        if listed is None or len(listed[1]) < 2:
            return [Call(tool.name, self.arguments(tool.parameters))]
        return [
            Call(tool.name, {**self.arguments(tool.parameters), listed[0]: value}) for value in listed[1][:MOST_CALLS]
        ]

    def arguments(self, schema: Any) -> Any:
        """Values that fit a schema, of the question where it has any."""
        hints = Hints(self._question)
        sparing = SchemaWriter(schema, hints, self._rng, word=self._word, sentence=self._sentence, sparing=True)
        found = sparing.value(schema if schema else {"type": "object"})
        return found if isinstance(found, dict) else {}

    def _fit(self, tool: Tool) -> int:
        if re.search(rf"(?<![\w-]){re.escape(tool.name)}(?![\w-])", self._question):
            return 100
        named = {_stem(word) for word in _parts(tool.name)} - _WEAK
        described = {_stem(word.lower()) for word in WORD.findall(tool.description) if word.lower() not in STOPWORDS}
        return IN_NAME * len(named & self._words) + IN_DESCRIPTION * len((described - named - _WEAK) & self._words)


def _parts(name: str) -> list[str]:
    """The words of a name such as get_weather, getWeather or get-weather."""
    return [part.lower() for part in re.findall(r"[A-ZÄÖÜ]?[a-zäöüß]+|[A-Z]+(?![a-z])", name) if len(part) > 1]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word

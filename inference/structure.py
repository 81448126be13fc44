"""The structure step: an answer that has to be JSON, by a schema or not, is checked before it may end well.

Whatever an engine was told: one without guided decoding is only asked, and one with it only approximates some schemas.
"""

from contextlib import aclosing
from typing import Any, Self

import msgspec

from inference.errors import AnswerUnfit
from inference.generation import EventStream, Finish, Restart, Structure, TextDelta
from inference.json_schema import CHECK_MS_PER_BYTE, JsonSchema
from inference.large_requests import beside_the_loop
from inference.schema_extent import SchemaRefused

# Milliseconds for a character of an answer to be decoded and checked.
ANSWER_MS_PER_CHARACTER = 5e-5


class InvalidStructuredOutput(AnswerUnfit):
    """The answer is not of the form that was asked for."""

    code = "invalid_structured_output"


class StructureCheck:
    """Checks texts against a structure."""

    def __init__(self, structure: Structure) -> None:
        self._schema = structure.schema
        self._compiled: JsonSchema | None = None

    @classmethod
    def of(cls, schema: dict[str, Any]) -> Self:
        """A check by a schema."""
        return cls(Structure(msgspec.json.encode(schema).decode()))

    async def accepts(self, text: str) -> bool:
        """Whether a text is JSON that conforms."""
        milliseconds = len(text) * ANSWER_MS_PER_CHARACTER
        if self._compiled is None and self._schema is not None:
            milliseconds += len(self._schema) * CHECK_MS_PER_BYTE
        return await beside_the_loop(milliseconds, self._accepts, text)

    def _accepts(self, text: str) -> bool:
        try:
            value = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            # A UnicodeEncodeError, for half a character, is one too.
            return False
        if self._schema is None:
            return isinstance(value, dict)
        if self._compiled is None:
            try:
                self._compiled = JsonSchema(msgspec.json.decode(self._schema))
            except SchemaRefused:
                # It was checked when it came; what cannot be checked is not vouched for.
                return False
        return self._compiled.conforms(value)


async def structured(events: EventStream, check: StructureCheck) -> EventStream:
    """The events of one choice; raises `InvalidStructuredOutput` rather than its end where its text does not conform.

    An answer that was cut off ends with `length` as it is, one of calls has no text to check.
    """
    pieces: list[str] = []
    async with aclosing(events):
        async for event in events:
            kind = type(event)
            if kind is TextDelta:
                pieces.append(event.text)  # type: ignore[union-attr]
            elif kind is Restart:
                pieces.clear()
            elif kind is Finish and event.reason == "stop" and not await check.accepts("".join(pieces)):  # type: ignore[union-attr]
                raise InvalidStructuredOutput("The model's answer is not of the form that was asked for.")
            yield event

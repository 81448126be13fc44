"""What a parsing step still holds back when a choice ends."""

from collections.abc import Sequence

from inference.generation import ChosenToken, Event, ReasoningDelta, TextDelta
from inference.parsers import Parts


def held_back(index: int, parts: Parts, logprobs: tuple[ChosenToken, ...] | None) -> Sequence[Event]:
    """The events that the last parts of a choice come to; their tokens were counted when they came."""
    events: list[Event] = []
    if parts.reasoning:
        events.append(ReasoningDelta(index, parts.reasoning))
    if parts.content or logprobs:
        events.append(TextDelta(index, parts.content, 0, logprobs))
    return events

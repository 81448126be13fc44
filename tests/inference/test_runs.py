"""A whole answer's events, gathered in the order in which things were said."""

from collections.abc import AsyncGenerator

from inference.generation import (
    ChosenToken,
    Event,
    Finish,
    ReasoningDelta,
    Restart,
    TextDelta,
    ToolCalled,
    Usage,
)
from inference.runs import runs_of

CALL = ToolCalled(0, "call_1", "f", "{}")


async def runs(*events: Event) -> list[Event]:
    async def stream() -> AsyncGenerator[Event, None]:
        for event in events:
            yield event

    return await runs_of(stream())


async def test_deltas_of_a_kind_become_one_and_keep_their_order() -> None:
    token = ChosenToken("a", -0.5)
    found = await runs(
        ReasoningDelta(0, "H", 1),
        ReasoningDelta(0, "m", 1),
        TextDelta(0, "a", 1, (token,)),
        Usage(1, 2),
        TextDelta(0, "", 1),
        TextDelta(0, "b", 1),
        CALL,
        TextDelta(0, "c", 1),
        Usage(1, 9),
        Finish(0, "stop"),
    )
    expected = [ReasoningDelta(0, "Hm"), TextDelta(0, "ab", logprobs=(token,)), CALL, TextDelta(0, "c")]
    assert found == [*expected, Usage(1, 9), Finish(0, "stop")]


async def test_what_came_before_a_restart_does_not_count() -> None:
    assert await runs(TextDelta(0, "a"), CALL, Restart(), TextDelta(0, "b"), Finish(0, "stop")) == [
        TextDelta(0, "b"),
        Usage(0, 0),
        Finish(0, "stop"),
    ]


async def test_nothing_said_is_no_run() -> None:
    assert await runs(TextDelta(0, "", 1), ReasoningDelta(0, "", 1), Finish(0, "stop")) == [
        Usage(0, 0),
        Finish(0, "stop"),
    ]

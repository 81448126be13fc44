"""No tool calls: for models whose calls the client reads from the text itself."""

from collections.abc import Sequence

from inference.parsers.tool_calls import Event, Text, Tools


class PassThrough:
    """Takes all of an answer for text."""

    __slots__ = ()

    def __init__(self, tools: Tools) -> None:
        """`tools`: those that were offered; nothing is looked for."""

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        return (Text(text),)

    def finish(self) -> Sequence[Event]:
        """The answer ends."""
        return ()

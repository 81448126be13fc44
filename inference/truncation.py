"""Leaves out the oldest turns of a conversation that does not fit."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from inference.conversation import Conversation

# So many ways to begin later are looked at; of a long conversation the turns between two are left out together.
MOST_CUTS = 64


class Cut(Struct, frozen=True):
    """Which messages stay: those from `start` on, and before them the one at `question`, if any, and the system's."""

    start: int
    question: int | None = None


def cuts_of(conversation: Conversation) -> list[Cut]:
    """The ways to leave out ever more at the beginning: first the least, at last as much as makes sense.

    What the system says at the beginning stays, and so does the user's last message with the last thing that the
    assistant did about it. Calls of tools and their results go together.
    """
    messages = conversation.messages
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    if not users:
        return []
    last = users[-1]
    cuts = [Cut(start) for start in users if start > _system(messages)]
    # Then the assistant's earlier rounds about the user's last message.
    rounds = [index for index in range(last + 1, len(messages)) if messages[index]["role"] == "assistant"]
    cuts += [Cut(start, last) for start in rounds[1:]]
    step = -(-len(cuts) // MOST_CUTS) or 1
    # From the last on, which must be among them.
    return cuts[::-step][::-1]


def cut_to(conversation: Conversation, cut: Cut) -> Conversation:
    """The conversation as a cut leaves it."""
    messages = conversation.messages
    staying = [*range(_system(messages)), *([] if cut.question is None else [cut.question])]
    kept = [messages[index] for index in staying] + messages[cut.start :]
    pictures = conversation.pictures
    if pictures:
        pictures = tuple(
            picture
            for index, picture in zip(_places(messages), pictures, strict=True)
            if index >= cut.start or index in staying
        )
    return replace(conversation, messages=kept, pictures=pictures)


def _system(messages: list[dict[str, Any]]) -> int:
    """How many messages at the beginning are the system's."""
    return int(bool(messages) and messages[0]["role"] in ("system", "developer"))


def _places(messages: list[dict[str, Any]]) -> Iterator[int]:
    """For each picture the message that it is in."""
    for index, message in enumerate(messages):
        content = message["content"]
        if isinstance(content, list):
            yield from (index for part in content if part["type"] == "image")

"""Leaves out the oldest turns of a conversation that does not fit."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from inference.conversation import Conversation

# So many ways to begin later are looked at; of a long conversation the turns between two are left out together.
MOST_CUTS = 64


def shorter(conversation: Conversation) -> list[Conversation]:
    """The conversation with ever more left out at its beginning: first the longest, at last the least that makes sense.

    What the system says at the beginning stays, and so does the user's last message with the last thing that the
    assistant did about it. Calls of tools and their results go together.
    """
    messages = conversation.messages
    kept = messages[:1] if messages and messages[0]["role"] in ("system", "developer") else []
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    if not users:
        return []
    last = users[-1]
    starts: list[Sequence[int]] = [range(start, len(messages)) for start in users if start > len(kept)]
    # Then the assistant's earlier rounds about the user's last message.
    rounds = [index for index in range(last + 1, len(messages)) if messages[index]["role"] == "assistant"]
    starts += [(last, *range(start, len(messages))) for start in rounds[1:]]
    step = -(-len(starts) // MOST_CUTS) or 1
    # From the shortest on, which must be among them.
    chosen = starts[::-1][::step][::-1]
    return [_with(conversation, kept, rest) for rest in chosen]


def _with(conversation: Conversation, kept: list[dict[str, Any]], rest: Sequence[int]) -> Conversation:
    messages, pictures = conversation.messages, iter(conversation.pictures)
    staying = set(rest)
    found = []
    for index, message in enumerate(messages):
        shown = [next(pictures) for _ in range(_images(message))]
        if index in staying:
            found += shown
    return replace(conversation, messages=[*kept, *(messages[index] for index in rest)], pictures=tuple(found))


def _images(message: dict[str, Any]) -> int:
    content = message["content"]
    return sum(part["type"] == "image" for part in content) if isinstance(content, list) else 0

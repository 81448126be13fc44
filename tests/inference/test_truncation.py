"""Which turns of a conversation may be left out so that it fits."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inference.conversation import Conversation, Picture
from inference.generation import Sampling
from inference.truncation import MOST_CUTS, cut_to, cuts_of

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool", "p": "user"}


def conversation(roles: str) -> Conversation:
    """A message for each letter, numbered; "p" is one of the user's with a picture."""
    messages: list[dict[str, Any]] = []
    pictures = []
    for number, letter in enumerate(roles):
        content: Any = str(number)
        if letter == "p":
            content = [{"type": "text", "text": str(number)}, {"type": "image"}]
            pictures.append(Picture(f"data:{number}", "input"))
        messages.append({"role": ROLES[letter], "content": content})
    return Conversation(messages=messages, sampling=Sampling(), variables={}, pictures=tuple(pictures))


def shorter(whole: Conversation) -> list[Conversation]:
    return [cut_to(whole, cut) for cut in cuts_of(whole)]


def numbers(found: Conversation) -> list[int]:
    contents = [message["content"] for message in found.messages]
    return [int(content if isinstance(content, str) else content[0]["text"]) for content in contents]


def cuts(roles: str) -> list[list[int]]:
    return [numbers(found) for found in shorter(conversation(roles))]


def test_turns_go_from_the_oldest_on_and_the_system_stays() -> None:
    assert cuts("suauau") == [[0, 3, 4, 5], [0, 5]]
    assert cuts("uauau") == [[2, 3, 4], [4]]


def test_rounds_of_tools_about_the_last_question_go_one_by_one_with_their_results() -> None:
    assert cuts("suauatattat") == [[0, 3, 4, 5, 6, 7, 8, 9, 10], [0, 3, 6, 7, 8, 9, 10], [0, 3, 9, 10]]


def test_what_cannot_be_shortened() -> None:
    assert cuts("su") == []
    assert cuts("u") == []
    assert cuts("sa") == []


def test_pictures_go_with_their_messages() -> None:
    *_, last = shorter(conversation("pauap"))
    assert [picture.url for picture in last.pictures] == ["data:4"]


@given(st.text(st.sampled_from("uatp"), max_size=300).map(lambda roles: f"s{roles}"))
def test_each_is_shorter_than_the_one_before_and_ends_alike(roles: str) -> None:
    whole = conversation(roles)
    found = shorter(whole)
    assert len(found) <= MOST_CUTS
    lengths = [len(one.messages) for one in (whole, *found)]
    assert lengths == sorted(set(lengths), reverse=True)
    for one in found:
        kept = numbers(one)
        assert kept[0] == 0
        assert kept[-1] == len(roles) - 1
        assert one.messages[1]["role"] == "user"
        pictures = [number for number in kept if roles[number] == "p"]
        assert [picture.url for picture in one.pictures] == [f"data:{number}" for number in pictures]
        orphans = [number for number in kept[1:] if roles[number] == "t" and number - 1 not in kept]
        assert orphans == []

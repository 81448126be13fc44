"""How chat templates want tools, calls and images: found out by trying, and kept to."""

from typing import Any

import pytest

from inference.chat_template import ChatTemplate
from inference.template_habits import Habits
from inference.tokenization import load_assets
from tests.engines import ROOT
from tests.inference.small_assets import CHATML

LOOP = "{% for message in messages %}[{{ message.role }}]"
CONTENT = "{{ message.content }}"
END = "{% endfor %}"
# As Qwen3: arguments as an object, written as JSON.
OBJECTS = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}" + LOOP + "{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }}:"
    "{{ call.function.arguments | tojson }}</tool_call>{% endfor %}" + END
)
# As DeepSeek-V3: arguments as text, and calls only where there is no content at all.
TEXTS = (
    "{% for message in messages %}{% if message['content'] is none %}{% for call in message['tool_calls'] %}"
    "{{ call['function']['name'] + ':' + call['function']['arguments'] }}{% endfor %}"
    "{% else %}{{ message['role'] + ':' + message['content'] }}{% endif %}{% endfor %}"
)
# As Mistral: ids of nine characters.
SHORT = (
    "{% for message in messages %}{% if message.tool_calls is defined %}{% for call in message.tool_calls %}"
    "{% if call.id | length != 9 %}{{ raise_exception('Ids have a length of 9!') }}{% endif %}"
    "{{ call.function | tojson }}{% endfor %}{% else %}{{ message.content }}{% endif %}{% endfor %}"
)
# As Qwen-VL.
VISION = LOOP + (
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|image_pad|>{% elif 'text' in part %}{{ part.text }}{% endif %}{% endfor %}"
    "{% endif %}" + END
)
# As some that were written for OpenAI's parts, and take nothing but parts.
PARTS = LOOP + (
    "{% for part in message['content'] %}{% if part['type'] == 'image_url' %}<image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}" + END
)
TOOL = {"type": "function", "function": {"name": "f", "description": "Does.", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"a": [1, "ü"]}}}
IMAGE = {"type": "image"}


def turn(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CHATML, Habits()),
        (OBJECTS, Habits(takes_tools=True)),
        (TEXTS, Habits(arguments_as_text=True, no_content=None)),
        (SHORT, Habits()),
        (VISION, Habits(image=IMAGE)),
        (PARTS, Habits(wants_parts=True, image={"type": "image_url", "image_url": {"url": ""}})),
    ],
)
def test_habits_are_found_out(source, expected):
    assert ChatTemplate(source).habits == expected


def test_the_demo_model_takes_it_all():
    template = load_assets(ROOT / "demo" / "assets" / "demo-chat").chat_template
    assert template.habits == Habits(takes_tools=True, image=IMAGE)


def test_tools_and_calls_are_written_as_the_template_does_it():
    messages = [turn("user", "Hi"), turn("assistant", "", tool_calls=[CALL]), turn("tool", "42", tool_call_id="call_1")]
    prompt = ChatTemplate(OBJECTS).render(messages, [TOOL])
    assert '"name": "f"' in prompt
    assert '<tool_call>f:{"a": [1, "ü"]}</tool_call>[tool]42' in prompt
    assert ChatTemplate(TEXTS).render(messages) == 'user:Hif:{"a": [1, "ü"]}tool:42'
    assert messages[1]["tool_calls"] == [CALL], "what came in stays as it is"


def test_images_stand_where_the_client_put_them():
    messages = [turn("user", [{"type": "text", "text": "A"}, IMAGE, {"type": "text", "text": "B"}]), turn("user", "C")]
    assert ChatTemplate(VISION).render(messages) == "[user]A<|image_pad|>B[user]C"
    assert ChatTemplate(PARTS).render(messages) == "[user]A<image>B[user]C"


def test_nothing_in_tools_or_calls_becomes_a_special_token():
    evil = "<|im_end|>"
    tool = {"type": "function", "function": {"name": "f", "description": evil, "parameters": {evil: {"enum": [evil]}}}}
    call = {"id": evil, "type": "function", "function": {"name": evil, "arguments": {evil: [evil, {"a": evil}]}}}
    messages = [
        turn("user", [{"type": "text", "text": evil}, IMAGE]),
        turn("assistant", evil, tool_calls=[call], reasoning_content=evil),
        turn("tool", evil, tool_call_id=evil, name=evil),
    ]
    for text in (OBJECTS + "{{ messages | tojson }}", OBJECTS.replace("arguments | tojson", "arguments + ''")):
        prompt = ChatTemplate(text, special_tokens=(evil, "<|image_pad|>")).render(messages, [tool])
        assert evil not in prompt
        assert "< |im_end|>" in prompt


def test_a_clients_variable_cannot_pose_as_tools():
    assert ChatTemplate(OBJECTS).render([turn("user", "Hi")], tools=[TOOL], messages=[]) == "[user]Hi"


def test_what_was_thought_comes_under_the_templates_own_name():
    thought = turn("assistant", "", tool_calls=[CALL], reasoning_content="Hm")
    said = turn("assistant", "Yes", tool_calls=[CALL], reasoning_content="Hm")
    ours = LOOP + "{{ message.content }}{{ message.reasoning_content }}" + END
    theirs = LOOP + "{{ message.content }}{{ message.thinking }}" + END
    first = turn("user", "Hi")
    assert ChatTemplate(ours).render([first, thought]) == "[user]Hi[assistant]Hm"
    assert ChatTemplate(theirs).render([first, thought]) == "[user]Hi[assistant]Hm"
    assert ChatTemplate(theirs).render([first, said]) == "[user]Hi[assistant]Yes"
    assert ChatTemplate(theirs).render([first, {**said, "tool_calls": []}][:1]) == "[user]Hi"


def test_the_effort_grows_with_tools_and_calls():
    template = ChatTemplate(OBJECTS)
    messages = [turn("user", "Hi"), turn("assistant", None, tool_calls=[CALL] * 500), turn("user", [IMAGE])]
    plain = template.effort(messages[:1], 0)
    assert template.effort(messages, 0) > plain + 1
    assert template.effort(messages[:1], 0, [TOOL] * 200) > plain + 1

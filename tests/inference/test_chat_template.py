"""Chat templates: rendering, the sandbox, and special tokens that customers spell out."""

import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from accounts.errors import ApiError
from inference.chat_template import AssetError, ChatTemplate
from inference.errors import InvalidRequest, ServerError
from tests.inference.small_assets import CHATML, SPECIAL, byte_level_tokenizer

HI = {"role": "user", "content": "Hi"}
# Renders one user message, as every template must, and does `{}` when the first message says "go".
GO = "{{% if messages[0].content == 'go' %}}{}{{% endif %}}{{{{ messages[0].content }}}}"


def rendered(source: str, *messages: dict[str, Any], **variables: Any) -> str:
    return ChatTemplate(source, bos_token="<s>", eos_token="</s>").render(messages or [HI], **variables)


def failure(source: str, *messages: dict[str, Any], **variables: Any) -> ApiError:
    template = ChatTemplate(source)
    with pytest.raises(ApiError) as caught:
        template.render(messages or [HI], **variables)
    return caught.value


def failure_of(action: str, *more: dict[str, Any], **variables: Any) -> ApiError:
    return failure(GO.format(action), {"role": "user", "content": "go"}, *more, **variables)


def test_a_conversation_is_rendered_up_to_the_answer() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi", "name": "ann"}]
    assert rendered(CHATML, *messages) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user ann\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_templates_find_what_they_expect() -> None:
    source = (
        "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"
        "{% if tools is not none %}tools{% endif %}"
        "{% for number in range(9) %}{% if number == 2 %}{% break %}{% endif %}{{ number }}{% endfor %}"
        "{% generation %}answer{% endgeneration %}"
        "{{ {'a': '<é>'} | tojson }}"
        "{{ strftime_now('%Y') | length }}"
        "{{ 'thinks' if enable_thinking is defined and enable_thinking }}"
    )
    assert rendered(source, enable_thinking=True) == '<s>Hi</s>01answer{"a": "<é>"}4thinks'


def test_a_developer_is_the_system_for_templates_that_know_none() -> None:
    message = {"role": "developer", "content": "Hi"}
    assert rendered("{{ messages[0].role }}: {{ messages[0].content }}", message) == "system: Hi"
    assert rendered("{# developer #}{{ messages[0].role }}: {{ messages[0].content }}", message) == "developer: Hi"
    assert message["role"] == "developer"


def test_templates_that_take_parts_are_given_parts() -> None:
    source = "{% for part in messages[0]['content'] %}{{ part['text'] }}{% endfor %}"
    assert rendered(source) == "Hi"


def test_variables_cannot_replace_our_own() -> None:
    assert rendered("{{ messages[0].content }}{{ bos_token }}", bos_token="x", range="y") == "Hi<s>"


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ messages[0].content",
        "{% unknown %}",
        "no messages at all",
        "{{ raise_exception('never') }}",
        "{{ messages[0].content.missing.deeper }}",
        "{% include 'other' %}",
    ],
)
def test_a_template_that_cannot_work_is_told_to_the_operator(source: str) -> None:
    with pytest.raises(AssetError, match="chat template"):
        ChatTemplate(source)


def test_an_operator_learns_why_a_template_does_not_work() -> None:
    with pytest.raises(AssetError, match=r"wrong in line 2: "):
        ChatTemplate("{{ messages }}\n{% for %}")
    with pytest.raises(AssetError, match="RaisedError No users here"):
        ChatTemplate("{{ raise_exception('No users here') }}")
    with pytest.raises(AssetError, match="its text is not in the prompt"):
        ChatTemplate("Hello.")


def test_what_a_template_refuses_is_the_clients_mistake() -> None:
    error = failure_of("{{ raise_exception('Roles must alternate.') }}")
    assert isinstance(error, InvalidRequest)
    assert (error.param, error.message) == ("messages", "Roles must alternate.")


def test_a_refusal_does_not_repeat_the_conversation() -> None:
    source = (
        "{{ messages[0].content }}{% if messages | length > 1 %}{{ raise_exception(messages[1].content) }}{% endif %}"
    )
    error = failure(source, HI, {"role": "user", "content": "canary"})
    assert isinstance(error, InvalidRequest)
    assert "canary" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "action",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__['__builtins__'] }}",
        "{{ self._TemplateReference__context }}{{ cycler.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(messages) }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
    ],
)
def test_a_template_stays_in_its_sandbox(action: str) -> None:
    error = failure_of(action)
    assert isinstance(error, ServerError)
    assert error.code == "chat_template_error"


@pytest.mark.parametrize(
    "action",
    [
        "{% for a in range(99999999) %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(1000) %}{% for b in range(900) %}{{ 'far too much text' }}{% endfor %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ [0] * 999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_ends_and_its_text_is_bounded(action: str) -> None:
    error = failure_of(action)
    assert isinstance(error, ServerError)
    assert error.message == "The model's chat template asks for more than it may."


def test_a_long_conversation_is_within_the_bounds() -> None:
    content = "word " * 500_000
    assert len(rendered(CHATML, *[{"role": "user", "content": content}] * 3)) > 3 * len(content)


def test_a_failing_template_is_our_fault_and_repeats_nothing() -> None:
    action = "{{ 1 + messages[0].content }}"
    error = failure_of(action)
    assert isinstance(error, ServerError)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_template_that_fails_with_the_clients_variables_is_the_clients_fault() -> None:
    error = failure_of("{{ 1 + extra }}", extra="canary")
    assert isinstance(error, InvalidRequest)
    assert error.param == "chat_template_kwargs"
    assert "canary" not in error.message


def test_variables_nested_without_end_are_refused() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    error = failure(CHATML, HI, extra=deep)
    assert isinstance(error, InvalidRequest)
    assert error.param == "chat_template_kwargs"


def test_a_template_that_fails_with_what_we_pass_it_is_not_the_clients_fault() -> None:
    template = ChatTemplate("{{ messages[0].content }}{{ nothing.at_all if enable_thinking is defined }}")
    for variables in ({"enable_thinking": True}, {"enable_thinking": False, "reasoning_effort": "none"}):
        with pytest.raises(ServerError):
            template.render([HI], **variables)
    for variables in ({"enable_thinking": "yes"}, {"enable_thinking": True, "other": 1}):
        with pytest.raises(InvalidRequest):
            template.render([HI], **variables)


def test_a_special_token_in_a_message_stays_readable() -> None:
    template = ChatTemplate(CHATML, special_tokens=SPECIAL)
    assert template.neutralise("What is <|im_end|>?") == "What is < |im_end|>?"
    assert template.neutralise("a < b and c |> d <|im_|end|>") == "a < b and c |> d <|im_|end|>"


def test_markers_of_the_template_are_special_too() -> None:
    template = ChatTemplate("[INST] {{ messages[0].content }} [/INST]</s><start_of_turn><\uff5cUser\uff5c>")
    assert template.special_tokens == ("[INST]", "[/INST]", "</s>", "<start_of_turn>", "<\uff5cUser\uff5c>")
    assert template.neutralise("[/INST]") == "[ /INST]"


def test_spellings_that_overlap_are_all_broken_up() -> None:
    template = ChatTemplate("{{ messages[0].content }}", special_tokens=("ab", "bc", "a", "\n"))
    text = template.neutralise("abc\nabcab")
    assert not any(token in text for token in template.special_tokens)


def test_another_character_breaks_tokens_up_when_one_holds_spaces() -> None:
    template = ChatTemplate("{{ messages[0].content }}", special_tokens=("< x>", "<x>"))
    assert template.neutralise("<x>") == "<\u200bx>"
    with pytest.raises(AssetError, match="break them up"):
        ChatTemplate("{{ messages[0].content }}", special_tokens=(" ", "\u200b", "\u2060"))


TOKENIZER = byte_level_tokenizer((*SPECIAL, "<s>", "[INST]", "<|im", "|>"))
TOKENIZER.add_tokens([AddedToken("<think>", special=False)])
SPECIAL_IDS = {index for index, token in TOKENIZER.get_added_tokens_decoder().items() if token.special}
TEMPLATE = ChatTemplate(CHATML, special_tokens=(*SPECIAL, "<s>", "[INST]", "<|im", "|>"))
pieces = st.sampled_from(
    (*SPECIAL, "<s>", "[INST]", "<|im", "|>", "<", "|", ">", "im_", "end", "start", "s", " ", "\n", "<think>", "é", "x")
)
nasty = st.lists(pieces, max_size=12).map("".join) | st.text(max_size=20)


def special_ids(text: str) -> int:
    return sum(index in SPECIAL_IDS for index in TOKENIZER.encode(text).ids)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from(("system", "user", "assistant")), nasty), min_size=1, max_size=4))
def test_no_text_of_a_customer_becomes_a_special_token(turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": content} for role, content in turns]
    skeleton = [{"role": role, "content": "x"} for role, _ in turns]
    assert special_ids(TEMPLATE.render(messages)) == special_ids(TEMPLATE.render(skeleton))


@given(nasty, nasty)
def test_no_variable_of_a_customer_becomes_a_special_token(key: str, value: str) -> None:
    template = ChatTemplate(
        "{{ messages[0].content }}{{ extra }}{{ extra | default(0) | tojson }}", special_tokens=SPECIAL
    )
    prompt = template.render([HI], extra={key: [value, {"deep": value}]})
    assert not any(token in prompt for token in SPECIAL)


@given(nasty)
def test_text_is_only_added_to(text: str) -> None:
    template = ChatTemplate(CHATML, special_tokens=SPECIAL)
    assert template.neutralise(text).replace(" ", "") == text.replace(" ", "")


def test_a_rendering_that_takes_long_is_foreseen() -> None:
    template = ChatTemplate(CHATML, special_tokens=SPECIAL)

    def effort(*texts: str, variables_bytes: int = 0) -> float:
        return template.effort([{"role": "user", "content": text} for text in texts], variables_bytes)

    assert effort("plain words " * 20_000) < 1
    assert effort(*["plain words"] * 200) < 2
    assert effort(*["plain words"] * 5_000) > 10
    assert effort(SPECIAL[0] * 75_000) > 10
    assert effort("Hi", variables_bytes=200_000) > 10

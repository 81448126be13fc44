"""Templates call their macros as jinja has it, though the usual call takes a shorter way."""

import pytest

from inference.template_sandbox import compiled, rendered

MACROS = """
{%- macro pair(a, b='B') -%}{{ a }}-{{ b }}{%- endmacro -%}
{%- macro rest(a) -%}{{ a }}{{ varargs | join }}{{ kwargs | length }}{%- endmacro -%}
{%- macro around(a) -%}<{{ caller() }}{{ a }}>{%- endmacro -%}
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("{{ pair(1, 2) }}", "1-2"),
        ("{{ pair(1) }}", "1-B"),
        ("{{ pair(b=2, a=1) }}", "1-2"),
        ("{{ rest(1) }}", "10"),
        ("{{ rest(1, 2, 3, c=4) }}", "1231"),
        ("{% call around(1) %}in{% endcall %}", "<in1>"),
        ("{% autoescape true %}{{ pair('<', 2) ~ '' }}{% endautoescape %}", "<-2"),
    ],
)
def test_a_macro_takes_its_arguments_in_every_form(call: str, said: str) -> None:
    assert rendered(compiled(MACROS + call, "template"), {}, lambda: 0) == said


@pytest.mark.parametrize("call", ["{{ pair(1, 2, 3) }}", "{{ pair(1, 2, c=3) }}"])
def test_a_macro_refuses_what_it_does_not_know(call: str) -> None:
    with pytest.raises(TypeError):
        rendered(compiled(MACROS + call, "template"), {}, lambda: 0)

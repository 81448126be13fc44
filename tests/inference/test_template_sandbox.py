"""Templates call their macros as jinja has it, though the usual call takes a shorter way."""

from typing import Any

import pytest
from jinja2.sandbox import SecurityError

from inference.template_sandbox import compiled, rendered

MACROS = """
{%- macro pair(a, b='B') -%}{{ a }}-{{ b }}{%- endmacro -%}
{%- macro rest(a) -%}{{ a }}{{ varargs | join }}{{ kwargs | length }}{%- endmacro -%}
{%- macro around(a) -%}<{{ caller() }}{{ a }}>{%- endmacro -%}
"""


def said_by(source: str, **variables: Any) -> str:
    template = compiled(source, "template")
    return rendered(template, {**template.globals, **variables}, lambda: 0)


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
    assert said_by(MACROS + call) == said


@pytest.mark.parametrize("call", ["{{ pair(1, 2, 3) }}", "{{ pair(1, 2, c=3) }}"])
def test_a_macro_refuses_what_it_does_not_know(call: str) -> None:
    with pytest.raises(TypeError):
        said_by(MACROS + call)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for x in 'ab' %}{{ loop.last }}{{ loop.no is defined }}{% endfor %}", "FalseFalseTrueFalse"),
        ("{% set n = namespace(a=1) %}{% set n.b = 2 %}{{ n.a }}{{ n.b }}{{ n.c is defined }}", "12False"),
        ("{{ given.there }}{{ given.no is defined }}{{ given.no or 'x' }}{{ given.items() | length }}", "1Falsex2"),
    ],
)
def test_attributes_are_found_or_undefined(template: str, said: str) -> None:
    assert said_by(template, given={"there": 1, "items": 2}) == said


@pytest.mark.parametrize("reached", ["loop.__class__", "loop._iterator", "namespace(a=1).__class__", "{}.__class__"])
def test_what_is_nobodys_business_is_refused(reached: str) -> None:
    with pytest.raises(SecurityError):
        said_by(f"{{% for x in 'a' %}}{{{{ {reached} }}}}{{% endfor %}}")

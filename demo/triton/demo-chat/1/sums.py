"""Finds a calculation in a message and works it out."""

import ast
import operator
import re
from collections.abc import Callable

_SUM = re.compile(r"(?<![\w.])[-(\s]*\d[\d.]*[\s)]*(?:(?:\*\*|[-+*/^%x×÷])[-(\s]*\d[\d.]*[\s)]*)+")
_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_MAX_BASE, _MAX_EXPONENT = 1000, 16


def find_sum(message: str) -> tuple[str, str] | None:
    """The first calculation in `message` and its result, or None. A date or a phone number is none."""
    for match in _SUM.finditer(message):
        expression = match[0].strip()
        if re.fullmatch(r"[\d-]+", expression) and expression.count("-") > 1:
            continue
        # An opening bracket may belong to the sentence around it.
        for candidate in (expression, expression.strip("() ")):
            result = _calculate(candidate)
            if result is not None:
                return candidate, result
    return None


def _calculate(expression: str) -> str | None:
    source = re.sub(r"[x×]", "*", expression).replace("÷", "/").replace("^", "**")
    try:
        value = _evaluate(ast.parse(source, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, exponent = _evaluate(node.left), _evaluate(node.right)
        if abs(base) <= _MAX_BASE and 0 <= exponent <= _MAX_EXPONENT:
            return float(base**exponent)
    raise ValueError

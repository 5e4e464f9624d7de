"""Numbers that a test compares: read from the text in which pytest explains an assertion."""

import ast
import math
import operator
import re

WRAPPED = re.compile(r"(?:tensor|np\.float(?:32|64))\(([^(),]*)(?:, [^()]*)?\)")  # tensor(0.5003, dtype=…) is 0.5003
TOLERATED = re.compile(r"^(.+) == (.+) ± (.+)$")
LIMITS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
SUMS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def rooms(source: str, explanation: str) -> list[float]:
    """How far numbers are on the right side of their limits in an assertion; negative on the wrong one.

    Taken from its source and pytest's explanation of it; other comparisons than of numbers are left out. pytest
    explains the last comparison of a chain, so `0.4 < x < 0.6` shows x beside 0.6; the first limit, where it is a plain
    number, is taken from the source.
    """
    line = WRAPPED.sub(r"\1", explanation.strip().splitlines()[0].removeprefix("assert "))
    if tolerated := TOLERATED.match(line):
        value, wanted, tolerance = map(_number, tolerated.groups())
        return _finite([tolerance - abs(value - wanted)])
    shown, chain = _comparison(line), _comparison(source)
    if shown is None:
        return []
    found = [_room(shown.left, shown.ops[0], shown.comparators[0])]
    if chain is not None and len(chain.ops) == 2:
        found.append(_room(chain.left, chain.ops[0], shown.left))
    return _finite(found)


def _comparison(text: str) -> ast.Compare | None:
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None
    body = body.elts[0] if isinstance(body, ast.Tuple) else body
    return body if isinstance(body, ast.Compare) and isinstance(body.ops[0], LIMITS) else None


def _room(left: ast.expr, limit: ast.cmpop, right: ast.expr) -> float:
    room = _value(right) - _value(left)
    return room if isinstance(limit, ast.Lt | ast.LtE) else -room


def _number(text: str) -> float:
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        return math.nan


def _value(node: ast.expr) -> float:
    """The value of an expression of plain numbers; NaN of any other."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SUMS:
            return float(SUMS[type(op)](_value(left), _value(right)))
    return math.nan


def _finite(found: list[float]) -> list[float]:
    return [room for room in found if math.isfinite(room)]

"""Who can have a need: ``children > 0 and dual_earner``, read safely and evaluated over current attributes.

Every value is a number, NaN where missing; truth is 1, 0 or NaN (unknown). A household is eligible only where
the whole expression is true: ``not rents`` leaves out a household of which nobody knows whether it rents.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from features.contract import attribute_values as values
from features.contract.attribute_values import Texts
from features.contract.table_names import attribute_names
from features.language import UserError, joined_names, say

LONGEST = 2000  # characters of an expression
SHOWN = 20  # names in a message
_ORDER: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_SWAPPED: dict[Any, Callable[[Any, Any], Any]] = {
    np.less: np.greater,
    np.greater: np.less,
    np.less_equal: np.greater_equal,
    np.greater_equal: np.less_equal,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_WORDS = {"true": 1.0, "false": 0.0, "True": 1.0, "False": 0.0}


class Attributes(Protocol):
    """What an expression may name: Texts, or a float64 array where the value is computed."""

    def names(self) -> list[str]:
        """List the names that exist, for the message about one that does not."""

    def find(self, name: str) -> "Texts | np.ndarray | None":
        """Return the values of a name per household; None where there is no such name."""


@dataclass(frozen=True)
class Who:
    """A checked expression. ``where`` says in messages what it belongs to, such as ``need summer_childcare``."""

    expression: str
    where: str
    tree: ast.expr | None  # None: everybody
    quoted: Mapping[str, str]  # stand-ins of names in backticks

    def evaluate(self, attributes: Attributes, count: int) -> np.ndarray:
        """Tell which of ``count`` households are certainly eligible: bool [households].

        Raises UserError where the expression names an attribute that does not exist.
        """
        return self.truth(attributes, count) == 1.0

    def truth(self, attributes: Attributes, count: int) -> np.ndarray:
        """Compute the truth for each of ``count`` households: float64 [households], 1 eligible, 0 not, NaN unknown.

        Raises UserError where the expression names an attribute that does not exist.
        """
        if self.tree is None:
            return np.ones(count)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            truth = _truth(_Evaluation(self, attributes).value(self.tree))
        return np.broadcast_to(truth, (count,)).copy()


@lru_cache(maxsize=256)
def parse(expression: str, where: str) -> Who:
    """Read an eligibility expression; an empty one means everybody.

    Allowed: names of attributes (in backticks where they contain spaces or signs), numbers, texts in quotes,
    true, false, and, or, not, in [..], not in [..], comparisons, + - * / and brackets. Raises UserError where the
    expression contains anything else.
    """
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        return quoted.setdefault(match[1], f"quoted_{len(quoted)}_")

    text = re.sub(r"`([^`]+)`", stand_in, expression.replace("\n", " ").strip())
    if not text:
        return Who(expression, where, None, {})
    if len(text) > LONGEST:
        raise _mistake(where, expression[:40] + "…", say("太长", "too long"))
    try:
        tree = ast.parse(text, mode="eval").body
        who = Who(expression, where, tree, {stand: name for name, stand in quoted.items()})
        _check(who, tree)
    except SyntaxError as error:
        part = (error.text or text)[max((error.offset or 1) - 1, 0) :].strip() or text
        raise _mistake(where, part[:40], error.msg) from error
    except (RecursionError, ValueError, MemoryError) as error:
        raise _mistake(where, expression[:40], str(error)) from error
    return who


def _mistake(where: str, part: str, why: str) -> UserError:
    return UserError(
        f"community.yaml：{where} 的 who 里 “{part}” 看不懂（{why}）；写法如 children > 0 and 租房",
        f"community.yaml: {where}: who: cannot read '{part}' ({why}); write e.g. children > 0 and rents",
    )


def _check(who: Who, node: ast.expr) -> None:
    """Raise UserError at the first part of an expression that is not allowed."""
    if isinstance(node, ast.Name):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return
    parts: list[ast.expr] | None = None
    if isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.UAdd)):
        parts = [node.operand]
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        parts = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        parts = [node.left]
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(
                right, (ast.List, ast.Tuple, ast.Set)
            ):
                parts += right.elts
            elif type(operator) in _ORDER and _comparable(operator, right):
                parts.append(right)
            else:
                parts = None
                break
    if parts is None:
        raise _mistake(who.where, _source(who, node), say("不允许", "not allowed"))
    for part in parts:
        _check(who, part)


def _comparable(operator: ast.cmpop, right: ast.expr) -> bool:
    """Tell whether an operator suits the right-hand side: texts are only equal or not, unless they are dates."""
    text = right.value if isinstance(right, ast.Constant) and isinstance(right.value, str) else None
    if text is None or isinstance(operator, (ast.Eq, ast.NotEq)):
        return True
    return not np.isnan(values.days(np.array([text], dtype=object))[0])


def _source(who: Who, node: ast.AST) -> str:
    text = ast.unparse(node)
    for stand, name in who.quoted.items():
        text = text.replace(stand, f"`{name}`")
    return text


class _Evaluation:
    """The evaluation of a checked tree; every value is Texts, str, or a float64 array or number."""

    def __init__(self, who: Who, attributes: Attributes) -> None:
        self.who = who
        self.attributes = attributes

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return self.named(node)
        if isinstance(node, ast.BoolOp):
            return self.connected(node)
        if isinstance(node, ast.UnaryOp):
            inner = self.value(node.operand)
            if isinstance(node.op, ast.Not):
                return 1.0 - _truth(inner)
            return -_number(inner) if isinstance(node.op, ast.USub) else _number(inner)
        if isinstance(node, ast.BinOp):
            result = _ARITHMETIC[type(node.op)](
                _number(self.value(node.left)), _number(self.value(node.right))
            )
            return np.where(np.isfinite(result), result, np.nan)
        assert isinstance(node, ast.Compare)
        return self.compared(node)

    def named(self, node: ast.Name) -> Any:
        name = self.who.quoted.get(node.id, node.id)
        held = map(self.attributes.find, attribute_names(name))
        attribute = next((values for values in held if values is not None), None)
        if attribute is None and name in _WORDS:
            return _WORDS[name]
        if attribute is None:
            existing = self.attributes.names()
            names = joined_names(existing[:SHOWN]) + ("…" if len(existing) > SHOWN else "")
            raise UserError(
                f"community.yaml：{self.who.where} 的 who 里没有这个属性：{name}；有的是：{names}。"
                "换成表里的列名，或者删掉 who 这一行（家家都算）",
                f"community.yaml: {self.who.where}: who names no attribute {name}; there are: {names}. Name one of"
                " them, or delete the line with who, which then takes in every household",
            )
        return attribute

    def connected(self, node: ast.BoolOp) -> Any:
        result, *others = (_truth(self.value(part)) for part in node.values)
        for operand in others:
            if isinstance(node.op, ast.And):
                result = np.where((result == 0) | (operand == 0), 0.0, result * operand)
            else:
                result = np.where((result == 1) | (operand == 1), 1.0, result + operand)
        return result

    def compared(self, node: ast.Compare) -> Any:
        result: Any = 1.0
        left = self.value(node.left)
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                options = [self.value(elt) for elt in right_node.elts]  # type: ignore[attr-defined]
                truth: Any = np.where(np.isnan(_present(left)), np.nan, 0.0)
                for option in options:
                    truth = np.fmax(truth, _compare(np.equal, left, option))
                truth = np.where(np.isnan(_present(left)), np.nan, truth)
                truth = 1.0 - truth if isinstance(operator, ast.NotIn) else truth
            else:
                right = self.value(right_node)
                truth = _compare(_ORDER[type(operator)], left, right)
                left = right
            result = np.where((result == 0) | (truth == 0), 0.0, result * truth)
        return result


def _compare(order: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Compare as texts where one side is a text in quotes (as dates where it is a date), otherwise as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return float(order(left, right))
    if isinstance(left, str):
        return _compare(_SWAPPED.get(order, order), right, left)
    if isinstance(right, str):
        if not isinstance(left, Texts):
            return np.where(np.isnan(left), np.nan, float(order is np.not_equal))
        date = values.days(np.array([right], dtype=object))[0]
        if not np.isnan(date):
            return _order_numbers(order, left.gather(values.days(left.distinct)), date)
        same = left.gather(left.distinct == right.strip())
        return same if order is np.equal else 1.0 - same if order is np.not_equal else same * np.nan
    return _order_numbers(order, _number(left), _number(right))


def _order_numbers(order: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    return np.where(np.isnan(left) | np.isnan(right), np.nan, order(left, right))


def _number(value: Any) -> Any:
    if isinstance(value, Texts):
        return value.gather(values.booleans(value.distinct))
    return np.nan if isinstance(value, str) else value


def _truth(value: Any) -> Any:
    number = _number(value)
    return np.where(np.isnan(number), np.nan, number != 0)


def _present(value: Any) -> Any:
    if isinstance(value, Texts):
        return np.where(value.codes >= 0, 1.0, np.nan)
    return 0.0 if isinstance(value, str) else value

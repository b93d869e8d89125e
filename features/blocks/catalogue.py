"""The catalogue of features: a row for each feature says everything about it except how it is computed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal[
    "attribute",
    "arrival",
    "change",
    "own_requests",
    "expected",
    "neighbours",
    "season",
    "visits",
    "each_need",
]


@dataclass(frozen=True)
class Feature:
    """One column of the feature matrix; a block computes it under the same name.

    name: what registered models call it. zh, en: its meaning. source: table of the contract. window: which rows count,
    as "28 days", "all time", "as of the date", "label window". fact: name of the reason that a worker is shown when
    this feature raised a score ("" for none); several features may share one. role: what other modules select features
    by, never by name.

    Roles: ``attribute``: what a household is now; ``arrival``: since when it is known; ``change``: what became different;
    ``own_requests``: what it asked for; ``expected`` and ``neighbours``: what households like it and near it ask for;
    ``season``: the same for every household on a day; ``visits``: contacts made; ``each_need``: what it asked for of each
    frequent need, for trees that begin at a constant alone.
    """

    name: str
    zh: str
    en: str
    source: str
    role: Role
    window: str = ""
    unit: str = ""
    fact: str = ""


def listed(source: str, role: Role, *rows: str) -> tuple[Feature, ...]:
    """Make features from rows that share a source and a role.

    ``source``: table of the contract. ``rows``: "name | Chinese meaning | English meaning | window | unit | fact", one of
    each feature.
    """
    cells = ([cell.strip() for cell in row.split("|")] for row in rows)
    return tuple(Feature(name, zh, en, source, role, *rest) for name, zh, en, *rest in cells)


def each(numbers: Iterable[int], row: str) -> list[str]:
    """Repeat a row for each number, which stands where it has ``{}``.

    >>> each((28, 91), "requests_{}_days | 近{}天申请次数 | Requests in {} days | {} days | requests |")[1]
    'requests_91_days | 近91天申请次数 | Requests in 91 days | 91 days | requests |'
    """
    return [row.replace("{}", str(number)) for number in numbers]


def with_role(features: Iterable[Feature], *roles: Role) -> list[str]:
    """List the names of the features that have one of these roles, in their order."""
    return [feature.name for feature in features if feature.role in roles]

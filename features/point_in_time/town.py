"""What one partition, or a single household, must know of the whole town; all else is in its own records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from features.point_in_time.schema import Attribute

Given = TypeVar("Given")


@dataclass(frozen=True, eq=False)
class AttributeFactors:
    """How much more households ask than the town, by the value of one attribute; equal to itself only.

    name: a feature of the block household or residents. edges: float64 [bins - 2], the boundaries between bins. factors:
    float64 [bins, needs], above 0; the last bin is for households whose attribute is not known.
    """

    name: str
    edges: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class TownCounts:
    """Numbers of households of the whole town, which reasons mention and which are taken off the seats of programmes."""

    asking_last_year: tuple[int, ...]  # by need, at the time of its window a year before
    asking_within_a_year: tuple[int, ...]  # by need
    claimed: Mapping[str, int]  # by programme: asked or found in need since it opened
    found: Mapping[str, int]  # by programme: found in need by a visit since it opened


def summed(partitions: Sequence[TownCounts]) -> TownCounts:
    """Add up the counts of partitions that have no household in common: the counts of the town.

    >>> summed([TownCounts((1, 2), (1, 3), {"a": 4}, {"a": 0}), TownCounts((0, 1), (2, 2), {"a": 1}, {"a": 5})])
    TownCounts(asking_last_year=(1, 3), asking_within_a_year=(3, 5), claimed={'a': 5}, found={'a': 5})
    """
    first = partitions[0]
    return TownCounts(
        asking_last_year=tuple(
            map(sum, zip(*(partition.asking_last_year for partition in partitions), strict=True))
        ),
        asking_within_a_year=tuple(
            map(sum, zip(*(partition.asking_within_a_year for partition in partitions), strict=True))
        ),
        claimed={name: sum(partition.claimed[name] for partition in partitions) for name in first.claimed},
        found={name: sum(partition.found[name] for partition in partitions) for name in first.found},
    )


@dataclass(frozen=True, kw_only=True)
class TownSummary:
    """Small tables for the whole town at one as-of day.

    as_of: day. first_known: day of the first ``valid_from``, NaN without households. days_recorded: from the first
    request to the as-of day. resolutions_recorded: whether any request was ever resolved. unused: by table, the
    attributes that no model uses. similar: factors of the attributes.
    parts: each block's own table, by the block's name. similar, parts and counts may be left out where nobody asks
    for them; who asks all the same gets a LookupError, never a partition's own numbers.
    """

    as_of: int
    first_known: float
    days_recorded: float
    resolutions_recorded: bool
    unused: Mapping[str, tuple[Attribute, ...]]
    similar: tuple[AttributeFactors, ...] | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    counts: TownCounts | None = None

    @property
    def similar_factors(self) -> tuple[AttributeFactors, ...]:
        """Return ``similar``. Raises LookupError where it was left out."""
        return _given(self.similar, "factors of attributes")

    @property
    def town_counts(self) -> TownCounts:
        """Return ``counts``. Raises LookupError where they were left out."""
        return _given(self.counts, "counts")


def _given(value: Given | None, what: str) -> Given:
    if value is None:
        raise LookupError(f"the summary of the town was made without its {what}")
    return value

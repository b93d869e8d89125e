"""Join the blocks into one matrix: the only path to features, in training and in scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from features.blocks import (
    activity,
    contacts,
    expected,
    history,
    household,
    neighbours,
    residents,
    seasons,
)
from features.blocks.catalogue import Feature
from features.blocks.groups import TABLES, unused_of
from features.blocks.similar import similar_factors
from features.contract.community import Community
from features.contract.need_kinds import Telling
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import Schema
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import days_recorded, first_known, resolutions_recorded

BLOCKS: tuple[ModuleType, ...] = (
    household,
    residents,
    expected,
    history,
    activity,
    neighbours,
    seasons,
    contacts,
)
ROWS_AT_ONCE = 1024
Fact = Callable[[Known, Schema, int, int], str]


@dataclass(frozen=True)
class Features:
    """The feature matrix of some pairs of household and need at one as-of day."""

    matrix: np.ndarray  # float32 [pairs, features], C order; NaN where unknown
    names: list[str]
    rows: Rows
    as_of: int


def block_name(block: ModuleType) -> str:
    """Return a block's name: its module's name without the package."""
    return block.__name__.rsplit(".", 1)[-1]


def features_of(block: ModuleType, schema: Schema) -> Sequence[Feature]:
    """List a block's features: those of its ``FEATURES``, or what its ``features`` makes of the schema."""
    return block.features(schema) if hasattr(block, "features") else block.FEATURES


@remembered
def catalogue(schema: Schema) -> list[Feature]:
    """List every feature in the order of the matrix's columns; those of role ``each_need`` come last."""
    features = [feature for block in BLOCKS for feature in features_of(block, schema)]
    return sorted(features, key=lambda feature: feature.role == "each_need")


def facts(schema: Schema, blocks: tuple[ModuleType, ...] | None = None) -> dict[str, Fact]:
    """Return the functions that write reasons, by the name that features give them in ``Feature.fact``.

    ``blocks``: the blocks whose reasons are wanted; all by default.
    """
    return {
        name: fact
        for block in (BLOCKS if blocks is None else blocks)
        for name, fact in (block.facts(schema) if hasattr(block, "facts") else block.FACTS).items()
    }


def tellings(schema: Schema, community: Community) -> dict[str, Telling]:
    """Return whether and where each reason may be told, by the name that features give it in ``Feature.fact``."""
    return {
        name: telling
        for block in BLOCKS
        for name, telling in (
            block.telling(schema, community) if hasattr(block, "telling") else getattr(block, "TELLING", {})
        ).items()
    }


def summarise(known: Known, schema: Schema, fitted: TownSummary | None = None) -> TownSummary:
    """Compute the small tables that blocks need of a whole town.

    ``known``: the town, or a part of it that consists of whole grids. ``fitted``: the summary of the whole town, or of
    a sample of its grids. With it every estimate is taken from there, and only the sums of grids and micro-grids are
    those of ``known``, whose ``town`` must then be ``fitted``.
    """
    parts = {
        block_name(block): block.summarise(known, schema, fitted.parts[block_name(block)] if fitted else None)
        for block in BLOCKS
        if hasattr(block, "summarise")
    }
    return replace(town_span(known), similar=similar_factors(known, schema), parts=parts)


def town_span(known: Known) -> TownSummary:
    """Summarise what groups of households and the days recorded need of the whole town, or of a sample of it."""
    return TownSummary(
        as_of=known.as_of,
        first_known=first_known(known),
        days_recorded=days_recorded(known),
        resolutions_recorded=resolutions_recorded(known),
        unused={table: unused_of(known, table) for table in TABLES},
    )


def build(known: Known, rows: Rows, schema: Schema, town: TownSummary | None = None) -> Features:
    """Compute the features of some pairs as of ``known.as_of``.

    A pair's features do not depend on which other pairs are asked for. ``rows``: the pairs. ``schema``: meaning of the
    attributes, as the model was trained with it. ``town``: summary of the whole town at the same day; by default it is
    computed from ``known``. Returns ``Features`` with a float32 matrix [len(rows), features], NaN where a value is
    unknown.
    """
    town = town or summarise(known, schema)
    names = [feature.name for feature in catalogue(schema)]
    matrix = np.empty((len(rows), len(names)), dtype=np.float32)
    position = {name: column for column, name in enumerate(names)}
    for block in BLOCKS:
        columns = block.block(known, rows, town, schema)
        for first in range(0, len(rows), ROWS_AT_ONCE):  # a part that fits the processor's cache
            part = slice(first, first + ROWS_AT_ONCE)
            for name, values in columns.items():
                matrix[part, position[name]] = values[part]
    return Features(matrix, names, rows, known.as_of)

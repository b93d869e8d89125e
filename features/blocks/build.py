"""Joins the blocks into one matrix: the only path to features, in training and in scoring."""

from collections.abc import Callable
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
    """The features of some pairs at one as-of day."""

    matrix: np.ndarray  # float32 [pairs, features], C order; NaN where unknown
    names: list[str]
    rows: Rows
    as_of: int


def block_name(block: ModuleType) -> str:
    """A block's name: its module's, without the package."""
    return block.__name__.rsplit(".", 1)[-1]


@remembered
def catalogue(schema: Schema) -> list[Feature]:
    """Every feature, in the order of the matrix's columns; those for trees that begin at a constant alone are last."""
    features = [feature for block in BLOCKS for feature in block.features(schema)]
    return sorted(features, key=lambda feature: feature.role == "each_need")


def facts(schema: Schema, blocks: tuple[ModuleType, ...] | None = None) -> dict[str, Fact]:
    """Every kind of fact of these blocks, by the name that features give it."""
    return {
        name: fact
        for block in (BLOCKS if blocks is None else blocks)
        for name, fact in (block.facts(schema) if hasattr(block, "facts") else block.FACTS).items()
    }


def tellings(schema: Schema, community: Community) -> dict[str, Telling]:
    """How each kind of fact may be told as a reason, by the name that features give it."""
    return {
        name: telling
        for block in BLOCKS
        for name, telling in (
            block.telling(schema, community) if hasattr(block, "telling") else getattr(block, "TELLING", {})
        ).items()
    }


def summarise(known: Known, schema: Schema, fitted: TownSummary | None = None) -> TownSummary:
    """The small tables that blocks need of a town, or of a part of it that consists of whole grids.

    ``fitted``: of the whole town, or of a sample of its grids. What was estimated there is kept, and only the sums
    of grids and micro-grids are those of ``known``, whose ``town`` must then be ``fitted``.
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
    """The features of these pairs as of ``known.as_of``.

    A pair's features do not depend on which other pairs are asked for. ``town`` is made from ``known`` unless
    given.
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

"""Make the answers of a partition's households as bytes, and the sums of its micro-grids."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson
import pandas as pd

from features.contract.community import TIERS
from features.point_in_time.records import Known, date_of, known_before, microgrid_numbers
from features.store.partitions import Partitions
from models.demand.cells import expected_cells, named_cells
from models.demand.expected import pairs_of
from service.lists.visit_rows import as_rows
from service.web.base.access import mixed_risk

DECIMALS = 8
AT_ONCE = 1024  # households whose rows are lists at the same time


class PartitionScores(Protocol):
    """A week's tables by partition, with the contract's columns."""

    def scores(self, number: int) -> pd.DataFrame:
        """Return the scores of a partition."""

    def risk(self, number: int) -> pd.DataFrame:
        """Return the risks of a partition."""


@dataclass(frozen=True)
class Answered:
    """What is published about a partition's households."""

    content: bytes
    # of each household: grid, micro-grid, and where its two answers stand in content
    places: dict[str, list[Any]]
    areas: list[dict[Any, Any]]
    cells: pd.DataFrame  # ``models.demand.cells.named_cells``
    households: int  # that live in the partition


def answer_partition(
    town: Partitions,
    as_of: int,
    tables: PartitionScores,
    corrected: bool,
    shares: np.ndarray,
    known: Known | None,
    number: int,
) -> Answered:
    """Make the answers of the partition of a number.

    ``corrected``: as for ``answers``. ``shares``: ``models.demand.cells.span_shares`` of the town. ``known``: what was
    known of a town in one partition, if it is in memory.
    """
    known = known or known_before(town.read([number]), as_of)
    scores, risk = tables.scores(number), tables.risk(number)
    pieces, places, offset = [], {}, 0
    for household, where, without, whole in answers(scores, risk, known, corrected):
        middle = offset + len(without)
        places[household] = [*where, offset, middle, middle + len(whole)]
        offset = middle + len(whole)
        pieces += [without, whole]
    cells = expected_cells(known, *pairs_of(scores, known), shares)
    return Answered(
        content=b"".join(pieces),
        places=places,
        areas=areas(scores, risk, known),
        cells=named_cells(cells, known.grid_ids),
        households=int(known.present.sum()),
    )


def answers(
    scores: pd.DataFrame, risk: pd.DataFrame, known: Known, corrected: bool
) -> Iterator[tuple[str, tuple[str, str], bytes, bytes]]:
    """Yield each household with its grid and micro-grid, and its answer twice as JSON.

    The first answer leaves out sensitive needs; the second has them, and is empty where it would be the same.
    ``scores``, ``risk``: tables of the partition. ``corrected``: whether p_need is corrected for needs without a
    request.
    """
    community = known.community
    sensitive = {need.id for need in community.needs if need.sensitive}
    mixed = mixed_risk(community)
    where = _places(known)
    level_of = [round(share, DECIMALS) for share in risk["risk"].to_numpy(np.float64).tolist()]
    risks = dict(zip(risk["household_id"], zip(level_of, risk["tier"], strict=True), strict=True))
    as_of = date_of(known.as_of).isoformat()
    for household, version, rows in _by_household(scores):
        grid, microgrid = where[household]
        head = {
            "household_id": household,
            "as_of": as_of,
            "grid_id": grid,
            "microgrid_id": microgrid,
            "model_version": version,
            "silence_corrected": corrected,
        }
        level = dict(zip(("risk", "tier"), risks[household], strict=True)) if household in risks else {}
        plain = [text for need, text in rows if need not in sensitive]
        without = _answer({**head, **({} if mixed else level)}, plain)
        whole = _answer({**head, **level}, [text for _, text in rows])
        yield household, (grid, microgrid), without, b"" if without == whole else whole


def _answer(head: dict[str, Any], scores: list[bytes]) -> bytes:
    return orjson.dumps(head)[:-1] + b',"scores":[' + b",".join(scores) + b"]}"


def _places(known: Known) -> dict[str, tuple[str, str]]:
    present = np.flatnonzero(known.present)
    return {
        str(household): (str(grid), str(microgrid))
        for household, grid, microgrid in zip(
            known.household_ids[present],
            known.grid_ids[known.grid[present]],
            microgrid_numbers(known.microgrid_ids)[known.microgrid[present]],
            strict=True,
        )
    }


def _by_household(scores: pd.DataFrame) -> Iterator[tuple[str, str, list[tuple[str, bytes]]]]:
    """Yield each household with the model's version and its scores, (need, JSON), in the order of its first score."""
    code, households = pd.factorize(scores["household_id"])
    if (np.diff(code) < 0).any():
        order = np.argsort(code, kind="stable")
        scores, code = scores.iloc[order], code[order]
    begins = np.searchsorted(code, np.arange(len(households) + 1)).tolist()
    columns = scores[["need", "p_request", "p_need", "rank", "model_version"]].round(DECIMALS)
    for first in range(0, len(households), AT_ONCE):
        ends = begins[first : first + AT_ONCE + 1]
        need, *numbers, version = (columns[name].iloc[ends[0] : ends[-1]].to_list() for name in columns)
        table = list(zip(need, _scores_as_json(need, *numbers), strict=True))
        for household, begin, end in zip(households[first:], ends, ends[1:], strict=False):
            yield household, version[begin - ends[0]], table[begin - ends[0] : end - ends[0]]


def _scores_as_json(need: list[str], *numbers: list[float]) -> Iterator[bytes]:
    """Yield each score as JSON from the columns need, p_request, p_need and rank; each column is written as a whole."""
    names = {name: orjson.dumps(name) for name in set(need)}
    texts = (orjson.dumps(number)[1:-1].split(b",") for number in numbers)
    for row in zip((names[name] for name in need), *texts, strict=True):
        yield b'{"need":%b,"p_request":%b,"p_need":%b,"rank":%b}' % row


def areas(scores: pd.DataFrame, risk: pd.DataFrame, known: Known) -> list[dict[Any, Any]]:
    """Count for each micro-grid its households, those of each tier, and how many are expected to ask for each need.

    ``scores``, ``risk``: tables of the partition.
    """
    where = pd.DataFrame.from_dict(_places(known), orient="index", columns=["grid_id", "microgrid_id"])
    keys = [where["grid_id"], where["microgrid_id"]]
    tier = pd.Series(risk["tier"].to_numpy(), risk["household_id"]).reindex(where.index)
    counted = pd.crosstab(keys, tier).reindex(columns=list(TIERS), fill_value=0)
    table = where.groupby(["grid_id", "microgrid_id"]).size().rename("households").to_frame()
    table = table.join(counted).fillna(0)
    home = where.reindex(scores["household_id"])
    by = [home["grid_id"].to_numpy(), home["microgrid_id"].to_numpy(), scores["need"].to_numpy()]
    sums = scores["p_request"].groupby(by).sum()
    expected: dict[tuple[str, str], dict[str, float]] = {}
    for (grid, microgrid, need), value in zip(sums.index.tolist(), sums.tolist(), strict=True):
        expected.setdefault((grid, microgrid), {})[need] = round(value, 4)
    rows = as_rows(table.reset_index())
    return [{**row, "expected": expected.get((row["grid_id"], row["microgrid_id"]), {})} for row in rows]

"""Scores of every household as of one date: one path for the weekly batch and for a single household."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.blocks.build import Features, build, summarise
from features.contract.community import RiskShares
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, date_of, known_before
from features.point_in_time.town import TownSummary
from models.dataset.out_of_time import stable_hash
from models.scoring.model import NeedModel, probability

SEVERE = 3
TIERS = ("red", "yellow", "green")


@dataclass(frozen=True)
class Scored:
    """``scores``: household_id, need, as_of, p_request, p_need, rank, model_version. ``risk``: household_id, as_of,
    risk, tier. ``features`` holds the pairs (``features.rows``) in the order of ``scores``; ``town`` and ``shift`` are
    what they took from the whole town."""

    scores: pd.DataFrame
    risk: pd.DataFrame
    known: Known
    features: Features
    p_request: np.ndarray
    p_need: np.ndarray
    town: TownSummary
    shift: np.ndarray


@threadpool_limits.wrap(limits=1, user_api="blas")
def score(records: Records, model: NeedModel, as_of: int, version: str | int = "") -> Scored:
    """Score every pair that can have a need as of day ``as_of``, from what was known before it.

    Probabilities depend on the whole town (its level, its neighbourhoods); ``models.scoring.live`` keeps what they took
    from it, to score one household by itself. BLAS takes one thread: with more, last digits would depend on their
    number, and between these products they would only keep LightGBM's from working.
    """
    known = known_before(records, as_of)
    town = summarise(known, model.schema)
    features = build(known, cohort(known), model.schema, town)
    rows = features.rows
    log_odds = model.log_odds(features)
    shift = model.shift(known, log_odds, rows.need)
    p_request = probability(log_odds, shift[rows.need])
    p_need = model.p_need(features, known, log_odds, p_request)
    ids = records.household_ids
    order = tie_order(ids)
    scores = pd.DataFrame(
        {
            "household_id": ids[rows.household],
            "need": np.array([need.id for need in known.community.needs], dtype=object)[rows.need],
            "as_of": date_of(as_of),
            "p_request": p_request,
            "p_need": p_need,
            "rank": ranks(p_need, rows.need, order[rows.household]),
            "model_version": str(version),
        }
    )
    risk = _risk(known, model, features, p_request, order)
    return Scored(scores, risk, known, features, p_request, p_need, town, shift)


def tie_order(ids: np.ndarray) -> np.ndarray:
    """int64 per id: a fixed order that has nothing to do with that of the ids, for breaking ties."""
    return np.argsort(np.argsort(stable_hash(ids), kind="stable"), kind="stable")


def ranks(p: np.ndarray, need: np.ndarray, order: np.ndarray) -> np.ndarray:
    """int32 per row: 1 for the highest ``p`` of its need; ties by ``order``."""
    sorted_rows = np.lexsort((order, -p, need))
    result = np.empty(len(p), dtype=np.int32)
    of_need = need[sorted_rows]
    starts = (
        np.flatnonzero(np.append(True, of_need[1:] != of_need[:-1])) if len(p) else np.empty(0, dtype=int)
    )
    lengths = np.diff(np.append(starts, len(p)))
    result[sorted_rows] = np.arange(len(p)) - np.repeat(starts, lengths) + 1
    return result


def _risk(
    known: Known, model: NeedModel, features: Features, p: np.ndarray, order: np.ndarray
) -> pd.DataFrame:
    """Risk and tier of every household known at the date: the highest share red, the next yellow."""
    severe = np.array([need.severity >= SEVERE for need in known.community.needs])
    rows = features.rows
    risk = model.risk(p, rows.household, severe[rows.need], known.household_count)
    present = np.flatnonzero(known.present)
    risk = risk[present]
    return pd.DataFrame(
        {
            "household_id": known.household_ids[present],
            "as_of": date_of(known.as_of),
            "risk": risk,
            "tier": tiers(risk, order[present], known.community.outreach.risk),
        }
    )


def tiers(risk: np.ndarray, order: np.ndarray, shares: RiskShares) -> np.ndarray:
    """object str per household: the highest share of the risks red, the next yellow; ties by ``order``."""
    place = np.empty(len(risk), dtype=int)
    place[np.lexsort((order, -risk))] = np.arange(len(risk))
    red = round(shares.red * len(risk))
    yellow = red + round(shares.yellow * len(risk))
    tier = np.where(place < red, 0, np.where(place < yellow, 1, 2))
    tier[risk <= 0] = 2
    return np.array(TIERS, dtype=object)[tier]

"""Visits drawn by lot: what keeps the estimates honest about households that nobody would have listed."""

import numpy as np
import pandas as pd

from service.options import NEEDS_PER_VISIT
from service.workers import Workers


def drawn_by_lot(
    pairs: pd.DataFrame, workers: Workers, spare: np.ndarray, share: float, draw: np.random.Generator
) -> pd.DataFrame:
    """Households drawn uniformly in each area, and up to three of their needs drawn uniformly.

    Every worker gives ``share`` of his or her visits, spread over the areas covered in proportion to their
    eligible households. The fractions become whole visits by one systematic draw (a single random start),
    which keeps each worker's number within one of its expectation and makes the expected number of draws
    in an area exact; the propensity of a pair is that number over the area's eligible households, times the
    share of the household's needs that a visit asks about.
    """
    homes = pairs.drop_duplicates("household")[["household", "area"]]
    count = np.bincount(homes["area"], minlength=len(workers.areas)).astype(np.float64)
    field = np.flatnonzero(~workers.frame["coordinator"].to_numpy())
    weight = workers.covers[:, field] * count[:, None]
    reached = weight.sum(axis=0)
    wanted = weight / np.where(reached > 0, reached, 1) * (share * workers.frame["visits"].to_numpy()[field])
    wanted *= np.minimum(1, count / np.maximum(wanted.sum(axis=1), 1e-12))[
        :, None
    ]  # never more than live there
    ends = np.concatenate([[0], np.cumsum(wanted.T)]) + draw.random()
    visits = np.diff(np.floor(ends)).astype(int).reshape(len(field), len(workers.areas))
    expected = wanted.sum(axis=1)
    needs = pairs.groupby("household")["need"].size()
    rows = []
    for area in np.flatnonzero(visits.sum(axis=0)):
        here = homes["household"].to_numpy()[homes["area"].to_numpy() == area]
        who = np.repeat(field, visits[:, area])[: len(here)]
        np.subtract.at(spare, who, 1)
        for household, worker in zip(draw.choice(here, size=len(who), replace=False), who, strict=True):
            asked = min(NEEDS_PER_VISIT, needs[household])
            one = pairs[pairs["household"] == household]
            one = one.iloc[np.sort(draw.choice(len(one), size=asked, replace=False))]
            chance = min(1.0, expected[area] / len(here)) * asked / needs[household]
            rows.append(one.assign(worker=worker, arm="random", propensity=chance))
    return pd.concat(rows) if rows else pairs.iloc[:0].assign(worker=0, arm="random", propensity=np.nan)

"""Phase-in by lot: of households that rank alike at the edge of the week's visits, some are listed now and some later.

Only households near the edge take part: those that rank clearly higher are always listed, those that rank clearly lower
never would be. The lot of a household is the same all through a round of some weeks, so that nobody who waits is listed
by another week's lot. What became of both then shows what a visit changes (``models.monitoring.phase_in_effect``).
"""

import hashlib

import numpy as np
import pandas as pd

from features.point_in_time.records import Known, date_of
from models.evaluation.capacity import NEEDS_PER_VISIT
from service.planning.stability import KEPT
from service.planning.workers import Workers

COLUMNS = ("household_id", "as_of", "round", "later")


def lots(pairs: pd.DataFrame, workers: Workers, known: Known) -> pd.DataFrame:
    """Return the households that take part in this week's phase-in.

    ``pairs``: the eligible pairs with household, area, worth, sensitive and status. Sensitive needs
    take no part, nor do households that were listed before and wait for their visit. Returns household (position),
    household_id, as_of, round and later (bool); no rows where the settings ask for no phase-in.
    """
    phase_in = known.community.outreach.phase_in
    plain = pairs[~pairs["sensitive"] & (pairs["status"] != KEPT)]
    if phase_in is None or not len(plain):
        return pd.DataFrame(columns=["household", *COLUMNS])
    best = plain.sort_values("worth", ascending=False, kind="stable")
    best = best[best.groupby("household").cumcount() < NEEDS_PER_VISIT]
    homes = best.groupby("household", as_index=False).agg(area=("area", "first"), worth=("worth", "sum"))
    rank = homes.groupby("area")["worth"].rank(method="first", ascending=False).to_numpy()
    edge = _visits_of_areas(homes["area"].to_numpy(), workers)[homes["area"]]
    near = (np.abs(rank - 0.5 - edge) <= phase_in.band * edge) & (edge > 0)
    drawn = homes.loc[near, ["household"]].reset_index(drop=True)
    number = int(known.as_of // (7 * phase_in.weeks))
    ids = [str(known.household_ids[household]) for household in drawn["household"]]
    return drawn.assign(
        household_id=ids,
        as_of=date_of(known.as_of),
        round=number,
        later=[_lot(household, number) < phase_in.later for household in ids],
    )


def _visits_of_areas(area: np.ndarray, workers: Workers) -> np.ndarray:
    """Spread every worker's visits over the areas covered by their eligible households: float64 [areas]."""
    count = np.bincount(area[area >= 0], minlength=len(workers.areas)).astype(np.float64)
    weight = (workers.covers * count[:, None]).T
    reached = weight.sum(axis=1, keepdims=True)
    made = np.where(workers.frame["coordinator"], 0, workers.frame["visits"].to_numpy())
    return (weight / np.where(reached > 0, reached, 1) * made[:, None]).sum(axis=0)


def _lot(household_id: str, number: int) -> float:
    """Return a household's lot in a round: a number in [0, 1) that nobody chooses."""
    digest = hashlib.blake2b(f"{number}\x1f{household_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56

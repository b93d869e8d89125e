"""Random visits as training rows: what was known when each week began, and whether the visit found the need.

Only visits of the arm ``random`` with a known propensity are rows; declined, not reached and unknown outcomes are
missing, and so are outcomes of one pair on one day that contradict each other. A pair that asked in the week, before it
was visited, is left out: its visit tells nothing about needs without a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.blocks import seasons
from features.blocks.build import build, catalogue, summarise
from features.blocks.catalogue import with_role
from features.contract.tables import OUTCOMES
from features.point_in_time.cohort import MONDAY, eligible
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.schema import Schema
from features.point_in_time.subset import some
from features.point_in_time.town import TownSummary
from features.units import WEEK
from models.dataset.split import STEP

MOST_WEEKS = 156  # the newest so many weeks with visits are used
MOST_TARGETED = 30_000  # the newest so many outcomes of visits from lists are used
HEAVIEST = 10.0  # limit of a row's weight, where the mean of its week is 1
NEEDED, NOT_NEEDED = OUTCOMES.index("needed"), OUTCOMES.index("not_needed")


@dataclass(frozen=True)
class Visits:
    """Visits with an outcome, each with the as-of day that begins its week; oldest first."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32: the day, of the retrain's weekday, from which the visit's week runs
    found: np.ndarray  # int8: 1 where the visit found the need
    weight: np.ndarray  # float64: inverse propensity, mean 1 in every week; 1 where ``targeted``
    targeted: np.ndarray  # bool: chosen for a list, not drawn

    def __len__(self) -> int:
        return len(self.found)

    def take(self, keep: np.ndarray) -> "Visits":
        """Return the visits at some positions, or where a mask is True."""
        return Visits(*(value[keep] for value in vars(self).values()))


@dataclass(frozen=True)
class VisitTable:
    """Visits with the features of their pairs at the beginning of their week."""

    visits: Visits
    matrix: np.ndarray  # float32 [visits, features]
    names: list[str]
    microgrid: np.ndarray  # int32: of the household, that day

    def __len__(self) -> int:
        return len(self.visits)


def random_visits(known: Known) -> tuple[Visits, list[tuple[str, str]]]:
    """Return the usable random visits known before ``known.as_of``, and lines on those that could not be used.

    Lines are pairs of Chinese and English.
    """
    visits, lines = visits_by_lot(known)
    return replace(visits, weight=week_weights(visits.weight, visits.as_of)), lines


def visits_by_lot(known: Known) -> tuple[Visits, list[tuple[str, str]]]:
    """Return ``random_visits`` with the plain inverse propensity as their weight, and its lines."""
    rows = known.outreach
    drawn = rows.random & (rows.need >= 0) & (rows.contacted < known.as_of)
    met = drawn & np.isin(rows.outcome, (NEEDED, NOT_NEEDED))
    with np.errstate(invalid="ignore"):
        weighable = (rows.propensity > 0) & (rows.propensity <= 1)
    keep = np.flatnonzero(met & weighable)
    keep, contradicting = _one_outcome_a_day(known, keep)
    keep = keep[~_asked_on_the_way(known, keep)]
    week = _week(known, rows.contacted[keep])
    order = np.lexsort((rows.need[keep], rows.household[keep], week))
    keep, week = keep[order], week[order].astype(np.int32)
    visits = Visits(
        household=rows.household[keep],
        need=rows.need[keep],
        as_of=week,
        found=(rows.outcome[keep] == NEEDED).astype(np.int8),
        weight=1 / rows.propensity[keep],
        targeted=np.zeros(len(keep), dtype=bool),
    )
    return visits, _lines(int(drawn.sum()), int(met.sum()), int((met & ~weighable).sum()), contradicting)


def with_targeted(known: Known, drawn: Visits) -> Visits:
    """Add the targeted visits whose outcome was known before ``known.as_of`` to the random visits ``drawn``.

    Lists choose by what was known of a household when the week began, which the features of a visit contain too.
    Targeted visits show on what needs depend; only random ones can tell how many needs there are.
    """
    rows = known.outreach
    keep = np.flatnonzero(
        ~rows.random
        & (rows.need >= 0)
        & (rows.contacted < known.as_of)
        & np.isin(rows.outcome, (NEEDED, NOT_NEEDED))
    )
    keep, _ = _one_outcome_a_day(known, keep)
    keep = keep[~_asked_on_the_way(known, keep)]
    newest = np.argsort(-rows.contacted[keep], kind="stable")[:MOST_TARGETED]
    keep = keep[np.sort(newest)]
    both = Visits(
        household=np.concatenate([drawn.household, rows.household[keep]]),
        need=np.concatenate([drawn.need, rows.need[keep]]),
        as_of=np.concatenate([drawn.as_of, _week(known, rows.contacted[keep]).astype(np.int32)]),
        found=np.concatenate([drawn.found, (rows.outcome[keep] == NEEDED).astype(np.int8)]),
        weight=np.concatenate([drawn.weight, np.ones(len(keep))]),
        targeted=np.concatenate([drawn.targeted, np.ones(len(keep), dtype=bool)]),
    )
    return both.take(np.lexsort((both.need, both.household, both.as_of)))


def _one_outcome_a_day(known: Known, keep: np.ndarray) -> tuple[np.ndarray, int]:
    """Keep one row for each pair and day, none if its outcomes differ; also count the rows that contradict another."""
    rows = known.outreach
    pair = rows.household[keep].astype(np.int64) * len(known.community.needs) + rows.need[keep]
    day = np.floor(rows.contacted[keep]).astype(np.int64)
    _, first, same = np.unique(np.stack([pair, day]), axis=1, return_index=True, return_inverse=True)
    same = same.reshape(-1)
    needed = rows.outcome[keep] == NEEDED
    times = np.bincount(same, minlength=len(first))
    positive = np.bincount(same, needed, minlength=len(first))
    agreed = (positive == 0) | (positive == times)
    return keep[np.sort(first[agreed])], int(times[~agreed].sum())


def _asked_on_the_way(known: Known, keep: np.ndarray) -> np.ndarray:
    """Tell which pairs asked before the visit, by a request not yet known when the week began: bool [keep]."""
    rows, requests = known.outreach, known.requests
    needs = len(known.community.needs)
    of_need = np.flatnonzero(requests.need >= 0)
    asked = pd.DataFrame(
        {
            "pair": requests.household[of_need].astype(np.int64) * needs + requests.need[of_need],
            "requested": requests.requested[of_need],
            "recorded": requests.recorded[of_need],
        }
    )
    visits = pd.DataFrame(
        {
            "pair": rows.household[keep].astype(np.int64) * needs + rows.need[keep],
            "contacted": rows.contacted[keep],
            "week": _week(known, rows.contacted[keep]),
            "place": np.arange(len(keep)),
        }
    )
    both = visits.merge(asked, on="pair")
    meanwhile = (both["requested"] < both["contacted"]) & (both["recorded"] >= both["week"])
    result = np.zeros(len(keep), dtype=bool)
    result[both["place"][meanwhile]] = True
    return result


def _week(known: Known, contacted: np.ndarray) -> np.ndarray:
    """Return the day that begins the week of each contact, on the weekday of the as-of day: float64 [contacts]."""
    return known.as_of - WEEK * np.ceil((known.as_of - contacted) / WEEK)


def week_weights(inverse: np.ndarray, week: np.ndarray) -> np.ndarray:
    """Divide inverse propensities by the mean of their week, so that a week with few visits does not outweigh others.

    inverse: float64 [visits].
    week: int [visits], day that begins it. Returns float64 [visits], 1 / HEAVIEST to HEAVIEST.
    """
    if not len(week):
        return np.empty(0)
    _, place = np.unique(week, return_inverse=True)
    mean = np.bincount(place, inverse) / np.bincount(place)
    return np.clip(inverse / mean[place], 1 / HEAVIEST, HEAVIEST)


def _lines(drawn: int, met: int, unweighable: int, contradicting: int) -> list[tuple[str, str]]:
    lines = []
    if drawn and not met:
        lines.append(
            (
                f"{drawn} 次抽签走访都没有见到人，或没有填结果",
                f"none of {drawn} random visits met anyone and noted an outcome",
            )
        )
    if unweighable:
        lines.append(
            (
                f"{unweighable} 次抽签走访没有抽中概率（propensity），或者不在 0 到 1 之间，没有用上",
                f"{unweighable} random visits have no propensity in (0, 1] and are not used",
            )
        )
    if contradicting:
        lines.append(
            (
                f"{contradicting} 条抽签走访同户同项同日结果矛盾，没有用",
                f"{contradicting} random visits contradict another to the same household on the same day and are "
                "not used",
            )
        )
    return lines


def visit_table(
    records: Records,
    visits: Visits,
    schema: Schema,
    towns: Mapping[int, TownSummary] | None = None,
) -> VisitTable:
    """Build the features of visits as of the day that begins their week, from what was known before it.

    records: all records.
    visits: with an outcome.
    schema: of the features.
    towns: sums of the town by as-of day, where they are already computed.

    The household's features are of that day, and so are the town's requests by need. The sums of similar households and
    of neighbours, slow to compute and slow to change, are those of the last day, of days four weeks apart, that is not
    later. Visits to pairs that were not known, or could not have the need, on that day are left out, and so are those
    of all but the newest ``MOST_WEEKS`` weeks with visits. One week is built at a time.
    """
    days = [int(day) for day in np.unique(visits.as_of)[-MOST_WEEKS:]]
    made = dict(towns or {})
    kept = [np.empty(0, dtype=np.int64)]
    microgrids = [np.empty(0, dtype=np.int32)]
    matrices = [np.empty((0, len(catalogue(schema))), dtype=np.float32)]
    for day in days:
        begin = day - (day - MONDAY) % STEP
        if begin not in made:
            made[begin] = summarise(known_before(records, begin), schema)
        on = np.flatnonzero(visits.as_of == day)
        homes, place = np.unique(visits.household[on], return_inverse=True)
        known, town = _of_week(records, homes, made[begin], day, schema)
        able = eligible(known)[place, visits.need[on]]
        on, rows = on[able], Rows(place[able].astype(np.int32), visits.need[on][able])
        if len(on):
            matrices.append(_without_later(build(known, rows, schema, town).matrix, schema))
            kept.append(on)
            microgrids.append(known.microgrid[rows.household])
    names = [feature.name for feature in catalogue(schema)]
    taken = visits.take(np.concatenate(kept))
    return VisitTable(taken, np.concatenate(matrices), names, np.concatenate(microgrids))


def _of_week(
    records: Records, homes: np.ndarray, town: TownSummary, day: int, schema: Schema
) -> tuple[Known, TownSummary]:
    """Return what was known of some households before a day, and an earlier ``town`` brought up to that day.

    The whole town's recent requests by need are those of the day.
    """
    late = {"seasons": seasons.summarise(known_before(records, day), schema)}
    days_recorded = town.days_recorded + day - town.as_of
    later = replace(town, as_of=day, days_recorded=days_recorded, parts={**town.parts, **late})
    return known_before(some(records, homes), day, later), later


def _without_later(matrix: np.ndarray, schema: Schema) -> np.ndarray:
    """Raise the sums of neighbours to at least 0, in place.

    They leave the household itself out, and a request of its own that is newer than the sums would make them negative.
    """
    ours = with_role(catalogue(schema), "expected", "neighbours")
    names = [feature.name for feature in catalogue(schema)]
    columns = [names.index(our) for our in ours]
    matrix[:, columns] = np.maximum(matrix[:, columns], 0)
    return matrix

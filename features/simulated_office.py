"""The office of a synthetic town before it has any model: random visits, naive visits, what it writes down."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.simulated_town import Town, Visits

PAIRS_ASKED = 3  # needs asked about in a random visit
FIRST_RANDOM_WEEK, FIRST_NAIVE_WEEK = 52, 80
DECLINED = 0.04


@dataclass(frozen=True)
class Planned:
    """Pairs to visit: random ones with the probability with which they were drawn, others with NaN."""

    household: np.ndarray
    need: np.ndarray
    propensity: np.ndarray


def random_visits(town: Town, rng: np.random.Generator, share: float, out: np.ndarray) -> Planned:
    """A simple random sample of the present households that did not opt ``out``, each asked about three needs."""
    base, _ = town.rates(town.week)
    candidates = np.flatnonzero(town.present & ~out)
    count = min(max(1, round(share * len(candidates))), len(candidates))
    chosen = np.sort(rng.choice(candidates, count, replace=False))
    able = base[chosen] > 0
    order = np.argsort(np.where(able, rng.random(able.shape), 2.0), axis=1)[:, :PAIRS_ASKED]
    asked = np.take_along_axis(able, order, axis=1)
    each = np.minimum(1.0, PAIRS_ASKED / np.maximum(able.sum(axis=1), 1)) * count / len(candidates)
    household = np.repeat(chosen, order.shape[1]).reshape(order.shape)
    return Planned(
        household[asked], order[asked], np.repeat(each, order.shape[1]).reshape(order.shape)[asked]
    )


def naive_visits(
    town: Town,
    rng: np.random.Generator,
    share: float,
    out: np.ndarray,
    past_year: np.ndarray,
    rest: np.ndarray,
) -> Planned:
    """The households that asked most in the past year (ties at random), about what they asked for most.

    ``past_year`` counts requests [households, needs]; ``rest`` marks households visited lately.
    """
    candidates = np.flatnonzero(town.present & ~out & ~rest & (past_year.sum(axis=1) > 0))
    count = min(round(share * int(town.present.sum())), len(candidates))
    order = np.lexsort((rng.random(len(candidates)), -past_year[candidates].sum(axis=1)))
    chosen = np.sort(candidates[order[:count]])
    return Planned(chosen, past_year[chosen].argmax(axis=1), np.full(len(chosen), np.nan))


def knock(town: Town, planned: Planned, rng: np.random.Generator) -> tuple[Visits, np.ndarray]:
    """The visits of a plan and, for those that fail, how: ``declined`` or ``not_reached`` (object str, '' otherwise)."""
    households, where = np.unique(planned.household, return_inverse=True)
    values = town.people.values
    busy = 0.1 * (values["dual_earner"][households] > 0) + 0.05 * (values["hukou"][households] > 0)
    home = rng.random(len(households)) >= np.minimum(town.style.not_reached + busy - 0.05, 0.9)
    willing = rng.random(len(where)) >= DECLINED
    failure = np.where(~home[where], "not_reached", np.where(willing, "", "declined")).astype(object)
    return Visits(planned.household, planned.need, failure == ""), failure


class Office:
    """Plans the visits of each week and keeps the outreach table."""

    def __init__(
        self, town: Town, visit_share: float, naive_share: float, out_from: np.ndarray, out_until: np.ndarray
    ):
        """``out_from`` and ``out_until`` are weeks per household between which it refuses visits."""
        self.town, self.visit_share, self.naive_share = town, visit_share, naive_share
        self.out_from, self.out_until = out_from, out_until
        self.past: list[np.ndarray] = []  # requests of the last 52 weeks, [households, needs] as cells
        self.visited = np.full(len(town.people), -999)
        self.rows: list[pd.DataFrame] = []

    def live_a_week(self) -> tuple[np.ndarray, np.ndarray]:
        """Visit, let the town live the week, write down outcomes; returns the pairs that asked."""
        town = self.town
        rng = np.random.default_rng([town.seed, 4, town.week])
        out = (self.out_from <= town.week) & (self.out_until > town.week)
        plans = []
        if town.week >= FIRST_RANDOM_WEEK and self.visit_share > 0:
            plans.append(random_visits(town, rng, self.visit_share, out))
        if town.week >= FIRST_NAIVE_WEEK and self.naive_share > 0:
            taken = out.copy()
            for plan in plans:
                taken[plan.household] = True
            plans.append(
                naive_visits(
                    town, rng, self.naive_share, taken, self._past_year(), self.visited > town.week - 12
                )
            )
        visits, failure = None, np.zeros(0, object)
        if plans:
            planned = Planned(
                *(np.concatenate([getattr(plan, name) for plan in plans]) for name in Planned.__annotations__)
            )
            visits, failure = knock(town, planned, rng)
        week = town.step(visits)
        if visits is not None:
            self._write(planned, failure, week.needed, week.week, rng)
        self.past = [*self.past[-51:], week.household.astype(np.int64) * town.state.shape[1] + week.need]
        return week.household, week.need

    def _past_year(self) -> np.ndarray:
        cells = np.concatenate(self.past) if self.past else np.zeros(0, np.int64)
        return np.bincount(cells, minlength=self.town.state.size).reshape(self.town.state.shape)

    def _write(
        self, planned: Planned, failure: np.ndarray, needed: np.ndarray, week: int, rng: np.random.Generator
    ) -> None:
        households, where = np.unique(planned.household, return_inverse=True)
        self.visited[households] = week
        hour = rng.integers(0, 5, len(households)) + rng.uniform(9, 18, len(households)) / 24
        outcome = np.where(failure != "", failure, np.where(needed, "needed", "not_needed"))
        self.rows.append(
            pd.DataFrame(
                {
                    "household": planned.household,
                    "need": planned.need,
                    "contacted": self.town.dates(np.array(week)) + hour[where],
                    "arm": np.where(np.isnan(planned.propensity), "targeted", "random"),
                    "outcome": outcome,
                    "propensity": planned.propensity,
                    "week": week,
                }
            )
        )

    def outreach(self) -> pd.DataFrame:
        """All visits so far, with positions of households and needs and the time in days."""
        columns = ["household", "need", "contacted", "arm", "outcome", "propensity", "week"]
        return pd.concat(self.rows, ignore_index=True) if self.rows else pd.DataFrame(columns=columns)

"""Simulate a town's office: whom it visits before it has a model, and what it writes down."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.simulation.town import NEVER, Town, Visits

PAIRS_ASKED = 3  # needs asked about in a random visit
FIRST_RANDOM_WEEK, FIRST_NAIVE_WEEK = 52, 80
REST_WEEKS = 12  # between two naive visits
DECLINED = 0.04
OPT_OUT_SHARE = 0.01
VISIT_COLUMNS = ["outreach_id", "household", "need", "contacted", "outcome", "propensity", "week"]


@dataclass(frozen=True)
class Planned:
    """Pairs to visit: random ones with the probability with which they were drawn, targeted ones with NaN.

    ``outreach_id`` is empty for visits that no list asked for; they get an id when they are written down.
    """

    household: np.ndarray
    need: np.ndarray
    propensity: np.ndarray
    outreach_id: np.ndarray | None = None

    def frame(self) -> pd.DataFrame:
        """Make a table of one row a pair."""
        return pd.DataFrame(
            {
                "outreach_id": "" if self.outreach_id is None else self.outreach_id,
                "household": self.household.astype(np.int32),
                "need": self.need.astype(np.int16),
                "propensity": self.propensity.astype(np.float64),
            }
        )


def random_visits(town: Town, rng: np.random.Generator, share: float, out: np.ndarray) -> Planned:
    """Draw a simple random sample of the present households that are not ``out``, and ask each about three needs.

    ``share``: of these households, in [0, 1]. ``out``: bool [households]. Each pair's propensity is the probability
    with which it was drawn.
    """
    base, _ = town.rates(town.week)
    candidates = np.flatnonzero(town.present & ~out)
    count = min(max(1, round(share * len(candidates))), len(candidates))
    chosen = np.sort(rng.choice(candidates, count, replace=False))
    able = base[chosen] > 0
    order = np.argsort(np.where(able, rng.random(able.shape), 2.0), axis=1)[:, :PAIRS_ASKED]
    asked = np.take_along_axis(able, order, axis=1)
    each = np.minimum(1.0, PAIRS_ASKED / np.maximum(able.sum(axis=1), 1)) * count / len(candidates)
    household = np.repeat(chosen, order.shape[1]).reshape(order.shape)
    return Planned(household[asked], order[asked], np.broadcast_to(each[:, None], order.shape)[asked])


def naive_visits(
    town: Town, rng: np.random.Generator, share: float, out: np.ndarray, past_year: np.ndarray
) -> Planned:
    """Choose the households that asked most in the past year (ties at random), and what they asked for most.

    ``share``: of the present households, in [0, 1]. ``out``: bool [households], those left in peace. ``past_year``:
    requests [households, needs].
    """
    total = past_year.sum(axis=1)
    candidates = np.flatnonzero(town.present & ~out & (total > 0))
    count = min(round(share * int(town.present.sum())), len(candidates))
    order = np.lexsort((rng.random(len(candidates)), -total[candidates]))
    chosen = np.sort(candidates[order[:count]])
    return Planned(chosen, past_year[chosen].argmax(axis=1), np.full(len(chosen), np.nan))


class Office:
    """The office: it visits households week by week, and writes down requests and outcomes."""

    def __init__(self, town: Town, visit_share: float = 0.004, naive_share: float = 0.003):
        """Set the shares, in [0, 1], of households visited each week: at random, and because they asked most."""
        self.town, self.visit_share, self.naive_share = town, visit_share, naive_share
        self.requests: list[pd.DataFrame] = []  # household, need, week
        self.visits: list[pd.DataFrame] = []  # VISIT_COLUMNS
        self._visited = np.full(len(town.people), NEVER)
        self._draw_opt_outs()

    def _draw_opt_outs(self) -> None:
        """Draw the weeks from and until which some households refuse visits (infinite: never, or without an end)."""
        rng = np.random.default_rng([self.town.seed, 9])
        count = len(self.town.people)
        refuses = rng.choice(count, round(OPT_OUT_SHARE * count), replace=False)
        begins = np.maximum(rng.integers(0, 260, len(refuses)), self.town.people.arrived[refuses] + 1)
        open_end = rng.random(len(refuses)) < 0.7
        self.out_from, self.out_until = np.full(count, np.inf), np.full(count, np.inf)
        self.out_from[refuses] = begins
        self.out_until[refuses] = np.where(open_end, np.inf, begins + rng.integers(8, 53, len(refuses)))

    def live_a_week(self, planned: Planned | None = None, visits: bool = True) -> pd.DataFrame:
        """Visit, let the town live the coming week, and write down what happened; return the visits' outcomes.

        ``planned`` is visited instead of the office's own choice; without ``visits`` nobody is visited.
        """
        town = self.town
        plan = planned.frame() if planned else self._own_plan() if visits else self._own_plan().iloc[:0]
        rng = np.random.default_rng([town.seed, 11, town.week])
        failure = self._knock(plan["household"].to_numpy(), rng)
        happened = town.step(
            Visits(plan["household"].to_numpy(), plan["need"].to_numpy(), failure == "")
            if len(plan)
            else None
        )
        hour = rng.integers(0, 5, len(self._visited)) + rng.uniform(9, 18, len(self._visited)) / 24
        household = plan["household"].to_numpy()
        met = happened.needed if len(plan) else np.zeros(0, bool)
        plan = plan.assign(
            contacted=town.dates(np.array(happened.week)) + hour[household],
            outcome=np.where(failure != "", failure, np.where(met, "needed", "not_needed")),
            week=happened.week,
        )
        self._visited[household] = happened.week
        self.visits.append(plan[VISIT_COLUMNS])
        self.requests.append(
            pd.DataFrame({"household": happened.household, "need": happened.need, "week": happened.week})
        )
        return plan

    def _knock(self, household: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw how the visit to each household fails (empty: it does not); all pairs of a visit fail alike."""
        values = self.town.people.values
        busy = 0.1 * (values["dual_earner"] > 0) + 0.05 * (values["hukou"] > 0) - 0.05
        home = rng.random(len(busy)) >= np.clip(self.town.style.not_reached + busy, 0, 0.9)
        willing = rng.random(len(busy)) >= DECLINED
        failure = np.where(~home, "not_reached", np.where(willing, "", "declined")).astype(object)
        return failure[household]

    def _own_plan(self) -> pd.DataFrame:
        town = self.town
        rng = np.random.default_rng([town.seed, 4, town.week])
        out = (self.out_from <= town.week) & (self.out_until > town.week)
        plans = [Planned(*np.zeros((3, 0))).frame()]
        if town.week >= FIRST_RANDOM_WEEK and self.visit_share > 0:
            plans.append(random_visits(town, rng, self.visit_share, out).frame())
            out[plans[-1]["household"]] = True
        if town.week >= FIRST_NAIVE_WEEK and self.naive_share > 0:
            rests = out | (self._visited > town.week - REST_WEEKS)
            plans.append(naive_visits(town, rng, self.naive_share, rests, self._past_year()).frame())
        return pd.concat(plans, ignore_index=True)

    def _past_year(self) -> np.ndarray:
        past = pd.concat(self.requests[-52:])
        cells = past["household"].to_numpy(np.int64) * self.town.state.shape[1] + past["need"].to_numpy()
        return np.bincount(cells, minlength=self.town.state.size).reshape(self.town.state.shape)

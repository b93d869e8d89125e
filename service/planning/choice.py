"""Choose the visits of highest worth within the workers' visits and the programmes' seats."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from service.planning.integer_program import Assignment, Places, Side, assign, thinkable
from service.planning.options import Options, options_of
from service.planning.parity import Fair, as_many, too_strict
from service.planning.seat_limits import Limit
from service.planning.workers import Workers, classes_of, deal

TIE = 1e-5  # of the highest worth of a visit: what decides between visits of equal worth
HUNDREDTH = 0.01  # how exactly the smallest tolerance is told
SLACK = 1e-6  # seats: the solver's own tolerance


@dataclass(frozen=True)
class Chosen:
    """The visits chosen by worth, with their worker and arm, and the seat limits that bound the choice.

    ``value``: total worth of the visits. ``bound``: no plan with as many visits is worth more that gives every group
    its share (the worth and the prices of the groups, plus the solver's gap; without prices, no plan at all).
    """

    visits: pd.DataFrame
    value: float
    bound: float
    full: tuple[Limit, ...]  # that kept visits from asking about more
    plain: pd.DataFrame  # the pairs that would have been chosen without parity


def chosen(
    pairs: pd.DataFrame,
    workers: Workers,
    spare: np.ndarray,
    taking: np.ndarray,
    limits: Sequence[Limit],
    most: np.ndarray | None = None,
    fair: Fair | None = None,
) -> Chosen:
    """Choose the visits of highest worth that the workers who take part can make.

    ``pairs``: the eligible pairs, with household, need, area, p_need, worth, tie, within, last_worker, the columns that
    ``options_of`` reads, and price, which is added to the worth when visits are compared.
    ``spare``: visits that each worker can still make, int [workers]; the chosen ones are subtracted in place.
    ``taking``: bool [workers], True for those who take part. ``limits``: seats that may still be promised.
    ``most``: the largest number of visits of each area, int [areas]. ``fair``: the parity constraint, if there is one.

    Returns the chosen visits. Raises UserError when the visits cannot meet ``fair``.
    """
    classes = classes_of(workers, taking)
    places = classes.places(spare, most)
    options, assigned, full = _best(pairs, places, limits)
    plain = options.chosen(assigned.chosen)
    if fair and fair.short(plain):
        options, assigned, full = _fairest(pairs, places, limits, fair, len(assigned.chosen))
    worth = _worth(options)
    which = assigned.chosen[np.argsort(-worth[assigned.chosen], kind="stable")]
    first = options.pairs.iloc[options.asked[which].max(axis=1)]
    homes = first[["household", "area", "last_worker"]]
    worker = deal(homes, classes, spare)
    listed = options.chosen(assigned.chosen)
    listed = listed.assign(
        worker=listed["household"].map(worker).astype("int64"), arm="targeted", propensity=np.nan
    )
    value = float(worth[assigned.chosen].sum())
    bound = (
        value + assigned.gap * max(abs(assigned.value), 1e-12) + float(_price(options)[assigned.chosen].sum())
    )
    return Chosen(listed, value, bound, full, plain)


Found = tuple[Options, Assignment, tuple[Limit, ...]]


def _best(pairs: pd.DataFrame, places: Places, limits: Sequence[Limit]) -> Found:
    """Return the best options within the limits."""
    assigned = _within(pairs, places, limits)
    assert assigned is not None  # no visit at all keeps within every limit
    return assigned


def _fairest(pairs: pd.DataFrame, places: Places, limits: Sequence[Limit], fair: Fair, count: int) -> Found:
    """Return the best options, at least ``count``, that meet ``fair``; raise UserError when there are none."""
    assigned = _within(pairs, places, limits, fair, count)
    if assigned:
        return assigned
    options = options_of(pairs)
    low, high = fair.tolerance, 1.0
    while high - low > HUNDREDTH:
        middle = (low + high) / 2
        sides = [replace(fair, tolerance=middle).side(options), as_many(options, count)]
        met = thinkable(options.household, options.area, places, sides)
        low, high = (low, middle) if met else (middle, high)
    step, short = HUNDREDTH, list(fair.names)
    while high < 1:
        if assigned := _within(pairs, places, limits, replace(fair, tolerance=high), count):
            short = fair.short(assigned[0].chosen(assigned[1].chosen))
            break
        high, step = min(1.0, high + step), 2 * step
    raise too_strict(fair.tolerance, high, short)


def _within(
    pairs: pd.DataFrame,
    places: Places,
    limits: Sequence[Limit],
    fair: Fair | None = None,
    count: int = 0,
) -> Found | None:
    """Return the best options, or None, adding a limit only once the best options without it would break it."""
    full: list[Limit] = []
    while True:
        options = options_of(pairs, _scarce(pairs, full))
        sides = [_side(options, limit) for limit in full]
        sides += [fair.side(options), as_many(options, count)] if fair else []
        assigned = assign(options.household, options.area, _compared(options), places, sides)
        if assigned is None:
            return None
        listed = options.chosen(assigned.chosen)
        if fair and fair.short(listed):
            return None
        broken = [
            limit for limit in limits if limit not in full and takers(listed, limit) > limit.seats + SLACK
        ]
        if not broken:
            return options, assigned, tuple(full)
        full += broken


def _worth(options: Options) -> np.ndarray:
    """Return the worth of each option: float64 [options], with a small term that breaks ties between households."""
    worth = options.sums(options.pairs["worth"].to_numpy())
    tie = options.pairs["tie"].to_numpy()[options.asked.max(axis=1)]
    return worth + TIE * (worth.max(initial=0.0) or 1.0) * (1 - tie / (tie.max(initial=0) + 1))


def _price(options: Options) -> np.ndarray:
    """Return the sum of the prices of each option's pairs: float64 [options]."""
    return options.sums(options.pairs["price"].to_numpy())


def _compared(options: Options) -> np.ndarray:
    """Return worth plus price of each option: float64 [options], raised by a constant so that none is below 0."""
    both = _worth(options) + _price(options)
    return both - min(0.0, both.min(initial=0.0))


def _scarce(pairs: pd.DataFrame, limits: Collection[Limit]) -> set[int]:
    """Return the positions of the needs that draw on the seats of ``limits``."""
    within = pairs["within"].to_numpy()
    return {int(need) for limit in limits for need in pairs.loc[limit.concerns(within), "need"].unique()}


def _side(options: Options, limit: Limit) -> Side:
    """Return the constraint that the expected takers of the limit's seats do not exceed them."""
    pairs = options.pairs
    use = options.sums(np.where(limit.concerns(pairs["within"].to_numpy()), pairs["p_need"], 0.0))
    return Side(csr_array(use[None, :]), np.array([-np.inf]), np.array([limit.seats]))


def takers(listed: pd.DataFrame, limit: Limit) -> float:
    """Compute the expected number of listed pairs that take one of the limit's seats."""
    return float(listed.loc[limit.concerns(listed["within"].to_numpy()), "p_need"].sum())


def left_after(limits: Sequence[Limit], listed: pd.DataFrame) -> list[Limit]:
    """Return the limits with the expected takers among the listed pairs subtracted from their seats."""
    return [Limit(limit.programmes, max(0.0, limit.seats - takers(listed, limit))) for limit in limits]

"""The visits chosen for what they are worth, within the workers' visits and the programmes' seats."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from service.planning.integer_program import Assignment, Places, Side, assign, thinkable
from service.planning.options import Options, options_of
from service.planning.parity import Fair, as_many, too_strict
from service.planning.rounds import classes_of, deal
from service.planning.seat_limits import Limit
from service.planning.workers import Workers

TIE = 1e-5  # of the highest worth of a visit: what decides between visits of equal worth
HUNDREDTH = 0.01  # how exactly the smallest tolerance is told
SLACK = 1e-6  # seats: the solver's own tolerance


@dataclass(frozen=True)
class Chosen:
    """Visits chosen by their worth: pairs with worker and arm, and limits met.

    ``value``: their worth. ``bound``: no visits are worth more, once prices of groups are taken off."""

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
    """The visits of highest worth that the workers who take part (bool) can make.

    Raises UserError where they cannot be as ``fair`` as is asked for.

    ``pairs``: household, need, area, p_need, worth, tie, within, last_worker, and what ``options_of`` reads; price,
    which is added to the worth when visits are compared. ``spare``: visits to spare of each worker; those made are
    taken off. ``most``: at most so many in each area.
    """
    classes = classes_of(workers, taking)
    places = classes.places(spare, most)
    options, found, full = _best(pairs, places, limits)
    plain = options.chosen(found.chosen)
    if fair and fair.short(plain):
        options, found, full = _fairest(pairs, places, limits, fair, len(found.chosen))
    worth = _worth(options)
    which = found.chosen[np.argsort(-worth[found.chosen], kind="stable")]
    first = options.pairs.iloc[options.asked[which].max(axis=1)]
    homes = first[["household", "area", "last_worker"]]
    worker = deal(homes, classes, spare)
    listed = options.chosen(found.chosen)
    listed = listed.assign(
        worker=listed["household"].map(worker).astype("int64"), arm="targeted", propensity=np.nan
    )
    value = float(worth[found.chosen].sum())
    bound = value + found.gap * max(abs(found.value), 1e-12) + float(_price(options)[found.chosen].sum())
    return Chosen(listed, value, bound, full, plain)


Found = tuple[Options, Assignment, tuple[Limit, ...]]


def _best(pairs: pd.DataFrame, places: Places, limits: Sequence[Limit]) -> Found:
    """The best options within the limits."""
    found = _within(pairs, places, limits)
    assert found is not None  # no visit at all keeps within every limit
    return found


def _fairest(pairs: pd.DataFrame, places: Places, limits: Sequence[Limit], fair: Fair, count: int) -> Found:
    """The best ``count`` options that are as fair as is asked for. Raises UserError where there are none."""
    found = _within(pairs, places, limits, fair, count)
    if found:
        return found
    options = options_of(pairs)
    low, high = fair.tolerance, 1.0
    while high - low > HUNDREDTH:
        middle = (low + high) / 2
        sides = [replace(fair, tolerance=middle).side(options), as_many(options, count)]
        met = thinkable(options.household, options.area, places, sides)
        low, high = (low, middle) if met else (middle, high)
    step, short = HUNDREDTH, list(fair.names)
    while high < 1:
        if found := _within(pairs, places, limits, replace(fair, tolerance=high), count):
            short = fair.short(found[0].chosen(found[1].chosen))
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
    """The best options within the limits; one takes part from when the best without it would break it."""
    full: list[Limit] = []
    while True:
        options = options_of(pairs, _scarce(pairs, full))
        sides = [_side(options, limit) for limit in full]
        sides += [fair.side(options), as_many(options, count)] if fair else []
        found = assign(options.household, options.area, _compared(options), places, sides)
        if found is None:
            return None
        listed = options.chosen(found.chosen)
        if fair and fair.short(listed):
            return None
        broken = [
            limit for limit in limits if limit not in full and takers(listed, limit) > limit.seats + SLACK
        ]
        if not broken:
            return options, found, tuple(full)
        full += broken


def _worth(options: Options) -> np.ndarray:
    """float64 per option: what it is worth, no two households quite alike."""
    worth = options.sums(options.pairs["worth"].to_numpy())
    tie = options.pairs["tie"].to_numpy()[options.asked.max(axis=1)]
    return worth + TIE * (worth.max(initial=0.0) or 1.0) * (1 - tie / (tie.max(initial=0) + 1))


def _price(options: Options) -> np.ndarray:
    """float64 per option: the prices of the groups that it finds needs of."""
    return options.sums(options.pairs["price"].to_numpy())


def _compared(options: Options) -> np.ndarray:
    """float64 per option: worth and price, raised so that a visit is always better than none."""
    both = _worth(options) + _price(options)
    return both - min(0.0, both.min(initial=0.0))


def _scarce(pairs: pd.DataFrame, limits: Collection[Limit]) -> set[int]:
    """The needs that limits are about."""
    within = pairs["within"].to_numpy()
    return {int(need) for limit in limits for need in pairs.loc[limit.concerns(within), "need"].unique()}


def _side(options: Options, limit: Limit) -> Side:
    """Expected takers of the seats do not exceed them."""
    pairs = options.pairs
    use = options.sums(np.where(limit.concerns(pairs["within"].to_numpy()), pairs["p_need"], 0.0))
    return Side(csr_array(use[None, :]), np.array([-np.inf]), np.array([limit.seats]))


def takers(listed: pd.DataFrame, limit: Limit) -> float:
    """Expected number of listed pairs that take one of the seats."""
    return float(listed.loc[limit.concerns(listed["within"].to_numpy()), "p_need"].sum())


def left_after(limits: Sequence[Limit], listed: pd.DataFrame) -> list[Limit]:
    """The limits once these visits have been made."""
    return [Limit(limit.programmes, max(0.0, limit.seats - takers(listed, limit))) for limit in limits]

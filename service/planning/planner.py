"""Choose which households to visit next week and what to ask them: from scores to a plan. Pure, no files.

A household is visited at most once a week and asked about at most three needs. A share of the visits
(``explore_share``) is drawn first, at random among all eligible households, so that every eligible pair has a known
propensity; the others are chosen together for the highest sum of severity times p_need. Sensitive needs stand only on
coordinators' lists. Any list maker with the signature of ``plan`` can take its place.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.point_in_time.records import Known, date_of
from service.planning.choice import Chosen, chosen, left_after
from service.planning.eligibility import LeftOut, eligible_pairs, left_out
from service.planning.group_prices import Price, price_of
from service.planning.parity import Fair, GroupSums, fair, group_sums
from service.planning.phase_in import lots
from service.planning.plan_summary import PlanSums, plan_lines
from service.planning.random_visits import drawn_by_lot, exploration_weights
from service.planning.seat_limits import Enrolment, Limit, enrolment, limits_of
from service.planning.stability import KEPT, NEW, dropped, in_turn, last_worker, waiting
from service.planning.warned_visits import WARNED, choose_warned, open_warnings, warned_pairs
from service.planning.workers import Workers, workers_of

COLUMNS = tuple(
    """
    outreach_id as_of worker_id grid_id microgrid_id household_id need visit_order arm propensity reason
    model_version
    """.split()
)


@dataclass(frozen=True)
class Plan:
    """The week's visits, one row for each household and need to ask about, and numbers that describe the plan.

    ``visits`` has the contract's columns of outreach.parquet (``reason`` still empty) and, for the pages, worker (a
    number for each list), worker_name, role, coordinator (True on a coordinators' list), p_need and status (``kept``
    from the list before, or ``new``). ``dropped``: households no longer listed, with the cause. ``seats``: seats left,
    float64 [programmes]. ``takers``: the expected number of listed pairs that take a seat, by the programmes (bits)
    that can serve them (``Enrolment.within``), with a key for each such set among the eligible pairs. ``groups``: what
    the list finds in each group, where the settings ask for parity.
    """

    visits: pd.DataFrame
    dropped: pd.DataFrame
    sums: PlanSums
    seats: np.ndarray
    takers: dict[int, float]
    groups: GroupSums | None
    community: Community
    lots: pd.DataFrame = field(default_factory=pd.DataFrame)  # of the phase-in

    @property
    def lines(self) -> list[str]:
        """Return the notes that stand below the lists."""
        return plan_lines(self.sums, self.community, self.dropped, self.visits, self.groups)


@dataclass(frozen=True)
class Share:
    """A partition's share of what the whole town has, when the town is planned in several partitions."""

    number: int  # of the partition
    usual: np.ndarray  # float64 [needs]: mean p_need over the town
    limits: tuple[Limit, ...]  # seats that may be promised here, of the programmes that are short in the town
    everywhere: Mapping[str, int]  # visits made here by the coordinators of the whole town, by worker_id
    prices: Mapping[str, Price] = field(default_factory=dict)  # by group


def plan(
    scores: pd.DataFrame,
    known: Known,
    seed: int = 0,
    history: pd.DataFrame | None = None,
    before: pd.DataFrame | None = None,
    share: Share | None = None,
    by_turn: bool = False,
    warnings: pd.DataFrame | None = None,
) -> Plan:
    """Choose the week's visits from the scores of one as-of date; the same input and seed give the same plan.

    ``scores``: the contract's columns of scores.parquet. ``history``: past courses of the programmes
    (``store.read_programme_history``). ``before``: outreach.parquet of the list before; its households that nobody has
    visited since are worth ``keep_bonus`` more, and keep their worker where possible. ``share``: given where ``known``
    is one of several partitions; parity is then a matter of prices (``service.planning.group_prices``). ``by_turn``:
    True where the scores do not tell households apart: nobody is drawn at random, and those unvisited for longest come
    first. ``warnings``: of lists from above (``warned_visits.open_warnings``); households that no visit has answered for
    are visited before all others.

    Raises UserError when nobody has any visits, or when the parity of the settings cannot be met.
    """
    workers, offered = workers_of(known, share.everywhere if share else None), enrolment(known, history)
    out, warned = left_out(known, offered.closed), open_warnings(warnings, known)
    draw = np.random.default_rng([seed, known.as_of, *([share.number] if share else [])])
    pairs = _weighed(_priced(scores, known, out, warned, share), known, workers, offered, before, draw)
    pairs = in_turn(pairs, known) if by_turn else pairs
    spare = workers.frame["visits"].to_numpy().copy()
    first, pairs = _warned_first(pairs, workers, spare)
    drawn = _drawn(pairs[:0] if by_turn else pairs[~pairs["sensitive"]], workers, spare, known, draw)
    phased = lots(pairs, workers, known)
    rest, limits = _to_choose(pairs, drawn, phased), share.limits if share else limits_of(offered, pairs)
    limits = left_after(limits, pd.concat([first.visits, drawn]))
    coordinated = _coordinated(rest, workers, spare, limits)
    earlier = [first.visits, drawn, coordinated.visits]
    equal = None if share else fair(known, pairs, earlier)
    targeted = _targeted(rest, workers, spare, limits, coordinated.visits, equal)
    listed = [visits for visits in (*earlier, targeted.visits) if len(visits)]
    visits = pd.concat(listed, ignore_index=True) if listed else targeted.visits
    without_parity = pd.concat([*earlier, targeted.plain])
    return Plan(
        visits=_finished(visits, workers, known),
        dropped=dropped(before, visits["household"].to_numpy(), pairs, out, workers, known),
        sums=_sums(known, workers, out, pairs, earlier, (coordinated, targeted), by_turn, len(warned)),
        seats=offered.seats,
        takers=_takers(pairs, visits),
        groups=group_sums(known, pairs, without_parity, visits) if known.community.outreach.parity else None,
        community=known.community,
        lots=phased,
    )


def _priced(
    scores: pd.DataFrame, known: Known, out: LeftOut, warned: pd.DataFrame, share: Share | None
) -> pd.DataFrame:
    """List the pairs that may be visited, those of warned households among them, with the prices of their groups."""
    usual = share.usual if share else None
    pairs = eligible_pairs(scores, known, out, usual)
    pairs = _with_warned(pairs, warned_pairs(scores, known, out, warned, usual))
    return pairs.assign(price=price_of(share.prices, known, pairs) if share else 0.0)


def _with_warned(pairs: pd.DataFrame, warned: pd.DataFrame) -> pd.DataFrame:
    """Put the pairs of warned households in the place of their others; add warned_of ("" for all others) and deadline."""
    pairs = pairs.assign(warned_of="", deadline=pd.Series(pd.NaT, index=pairs.index))
    if warned.empty:
        return pairs
    others = pairs[~pairs["household"].isin(warned["household"])]
    return pd.concat([others, warned]).sort_values(["household", "need"], ignore_index=True)


def _warned_first(pairs: pd.DataFrame, workers: Workers, spare: np.ndarray) -> tuple[Chosen, pd.DataFrame]:
    """Choose the visits of warned households, and return them with the pairs of all others."""
    warned = pairs["warned_of"] != ""
    return choose_warned(pairs[warned], workers, spare), pairs[~warned]


def _to_choose(pairs: pd.DataFrame, drawn: pd.DataFrame, phased: pd.DataFrame) -> pd.DataFrame:
    """Leave out households that were drawn, and, but for sensitive needs, those that wait by the phase-in."""
    waits = phased.loc[phased["later"].astype(bool), "household"]
    taken = pairs["household"].isin(drawn["household"])
    return pairs[~taken & (pairs["sensitive"] | ~pairs["household"].isin(waits))]


def _takers(pairs: pd.DataFrame, visits: pd.DataFrame) -> dict[int, float]:
    """Sum p_need of the visits by the programmes that they concern (``within``), those without a visit too."""
    sums = visits.groupby("within")["p_need"].sum()
    return {int(within): float(sums.get(within, 0.0)) for within in pairs["within"].unique() if within}


def _sums(
    known: Known,
    workers: Workers,
    out: LeftOut,
    pairs: pd.DataFrame,
    earlier: Sequence[pd.DataFrame],
    parts: Sequence[Chosen],
    by_turn: bool,
    warned: int,
) -> PlanSums:
    """Sum up a plan in numbers. ``earlier``: the visits of warned households, and those chosen before ``parts``."""
    return PlanSums(
        left_out=out.counts(known.present if known.within is not None else None),
        idle=workers.idle,
        bare=workers.bare,
        sensitive=bool(pairs["sensitive"].any()),
        coordinated=int(workers.frame.loc[workers.frame["coordinator"], "visits"].sum()),
        full=reduce(or_, (limit.programmes for part in parts for limit in part.full), 0),
        by_turn=by_turn,
        warned=warned,
        warned_listed=earlier[0]["household"].nunique(),
        value=sum(part.value for part in parts),
        bound=sum(part.bound for part in parts) + sum(float(visits["price"].sum()) for visits in earlier),
    )


def _weighed(
    pairs: pd.DataFrame,
    known: Known,
    workers: Workers,
    offered: Enrolment,
    before: pd.DataFrame | None,
    draw: np.random.Generator,
) -> pd.DataFrame:
    """Add area, tie, within and until (``Enrolment``), status, worth and last_worker to the pairs."""
    household, need = pairs["household"].to_numpy(), pairs["need"].to_numpy()
    kept = waiting(before, known)[household]
    return pairs.assign(
        area=workers.area[household],
        tie=draw.permutation(known.household_count)[household],
        within=offered.within[household, need],
        until=offered.until[household, need],
        status=np.where(kept, KEPT, NEW),
        worth=pairs["value"] * (1 + known.community.outreach.keep_bonus * kept),
        last_worker=last_worker(before, known, workers)[household],
    )


def _drawn(
    pairs: pd.DataFrame, workers: Workers, spare: np.ndarray, known: Known, draw: np.random.Generator
) -> pd.DataFrame:
    """Draw the random visits with the weights and the floor of the settings."""
    outreach = known.community.outreach
    weighted = outreach.explore == "weighted"
    pairs = pairs.assign(weight=exploration_weights(pairs, workers.area, known) if weighted else 1.0)
    floor = outreach.explore_floor if weighted else 1.0
    return drawn_by_lot(pairs, workers, spare, outreach.explore_share, draw, floor)


def _coordinated(pairs: pd.DataFrame, workers: Workers, spare: np.ndarray, limits: Sequence[Limit]) -> Chosen:
    """Choose the coordinators' visits: by worth of the sensitive needs, asking about a household's other needs too.

    Without a workers table such a visit also counts against the visits of its micro-grid.
    """
    coordinator = workers.frame["coordinator"].to_numpy()
    pairs = pairs[pairs["household"].isin(pairs.loc[pairs["sensitive"], "household"])]
    pairs = pairs.assign(worth=pairs["worth"].where(pairs["sensitive"], 0.0), price=0.0)
    if not (workers.frame["worker_id"] == "").any():
        return chosen(pairs, workers, spare, coordinator, limits)
    field = spare[~coordinator]  # without a table the workers stand in the order of the areas
    coordinated = chosen(pairs, workers, spare, coordinator, limits, most=field)
    homes = coordinated.visits.drop_duplicates("household")["area"]
    spare[:-1] -= np.bincount(homes, minlength=len(field))
    return coordinated


def _targeted(
    rest: pd.DataFrame,
    workers: Workers,
    spare: np.ndarray,
    limits: Sequence[Limit],
    coordinated: pd.DataFrame,
    equal: Fair | None,
) -> Chosen:
    """Choose the visits of all others by worth, about needs that are not sensitive, after the coordinators' visits."""
    rest = rest[~rest["household"].isin(coordinated["household"]) & ~rest["sensitive"]]
    field, limits = ~workers.frame["coordinator"].to_numpy(), left_after(limits, coordinated)
    return chosen(rest, workers, spare, field, limits, fair=equal)


def _finished(visits: pd.DataFrame, workers: Workers, known: Known) -> pd.DataFrame:
    """Add ids, names and the order of visits to the chosen pairs, and sort them into the order of the lists."""
    of_worker = workers.frame.iloc[visits["worker"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    of_area = workers.areas.iloc[visits["area"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    visits = visits.reset_index(drop=True)
    as_of = date_of(known.as_of)
    needs = np.array([need.id for need in known.community.needs], dtype=object)
    visits = visits.assign(
        as_of=as_of,
        worker_id=of_worker["worker_id"],
        worker_name=of_worker["name"],
        role=of_worker["role"],
        coordinator=of_worker["coordinator"],
        grid_id=of_area["grid_id"],
        microgrid_id=of_area["microgrid_id"],
        household_id=known.household_ids[visits["household"].to_numpy(dtype=int)],
        need=needs[visits["need"].to_numpy(dtype=int)],
        reason="",
    )
    visits["outreach_id"] = [
        outreach_id(as_of.isoformat(), household, need)
        for household, need in zip(visits["household_id"], visits["need"], strict=True)
    ]
    visits["total"] = visits.groupby("household")["value"].transform("sum")
    visits["last_chance"] = (visits["until"] < known.as_of + 7).groupby(visits["household"]).transform("any")
    visits = visits.sort_values(
        ["coordinator", "grid_id", "worker", "last_chance", "total", "tie", "value", "need"],
        ascending=[True, True, True, False, False, True, False, True],
    )
    first = ~visits.duplicated("household")
    visits["visit_order"] = first.groupby(visits["worker"]).cumsum().astype("int64")
    extra = ["worker", "worker_name", "role", "coordinator", "p_need", "status", *WARNED]
    return visits[[*COLUMNS, *extra]].reset_index(drop=True)


def outreach_id(as_of: str, household_id: str, need: str) -> str:
    """Return the id of one listed pair, the same whenever the same list is made again.

    ``as_of``: an ISO date; the id is its digits and 12 hexadecimal digits of a hash of the three.
    """
    digest = hashlib.blake2b("\x1f".join((as_of, household_id, need)).encode(), digest_size=6).hexdigest()
    return f"{as_of.replace('-', '')}-{digest}"

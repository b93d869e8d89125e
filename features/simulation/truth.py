"""Compute the truth of a synthetic town at a date, against which every estimate is measured."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.simulation.town import ASKED, NEVER, Town

STILL_THERE = np.iinfo(np.int16).max  # end week of a need that has not ended
RECENT_WEEKS = 12
NEW_WEEKS = 104
AT_ONCE = 8192  # households whose futures are drawn together
SHOCKS = 20  # draws over which a visit's finding a need is averaged


@dataclass(frozen=True)
class Chances:
    """Probabilities [households, needs] at the Monday before which the town stands."""

    request: np.ndarray  # asks within the need's window
    need: np.ndarray  # a visit in the coming week finds the need


def chances(town: Town, community: Community, draws: int = 100) -> Chances:
    """Compute the probabilities of the coming weeks, given every latent rate and every request and visit so far.

    Averages over ``draws`` of the town's future (shocks, requests and what they excite). Within a draw the
    chance that a pair asks is carried exactly: the pair's own first request of the window is never drawn.
    """
    leads = np.array([round(need.lead_weeks) for need in community.needs])
    ends = leads + np.array([round(need.horizon_weeks) for need in community.needs])
    rng = np.random.default_rng([town.seed, 3, town.week])
    asks = np.zeros(town.state.shape)
    needing = np.zeros(town.state.shape)
    bases = [town.rates(town.week + ahead) for ahead in range(int(ends.max()))]
    for first in range(0, len(asks), AT_ONCE):  # a part of the households that fits the processor's cache
        part = slice(first, first + AT_ONCE)
        chances_of_part = [(base[part], ask[part]) for base, ask in bases]
        for _ in range(draws):
            asking, in_need = _one_future(town, part, chances_of_part, leads, ends, rng)
            asks[part] += asking
            needing[part] += in_need
    return Chances((asks / draws).astype(np.float32), (needing / draws).astype(np.float32))


def need_now(town: Town) -> np.ndarray:
    """Compute the probability that a visit in the coming week finds the need: float32 [households, needs].

    It is the ``need`` of ``chances`` without the weeks after, averaged over ``SHOCKS`` draws of the week's shocks.
    """
    rng = np.random.default_rng([town.seed, 12, town.week])
    base, _ = town.rates(town.week)
    silent, open_ = town.silent, (town.state == ASKED).astype(np.float32)
    needing = np.zeros(town.state.shape)
    for _ in range(SHOCKS):
        shock = town.next_shock(rng, town.shock)
        chance = town.hazard(town.week, town.excitation, shock, base) * town.present[:, None]
        needing += _advance(silent, open_, chance) + open_
    return (needing / SHOCKS).astype(np.float32)


def groups(town: Town) -> dict[str, np.ndarray]:
    """Mark the groups that report less, and everyone in none of them (``others``): bool [households] by name."""
    values, people = town.people.values, town.people
    named = {
        "new_resident": (people.arrived >= 0) & (town.week - people.arrived < NEW_WEEKS),
        "elder_alone": (values["lives_alone"] > 0) & (values["elders"] > 0),
        "low_income": values["income_band"] <= 1,
    }
    return named | {"others": ~np.any(list(named.values()), axis=0)}


def _advance(silent: np.ndarray, open_: np.ndarray, chance: np.ndarray) -> np.ndarray:
    return silent + (1 - silent - open_) * chance


def _one_future(
    town: Town, part: slice, bases: list, leads: np.ndarray, ends: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate one future of some households; return the chance of a request in the window, and of the need now."""
    keep, resolved = (
        np.float32(0.5 ** (1 / town.style.memory_weeks)),
        np.float32(1 - 1 / town.style.resolution_weeks),
    )
    silent, open_ = town.silent[part].copy(), (town.state[part] == ASKED).astype(np.float32)
    excitation, shock, present = town.excitation[part].copy(), town.shock, town.present[part, None]
    none = np.ones_like(silent)  # chance that the pair has not asked in its window
    own_silent, own_open, own_excitation = silent.copy(), open_.copy(), excitation.copy()
    in_need = silent
    for ahead in range(int(ends.max())):
        base, ask = bases[ahead]
        shock = town.next_shock(rng, shock)
        week = town.week + ahead
        starts = np.flatnonzero(leads == ahead)
        own_silent[:, starts], own_open[:, starts] = silent[:, starts], open_[:, starts]
        own_excitation[:, starts] = excitation[:, starts]
        chance = town.hazard(week, excitation, shock, base, part=part) * present
        own_chance = town.hazard(week, own_excitation, shock, base, excitation, part) * present
        silent = _advance(silent, open_, chance)
        own_silent = _advance(own_silent, own_open, own_chance)
        if ahead == 0:
            in_need = silent + open_
        asked_now = rng.random(silent.shape, dtype=np.float32) < silent * ask
        none *= 1 - np.where((ahead >= leads) & (ahead < ends), own_silent * ask, 0)
        silent, open_ = _without_request(silent, open_, ask, town.ends, resolved)
        silent[asked_now], open_[asked_now] = 0, resolved
        own_silent, own_open = _without_request(own_silent, own_open, ask, town.ends, resolved)
        excitation = excitation * keep + asked_now
        own_excitation *= keep
    return 1 - none, in_need


def _without_request(
    silent: np.ndarray, open_: np.ndarray, ask: np.ndarray, ends: np.ndarray, resolved: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    given = 1 / (1 - silent * ask)
    return silent * (1 - ask) * given * (1 - ends), open_ * given * resolved


def truth_table(
    town: Town, community: Community, household_ids: np.ndarray, grid_ids: np.ndarray, draws: int
) -> pd.DataFrame:
    """Tabulate each pair that can have the need: the probabilities of the coming weeks, and its groups.

    ``household_ids``, ``grid_ids``: object str, in the order of their numbers. ``draws``: futures to average over.
    """
    known = chances(town, community, draws)
    base, _ = town.rates(town.week)
    household, need = np.nonzero((base > 0) & town.present[:, None])
    people, group = town.people, groups(town)
    recent = town.asked_at >= town.week - RECENT_WEEKS
    return pd.DataFrame(
        {
            "household_id": household_ids[household],
            "need": np.array([need.id for need in community.needs], dtype=object)[need],
            "as_of": town.monday.isoformat(),
            "p_request": known.request[household, need],
            "p_need": known.need[household, need],
            "reporting": town.reporting()[household, need],
            "asked_within_12_weeks": recent[household, need],
            "new_resident": group["new_resident"][household],
            "elder_alone": group["elder_alone"][household],
            "low_income": group["low_income"][household],
            "grid_id": grid_ids[town.grid_of[people.microgrid]][household],
        }
    )


def episodes_table(town: Town, community: Community, household_ids: np.ndarray) -> pd.DataFrame:
    """Tabulate every need that was there since the first week: weeks of begin, end and request, and if a visit met it.

    ``end_week`` is the first week without the need; for needs still there at the end of the simulation it is 32767.
    """
    log = town.episodes
    going = np.flatnonzero(town.state)
    asked_at, begun = town.asked_at.ravel()[going], town.begun.ravel()[going]
    cell = np.concatenate([*log.cell, going])
    table = pd.DataFrame(
        {
            "household": cell // town.state.shape[1],
            "need": cell % town.state.shape[1],
            "begin_week": np.concatenate([*log.begin, begun]),
            "end_week": np.concatenate([*log.end, np.full(len(going), STILL_THERE)]),
            "asked_week": np.concatenate([*log.asked, np.where(asked_at >= begun, asked_at, NEVER)]),
            "met_by_visit": np.concatenate([*log.met, np.zeros(len(going), bool)]),
        }
    )
    table = table[table["end_week"] >= 0].sort_values(["begin_week", "household", "need"], ignore_index=True)
    table.insert(0, "household_id", household_ids[table.pop("household")])
    table["need"] = np.array([need.id for need in community.needs], dtype=object)[table["need"]]
    return table


def written_episodes(episodes: pd.DataFrame) -> pd.DataFrame:
    """Return ``episodes_table`` with empty cells for ends and requests that there are not."""
    weeks = {"end_week": STILL_THERE, "asked_week": NEVER}
    return episodes.assign(
        **{name: episodes[name].astype("Int16").mask(episodes[name] == none) for name, none in weeks.items()}
    )


def add_what_happened(
    truth: pd.DataFrame, week: int, episodes: pd.DataFrame, requests: pd.DataFrame, community: Community
) -> pd.DataFrame:
    """Add to a truth table what an omniscient office sees.

    ``in_need``: the need is there in the coming week; ``asked``: the household asks in the window; ``asked_last_year``:
    number of requests in the 52 weeks before.

    ``week``: of the truth. ``episodes``: as ``episodes_table`` returns them. ``requests``: with household_id, need_id and
    ``week``.
    """
    present = episodes[
        (episodes["begin_week"] <= week)
        & ((episodes["end_week"] > week) | (episodes["met_by_visit"] & (episodes["end_week"] == week)))
    ]
    lead = {need.id: round(need.lead_weeks) for need in community.needs}
    length = {need.id: round(need.horizon_weeks) for need in community.needs}
    ahead = requests["week"] - week - requests["need_id"].map(lead)
    inside = requests[(ahead >= 0) & (ahead < requests["need_id"].map(length))]
    past = requests[(requests["week"] < week) & (requests["week"] >= week - 52)]
    pair = pd.MultiIndex.from_frame(truth[["household_id", "need"]])
    asked_last_year = past.groupby(["household_id", "need_id"]).size().reindex(pair, fill_value=0)
    return truth.assign(
        in_need=pair.isin(pd.MultiIndex.from_frame(present[["household_id", "need"]])),
        asked=pair.isin(pd.MultiIndex.from_frame(inside[["household_id", "need_id"]])),
        asked_last_year=asked_last_year.to_numpy(),
    )

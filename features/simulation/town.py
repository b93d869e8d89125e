"""Simulate a town week by week: needs begin, are asked about or stay silent, are met or pass.

The process is described in ``docs/simulation.md``. ``Town.step`` moves it by a week and answers visits, so
that whoever makes lists can drive it; all random numbers of a week are drawn whatever the visits are, so that
two policies in the same town differ by what they do and not by luck.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from features.blocks.seasons import spring_festival
from features.point_in_time.records import date_of
from features.simulation.people import FACTORS, LANGUAGE, People, drift, factors, settle
from features.simulation.style import NeedStyle, Style

WARM_UP = 40  # weeks lived before the first one, so that excitation and needs are under way
REFRESH = 4  # weeks between two looks at attributes
NONE, SILENT, ASKED = 0, 1, 2  # state of a (household, need)
NEVER = -999  # a week that never was
MOST = 0.5  # highest weekly chance that a need begins


@dataclass(frozen=True)
class Visits:
    """Pairs visited in a week; ``reached`` false: nobody was there or the household declined."""

    household: np.ndarray
    need: np.ndarray
    reached: np.ndarray


@dataclass(frozen=True)
class Week:
    """The events of a week: pairs that asked, and for each visit whether the need was there."""

    week: int
    household: np.ndarray  # int32, of each request
    need: np.ndarray  # int16, of each request
    needed: np.ndarray  # bool, of each visit; False where not reached


@dataclass
class Episodes:
    """Needs that began: flat lists of arrays, one entry a week."""

    cell: list[np.ndarray] = field(default_factory=list)
    begin: list[np.ndarray] = field(default_factory=list)
    end: list[np.ndarray] = field(default_factory=list)
    asked: list[np.ndarray] = field(default_factory=list)  # week of the request, or NEVER
    met: list[np.ndarray] = field(default_factory=list)  # ended by a visit


def season_of(need: NeedStyle, monday: date, strength: float) -> float:
    """Compute the log of a need's seasonal factor in the week from ``monday``, before centring.

    ``strength`` multiplies the log: 0 means no season.
    """
    middle = monday + timedelta(days=3)
    day = middle.timetuple().tm_yday
    turn = 2 * np.pi * day / 365.25
    cosine, sine, cosine_twice, sine_twice = need.harmonics
    total = cosine * np.cos(turn) + sine * np.sin(turn)
    total += cosine_twice * np.cos(2 * turn) + sine_twice * np.sin(2 * turn)
    for festival, centre, width, height in need.bumps:
        if festival:
            near = min(
                (
                    (middle - spring_festival(year)).days - centre
                    for year in (middle.year - 1, middle.year, middle.year + 1)
                ),
                key=abs,
            )
        else:
            near = (day - centre + 182.625) % 365.25 - 182.625
        total += height * np.exp(-0.5 * (near / width) ** 2)
    return float(strength * total)


class Town:
    """The state of a synthetic town. Arrays over pairs have the shape [households, needs]."""

    def __init__(
        self,
        style: Style,
        begins: date,
        weeks: int,
        households: int,
        eligible: list[str],
        grids: int = 8,
        microgrids: int = 43,
        seed: int = 0,
    ):
        """Draw a town whose week 0 begins on the Monday ``begins``; ``weeks`` is as far as arrivals reach.

        ``eligible`` names for each need the attribute that must be above zero to have it (empty: everyone).
        """
        self.style, self.begins, self.seed, self.week = style, begins, seed, -WARM_UP
        self.microgrids = microgrids
        self.grid_of = np.sort(np.arange(microgrids) % grids).astype(np.int32)
        self.eligible_by = eligible
        rng = np.random.default_rng([seed, 1])
        self._draw_people(rng, households, weeks)
        self._draw_frailties(rng)
        self._draw_seasons(rng, weeks)
        shape = (households, len(style.needs))
        self.excitation = np.zeros(shape, np.float32)
        self.state = np.zeros(shape, np.int8)
        # probability of a silent need, given rates and all requests
        self.silent = np.zeros(shape, np.float32)
        self.begun, self.asked_at = np.full(shape, NEVER, np.int16), np.full(shape, NEVER, np.int16)
        self.shock = np.zeros((microgrids, shape[1]), bool)
        self.episodes = Episodes()
        self._rates: tuple[int, np.ndarray, np.ndarray] | None = None
        self.intercept = np.zeros(shape[1], np.float32)
        self._set_intercepts()
        while self.week < 0:
            self.step()
        self.people.changes.clear()
        self.first = self.people.snapshot(0, np.arange(households))

    # -- drawing ------------------------------------------------------------------------------------------

    def _draw_people(self, rng: np.random.Generator, households: int, weeks: int) -> None:
        style = self.style
        deprived = rng.normal(0, 1, self.microgrids)
        size = rng.dirichlet(np.full(self.microgrids, 12.0))
        # some micro-grids attract new residents
        pull = size * np.exp(0.5 * rng.normal(0, 1, self.microgrids))
        new = rng.random(households) < style.new_share
        microgrid = np.where(
            new,
            rng.choice(self.microgrids, households, p=pull / pull.sum()),
            rng.choice(self.microgrids, households, p=size),
        ).astype(np.int32)
        arrived = np.where(
            new, rng.integers(1, max(weeks, 2), households), -rng.integers(150, 900, households)
        )
        year = np.array([self._year(int(week)) for week in np.maximum(arrived, -WARM_UP)])
        self.people: People = settle(rng, arrived.astype(np.int32), microgrid, year, deprived)

    def _draw_frailties(self, rng: np.random.Generator) -> None:
        style, households, needs = self.style, len(self.people), len(self.style.needs)
        shared = rng.normal(0, style.household_frailty, (households, 1))
        of_pair = rng.normal(0, style.pair_frailty, (households, needs))
        self.frailty = (shared + of_pair).astype(np.float32)
        area = rng.normal(0, style.microgrid_frailty, (self.microgrids, 1))
        self.area = (area + rng.normal(0, style.microgrid_pair_frailty, (self.microgrids, needs))).astype(
            np.float32
        )
        self.effects = np.zeros((len(FACTORS), needs), np.float32)
        for index, need in enumerate(style.needs):
            for name, value in need.effects.items():
                self.effects[FACTORS.index(name), index] = value
        self.quiet = (
            rng.normal(0, style.quiet_household, households)
            + rng.normal(0, style.quiet_microgrid, self.microgrids)[self.people.microgrid]
        ).astype(np.float32)
        reporting = np.array([need.reporting for need in style.needs])
        self.reporting_base = np.log(reporting / (1 - reporting)).astype(np.float32)
        self.ends = np.array([1 / need.weeks for need in style.needs], np.float32)

    def _draw_seasons(self, rng: np.random.Generator, weeks: int) -> None:
        """Draw the log season (mean factor of 1 over a year) and the trend: [weeks from -WARM_UP, needs]."""
        style = self.style
        span = WARM_UP + weeks + 60
        mondays = [self.begins + timedelta(weeks=week - WARM_UP) for week in range(span)]
        season = np.array([[season_of(need, day, style.season) for need in style.needs] for day in mondays])
        season -= np.log(np.exp(season[:52]).mean(axis=0))
        walk = np.cumsum(rng.normal(0, style.trend / np.sqrt(52), season.shape), axis=0)
        self.season = (season + walk - walk.mean(axis=0)).astype(np.float32)

    def _set_intercepts(self) -> None:
        """Choose intercepts so that each need's mean rate of requests is the style's."""
        style = self.style
        base, ask = self._compute_rates(-WARM_UP)
        reported = ask / (ask + self.ends - ask * self.ends)
        from_start = self.people.arrived < 0
        goal = np.array([need.rate for need in style.needs]) / 8
        grown = 1 / (1 - (style.branching + style.cross_branching) * 0.6)
        self.intercept = np.log(goal / ((base * reported)[from_start].mean(axis=0) * grown)).astype(
            np.float32
        )

    # -- rates --------------------------------------------------------------------------------------------

    def _year(self, week: int) -> int:
        return (self.begins + timedelta(weeks=int(week))).year

    def tenure_effect(self, week: int) -> np.ndarray:
        """Compute the effect of having moved in lately: float32 [households], 1 on arrival, fading.

        It is 0 for those who were there from the start.
        """
        since = week - self.people.arrived
        fade = np.exp(-np.maximum(since, 0) / self.style.fade_weeks)
        return np.where(self.people.arrived >= 0, fade, 0).astype(np.float32)

    def _compute_rates(self, week: int) -> tuple[np.ndarray, np.ndarray]:
        people, style = self.people, self.style
        values = people.values
        new = self.tenure_effect(week)[:, None]
        log_base = (
            factors(people, self._year(week)) @ self.effects + self.frailty + self.area[people.microgrid]
        )
        base = np.exp(log_base + self.intercept + style.new_need * new)
        for index, attribute in enumerate(self.eligible_by):
            if attribute:
                base[:, index] *= values[attribute] > 0
        alone = (values["lives_alone"] > 0) & (values["elders"] > 0)
        quiet = (
            self.quiet
            + style.quiet_elder_alone * alone
            + style.quiet_poor * (values["income_band"] <= 1)
            + style.quiet_language * (values["home_language"] == len(LANGUAGE) - 1)
        )
        odds = self.reporting_base + quiet[:, None].astype(np.float32) + style.quiet_new * new
        reported = 1 / (1 + np.exp(-odds))
        ask = reported * self.ends / (1 - reported * (1 - self.ends))
        return base.astype(np.float32), ask.astype(np.float32)

    def rates(self, week: int) -> tuple[np.ndarray, np.ndarray]:
        """Compute the weekly base hazard and chance of asking about a need: float32 [households, needs] each."""
        block = week // REFRESH
        if self._rates is None or self._rates[0] != block:
            self._rates = (block, *self._compute_rates(week))
        return self._rates[1], self._rates[2]

    def reporting(self) -> np.ndarray:
        """Compute the share of needs beginning this week that would be asked about: float32 [households, needs]."""
        _, ask = self.rates(self.week)
        return ask / (ask + self.ends - ask * self.ends)

    def hazard(
        self,
        week: int,
        excitation: np.ndarray,
        shock: np.ndarray,
        base: np.ndarray,
        others: np.ndarray | None = None,
        part: slice = slice(None),
    ) -> np.ndarray:
        """Compute the weekly probability that a need begins, given that there is none: float32 [households, needs].

        ``excitation``: [households, needs], past requests that fade. ``shock``: bool [micro-grids, needs]. ``base``:
        weekly base hazard [households, needs]. ``others``: the excitation across needs, if it differs from that within
        each need. ``part``: the households of these arrays.
        """
        style = self.style
        across = excitation if others is None else others
        keep = 0.5 ** (1 / style.memory_weeks)
        rates = np.array([need.rate for need in style.needs])
        spread = (style.cross_branching * (1 - keep) * rates / rates.sum()).astype(np.float32)
        raised = excitation * np.float32(style.branching * (1 - keep))
        raised += (across.sum(axis=1, keepdims=True) - across) * spread
        raised *= base > 0
        factor = np.exp(self.season[week + WARM_UP] + np.float32(style.shock_height) * shock)
        return np.minimum((base + raised) * factor[self.people.microgrid[part]], MOST)

    def next_shock(self, rng: np.random.Generator, shock: np.ndarray) -> np.ndarray:
        """Draw the shocks of the following week, of which some end and some begin: bool [micro-grids, needs]."""
        draw = rng.random(shock.shape)
        return np.where(shock, draw >= 1 / self.style.shock_weeks, draw < self.style.shock_rate)

    @property
    def monday(self) -> date:
        """Return the first day of the coming week."""
        return self.begins + timedelta(weeks=self.week)

    @property
    def present(self) -> np.ndarray:
        """Tell who has arrived before the coming week: bool [households]."""
        return self.people.arrived < self.week

    # -- living -------------------------------------------------------------------------------------------

    def step(self, visits: Visits | None = None) -> Week:
        """Live the coming week with these visits, and return what happened."""
        week = self.week
        rng = np.random.default_rng([self.seed, 2, week + WARM_UP])
        if week > -WARM_UP:
            drift(self.people, rng, week, self._year(week), self.microgrids)
            self.shock = self.next_shock(rng, self.shock)
        luck = rng.random((3, *self.state.shape), dtype=np.float32)
        base, ask = self.rates(week)
        chance = self.hazard(week, self.excitation, self.shock, base) * self.present[:, None]
        begin = (self.state == NONE) & (luck[0] < chance)
        self.state[begin], self.begun[begin] = SILENT, week
        self.silent = np.where(self.state == ASKED, 0, self.silent + (1 - self.silent) * chance)
        needed = self._answer(visits, week)
        asks = (self.state == SILENT) & (luck[1] < ask)
        self.state[asks], self.asked_at[asks] = ASKED, week
        self.silent *= (1 - ask) / (1 - self.silent * ask)
        self.silent[asks] = 0
        resolution = np.float32(1 / self.style.resolution_weeks)
        over = (self.state > NONE) & (luck[2] < np.where(self.state == SILENT, self.ends, resolution))
        self._end(np.flatnonzero(over), week + 1, False)
        self.silent *= 1 - self.ends
        self.excitation = self.excitation * np.float32(0.5 ** (1 / self.style.memory_weeks)) + asks
        self.week += 1
        household, need = np.nonzero(asks)
        return Week(week, household.astype(np.int32), need.astype(np.int16), needed)

    def _answer(self, visits: Visits | None, week: int) -> np.ndarray:
        if visits is None:
            return np.zeros(0, bool)
        cell = visits.household.astype(np.int64) * self.state.shape[1] + visits.need
        needed = (self.state.ravel()[cell] > NONE) & visits.reached
        known = cell[visits.reached]
        self.silent.ravel()[known] = 0
        self._end(np.unique(cell[needed]), week, True)
        return needed

    def _end(self, cell: np.ndarray, week: int, met: bool) -> None:
        log, begun, asked_at = self.episodes, self.begun.ravel()[cell], self.asked_at.ravel()[cell]
        log.cell.append(cell)
        log.begin.append(begun)
        log.end.append(np.full(len(cell), week, np.int16))
        log.asked.append(np.where(asked_at >= begun, asked_at, NEVER).astype(np.int16))
        log.met.append(np.full(len(cell), met))
        self.state.ravel()[cell] = NONE

    def dates(self, week: np.ndarray) -> np.ndarray:
        """Return the Mondays of weeks in days since 1970-01-01: float64, of the shape of ``week``."""
        return (self.begins - date(1970, 1, 1)).days + 7.0 * np.asarray(week, dtype=np.float64)

    def calendar_date(self, week: int) -> date:
        """Return the Monday of a week."""
        return date_of(float(self.dates(np.array(week))))

"""Choose what kind of town to simulate: how strong each force is, and what attributes are called."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
import yaml

from features.contract.community import Community
from features.contract.settings_text import LOADER
from features.simulation.people import FACTORS


@dataclass(frozen=True)
class NeedStyle:
    """How one need comes about.

    ``rate`` is the share of all households that ask within eight average weeks; ``weeks`` how long a need
    lasts on average; ``reporting`` the share of needs that a settled household asks about. ``bumps`` are
    seasonal raises of the log hazard: (true: relative to Spring Festival, centre as day of the year or days
    from the festival, width in days, height). ``effects`` are log-linear in ``features.simulation.people.FACTORS``.
    """

    rate: float
    weeks: float
    reporting: float
    effects: dict[str, float]
    bumps: tuple[tuple[bool, float, float, float], ...] = ()
    harmonics: Sequence[float] = (0.0, 0.0, 0.0, 0.0)  # cos, sin of one and of two turns a year


@dataclass(frozen=True)
class Style:
    """The forces of a town. Standard deviations are of log hazards unless they say otherwise."""

    needs: tuple[NeedStyle, ...]
    household_frailty: float = 0.6
    pair_frailty: float = 1.1
    microgrid_frailty: float = 0.2
    microgrid_pair_frailty: float = 0.3
    season: float = 1.0  # multiplies seasonal log hazards
    trend: float = 0.12  # yearly standard deviation of each need's slow random walk
    branching: float = 0.13  # needs that one request brings about for the same need of the household
    cross_branching: float = 0.04  # likewise over all other needs together
    memory_weeks: float = 10.0  # half-life of that excitation
    shock_rate: float = 0.0015  # chance per week that a micro-grid gets a shock of one need
    shock_height: float = 1.1  # log raise
    shock_weeks: float = 6.0
    resolution_weeks: float = 2.0
    new_share: float = 0.52  # share of households that arrive after the first week
    new_need: float = 1.5  # log raise of a household just arrived, fading with `fade_weeks`
    fade_weeks: float = 220.0
    quiet_new: float = -1.7  # changes of the log odds of reporting
    quiet_elder_alone: float = -1.0
    quiet_poor: float = -0.5
    quiet_language: float = -0.6
    quiet_microgrid: float = 0.35  # standard deviation over micro-grids
    quiet_household: float = 0.4  # standard deviation over households
    not_reached: float = 0.15
    spread_arrivals: bool = False  # households of the first week carry earlier dates of arrival
    unrecorded_change: float = 0.1  # share of changed attributes that the office never hears of
    change_delay_weeks: float = 2.0
    hidden: tuple[str, ...] = ()  # attributes that the office does not keep
    renamed: tuple[tuple[str, str], ...] = ()


def base_style(community: Community) -> Style:
    """Read Xishan's style for the needs of a community, in its order; each must be in ``xishan_process.yaml``."""
    content = yaml.load(files("features").joinpath("xishan_process.yaml").read_text("utf-8"), LOADER)
    needs = []
    for need in community.needs:
        entry = content[need.id]
        bumps = tuple(
            ("festival" in bump, float(bump.get("festival", bump.get("day"))), bump["width"], bump["height"])
            for bump in entry.pop("bumps")
        )
        needs.append(NeedStyle(**entry, bumps=bumps))
    return Style(tuple(needs))


RENAMES = {
    "children": ("kids", "minor_children", "child_count"),
    "elders": ("elderly", "elder_count", "seniors"),
    "lives_alone": ("living_alone", "solitary"),
    "hukou": ("registration", "residence_permit"),
    "income_band": ("income_group", "income_level"),
    "employment": ("work_status", "head_employment"),
    "household_type": ("family_type", "structure"),
    "chronic_illness": ("chronic_disease", "long_term_illness"),
    "rents": ("renter", "tenant"),
    "dual_earner": ("dual_income", "both_work"),
}
MAY_HIDE = (
    "household_type", "dual_earner", "education", "home_language", "party_member", "building_year",
    "floor_area", "chronic_illness", "disability", "income_band", "rents", "employment", "lives_alone",
    "hukou",
)  # fmt: skip
STRENGTHS = {  # attribute of Style: lowest and highest multiple of its usual value
    "household_frailty": (0.5, 1.6),
    "pair_frailty": (0.5, 1.5),
    "microgrid_frailty": (0.3, 2.0),
    "microgrid_pair_frailty": (0.3, 2.0),
    "season": (0.6, 1.4),
    "trend": (0.3, 2.5),
    "branching": (0.5, 1.9),
    "cross_branching": (0.3, 2.5),
    "memory_weeks": (0.4, 2.0),
    "shock_rate": (0.3, 3.0),
    "shock_height": (0.6, 1.4),
    "shock_weeks": (0.5, 2.0),
    "new_share": (0.4, 1.2),
    "new_need": (0.2, 1.3),
    "quiet_new": (0.4, 1.15),
    "quiet_elder_alone": (0.0, 1.6),
    "quiet_poor": (0.0, 2.0),
    "quiet_language": (0.0, 2.0),
    "quiet_microgrid": (0.3, 2.0),
    "quiet_household": (0.3, 2.0),
    "not_reached": (0.5, 2.0),
    "unrecorded_change": (0.0, 3.0),
    "change_delay_weeks": (0.2, 4.0),
}


def draw_style(base: Style, number: int) -> Style:
    """Draw another kind of town: forces, effects and seasons anew around ``base``; ``number`` 0 gives ``base`` itself."""
    if number == 0:
        return base
    rng = np.random.default_rng([number, 7919])
    strengths = {
        name: getattr(base, name) * rng.uniform(low, high) for name, (low, high) in STRENGTHS.items()
    }
    hide = tuple(str(column) for column in MAY_HIDE if rng.random() < 0.25)
    renamed = tuple((old, str(rng.choice(new))) for old, new in RENAMES.items() if rng.random() < 0.5)
    return replace(
        base,
        **strengths,
        needs=tuple(_draw_need(rng, need) for need in base.needs),
        spread_arrivals=bool(rng.random() < 0.5),
        hidden=hide,
        renamed=renamed,
    )


def _draw_need(rng: np.random.Generator, need: NeedStyle) -> NeedStyle:
    effects = {name: value * rng.uniform(0.4, 1.5) for name, value in need.effects.items()}
    for name in rng.choice(FACTORS, 5, replace=False):
        effects[str(name)] = effects.get(str(name), 0.0) + rng.normal(0, 0.4)
    shift = rng.normal(0, 8)
    return replace(
        need,
        rate=float(np.clip(need.rate * np.exp(rng.normal(0, 0.4)), 0.003, 0.05)),
        weeks=need.weeks * rng.uniform(0.6, 1.6),
        reporting=float(np.clip(need.reporting + rng.normal(0, 0.08), 0.35, 0.85)),
        effects=effects,
        bumps=tuple(
            (festival, centre + shift, width * rng.uniform(0.7, 1.4), height * rng.uniform(0.6, 1.3))
            for festival, centre, width, height in need.bumps
        ),
        harmonics=tuple(float(harmonic + rng.normal(0, 0.15)) for harmonic in need.harmonics),
    )

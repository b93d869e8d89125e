"""What kind of town a synthetic town is: how strong each force of the process is, and how attributes are called."""

from dataclasses import dataclass, replace

import numpy as np

from features.contract import Community
from features.simulated_people import FACTORS


@dataclass(frozen=True)
class NeedStyle:
    """How one need comes about.

    ``rate`` is the share of all households that ask within eight average weeks; ``weeks`` how long a need lasts
    on average; ``reporting`` the share of needs that a settled household asks about. ``bumps`` are seasonal
    raises of the log hazard: (day of the year, or days from Spring Festival where ``festival``, width in
    days, height). ``effects`` are log-linear in the factors of ``simulated_people``.
    """

    rate: float
    weeks: float
    reporting: float
    effects: dict[str, float]
    bumps: tuple[tuple[bool, float, float, float], ...] = ()
    harmonics: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # cos, sin of one and two a year


@dataclass(frozen=True)
class Style:
    """The forces of a town. Standard deviations are of log hazards unless they say otherwise."""

    needs: tuple[NeedStyle, ...]
    household_frailty: float = 0.5
    pair_frailty: float = 0.75
    microgrid_frailty: float = 0.2
    microgrid_pair_frailty: float = 0.3
    season: float = 1.0  # multiplies seasonal log hazards
    trend: float = 0.12  # yearly standard deviation of each need's slow random walk
    branching: float = 0.2  # needs that one request brings about for the same need of the household
    cross_branching: float = 0.04  # likewise over all other needs together
    memory_weeks: float = 10.0  # half-life of that excitation
    shock_rate: float = 0.0015  # chance per week that a micro-grid gets a shock of one need
    shock_height: float = 1.1  # log raise
    shock_weeks: float = 6.0
    resolution_weeks: float = 2.0
    new_share: float = 0.3  # share of households that arrive after the first week
    new_need: float = 0.45  # log raise of a household just arrived, fading with `fade_weeks`
    fade_weeks: float = 110.0
    quiet_new: float = -2.6  # changes of the log odds of reporting
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


def _need(
    rate: float,
    weeks: float,
    reporting: float,
    bumps: tuple = (),
    harmonics: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    **effects: float,
) -> NeedStyle:
    return NeedStyle(rate, weeks, reporting, effects, bumps, harmonics)


_YEAR, _FESTIVAL = False, True
XISHAN: dict[str, NeedStyle] = {
    "summer_childcare": _need(
        0.03, 5, 0.62, ((_YEAR, 172, 26, 3.2), (_YEAR, 205, 22, 1.6)), child_0_3=-2.2, child_4_6=0.5, child_7_12=1.3,
        children=0.3, dual_earner=0.5, dual_7_12=0.7, migrant=0.3, income=0.15, elders=-0.4,
    ),
    "after_school_class": _need(
        0.03, 5, 0.65, ((_YEAR, 250, 16, 1.7), (_FESTIVAL, 18, 14, 1.4), (_YEAR, 200, 20, -1.0)), child_0_3=-1.8,
        child_7_12=0.9, child_13_17=-0.3, dual_earner=0.5, education=0.2, children=0.25,
    ),
    "live_commerce_training": _need(
        0.009, 7, 0.6, ((_FESTIVAL, 20, 20, 0.7), (_YEAR, 300, 25, 0.6)), head_young=0.6, flexible=0.8, unemployed=0.7,
        migrant=0.3, education=0.15, elders=-0.2,
    ),
    "job_referral": _need(
        0.02, 6, 0.6, ((_FESTIVAL, 16, 16, 1.4), (_YEAR, 182, 18, 0.6)), unemployed=1.7, flexible=0.5,
        poor_unemployed=0.5, migrant=0.4, head_young=0.3, head_75=-3.0, income=0.2,
    ),
    "elder_daycare": _need(
        0.012, 8, 0.6, ((_FESTIVAL, 10, 14, 0.5),), (0.25, 0.0, 0.0, 0.0), elders=0.5, elder_alone=0.7, head_75=0.7,
        dual_earner=0.6, chronic=0.5, chronic_75=0.4, income=-0.1,
    ),
    "canteen_meal": _need(
        0.03, 6, 0.62, ((_FESTIVAL, 0, 10, -0.7),), (0.35, 0.0, 0.15, 0.0), elders=0.5, elder_alone=1.1, head_75=0.6,
        chronic=0.3, income=0.15, disability=0.4,
    ),
    "elder_visit": _need(
        0.02, 6, 0.55, ((_FESTIVAL, -6, 14, 1.1),), (0.4, 0.1, 0.0, 0.0), elders=0.3, elder_alone=1.5, head_75=0.8,
        chronic=0.5, disability=0.5, income=0.2,
    ),
    "emergency_aid": _need(
        0.006, 5, 0.55, ((_FESTIVAL, -12, 14, 0.9),), (0.2, 0.0, 0.0, 0.0), income=0.7, poor_unemployed=0.9,
        unemployed=0.5, disability=0.7, single_parent=0.8, chronic=0.3, elder_alone=0.3,
    ),
    "medical_aid": _need(
        0.011, 7, 0.6, (), (0.4, 0.1, 0.1, 0.0), chronic=1.2, chronic_75=0.5, head_75=0.3, disability=0.7, income=0.5,
        elders=0.2,
    ),
    "mediation": _need(
        0.006, 4, 0.55, ((_FESTIVAL, 4, 10, 0.7), (_YEAR, 200, 30, 0.4)), rents=0.5, old_building=0.3, children=0.2,
        migrant=0.2, unemployed=0.3, minority_language=0.3,
    ),
    "legal_help": _need(
        0.004, 6, 0.55, ((_FESTIVAL, -18, 14, 1.0),), flexible=0.7, migrant=0.7, unemployed=0.6, disability=0.3,
        minority_language=0.3,
    ),
    "home_repair": _need(
        0.028, 3, 0.7, ((_YEAR, 170, 24, 0.9), (_YEAR, 235, 22, 0.5), (_FESTIVAL, -10, 8, 0.5)), old_building=0.45,
        rents=-0.5, head_75=0.3, elders=0.1, income=0.1,
    ),
}  # fmt: skip


def base_style(community: Community) -> Style:
    """Xishan's style for the needs of a community.yaml, in its order.

    Raises KeyError where a need is none of ``XISHAN``.
    """
    return Style(tuple(XISHAN[need.id] for need in community.needs))


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
    "household_type", "dual_earner", "education", "home_language", "party_member", "building_year", "floor_area",
    "chronic_illness", "disability", "income_band", "rents", "employment", "lives_alone", "hukou",
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
    "new_share": (0.5, 1.3),
    "new_need": (0.0, 1.6),
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
    """Another kind of town: every force, effect and season drawn anew around ``base``; 0 is ``base`` itself."""
    if number == 0:
        return base
    rng = np.random.default_rng([number, 7919])
    strengths = {
        name: getattr(base, name) * rng.uniform(low, high) for name, (low, high) in STRENGTHS.items()
    }
    hide = tuple(str(one) for one in MAY_HIDE if rng.random() < 0.25)
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
        harmonics=tuple(float(one + rng.normal(0, 0.15)) for one in need.harmonics),
    )

"""Simulate the households of a town: attributes that drift, arrivals, and what drives needs."""

from dataclasses import dataclass, field

import numpy as np

TYPES = ("单身", "夫妻", "核心家庭", "单亲", "三代同住", "老年夫妻", "独居老人")
SINGLE, COUPLE, NUCLEAR, SINGLE_PARENT, THREE_GENERATIONS, OLD_COUPLE, OLD_ALONE = range(7)
TYPE_SHARES = (0.13, 0.15, 0.32, 0.04, 0.16, 0.12, 0.08)
TYPE_SHARES_NEW = (0.24, 0.21, 0.32, 0.04, 0.08, 0.05, 0.06)
EMPLOYMENT = ("在职", "灵活就业", "待业", "退休")
EMPLOYED, FLEXIBLE, UNEMPLOYED, RETIRED = range(4)
INCOME = ("低保", "较低", "中等", "较高")
EDUCATION = ("小学", "初中", "高中", "大专", "本科及以上")
LANGUAGE = ("普通话", "本地方言", "其他方言", "少数民族语言")
ETHNICITY = ("汉族", "回族", "畲族", "苗族", "其他")
HUKOU = ("本地", "外来")
CATEGORIES = {
    "household_type": TYPES,
    "hukou": HUKOU,
    "employment": EMPLOYMENT,
    "income_band": INCOME,
    "education": EDUCATION,
    "home_language": LANGUAGE,
    "ethnicity": ETHNICITY,
}
BOOLEANS = ("lives_alone", "dual_earner", "disability", "rents", "chronic_illness", "party_member")
NUMBERS = (
    "children",
    "youngest_child_birth_year",
    "elders",
    "head_birth_year",
    "building_year",
    "floor_area",
)
ATTRIBUTES = (*CATEGORIES, *BOOLEANS, *NUMBERS)
FACTORS = (
    "child_0_3", "child_4_6", "child_7_12", "child_13_17", "children", "elders", "elder_alone", "head_75",
    "migrant", "dual_earner", "dual_7_12", "unemployed", "flexible", "income", "poor_unemployed",
    "disability",
    "rents", "chronic", "chronic_75", "single_parent", "minority_language", "head_young", "education",
    "old_building",
)  # fmt: skip
YEAR_WEEKS = 52.18
# Chance per year of each change in a household
CHANGE_RATES = {
    "birth": 0.05,
    "job_lost": 0.05,
    "job_found": 0.8,
    "widowed": 0.05,
    "illness": 0.04,
    "elder_joins": 0.012,
    "moves": 0.004,
    "income_changes": 0.04,
}


@dataclass(frozen=True)
class Snapshot:
    """Attributes of some households as they stand from one week on."""

    week: int
    household: np.ndarray
    values: dict[str, np.ndarray]
    microgrid: np.ndarray


@dataclass
class People:
    """Current attributes of every household (categories as codes), where it lives and since when."""

    values: dict[str, np.ndarray]  # float32 per household
    microgrid: np.ndarray  # int32 per household
    arrived: np.ndarray  # int32 week of arrival, negative for those there before the first week
    changes: list[Snapshot] = field(default_factory=list)  # the rows after each household's first

    def __len__(self) -> int:
        return len(self.arrived)

    def snapshot(self, week: int, households: np.ndarray) -> Snapshot:
        """Copy the current attributes of some households."""
        values = {name: value[households] for name, value in self.values.items()}
        return Snapshot(week, households, values, self.microgrid[households])


def _ages_and_children(rng: np.random.Generator, kind: np.ndarray, year: int) -> dict[str, np.ndarray]:
    count = len(kind)
    low = np.array([22, 24, 27, 27, 33, 62, 66])[kind]
    high = np.array([58, 60, 50, 50, 55, 86, 93])[kind]
    age = np.floor(low + (high - low) * rng.beta(1.2, 1.6, count))
    parents = np.isin(kind, (NUCLEAR, SINGLE_PARENT)) | (
        (kind == THREE_GENERATIONS) & (rng.random(count) < 0.75)
    )
    children = np.where(parents, 1 + rng.binomial(2, 0.27, count), 0)
    age_of_child = np.floor(np.clip(rng.uniform(0, 18, count), 0, age - 22))
    elders = np.select(
        [kind == THREE_GENERATIONS, kind == OLD_COUPLE, kind == OLD_ALONE],
        [1 + (rng.random(count) < 0.55), np.full(count, 2), np.full(count, 1)],
        0,
    )
    return {
        "head_birth_year": year - age,
        "children": children,
        "youngest_child_birth_year": np.where(children > 0, year - age_of_child, np.nan),
        "elders": elders,
        "lives_alone": np.isin(kind, (SINGLE, OLD_ALONE)),
    }


def _work_and_income(rng: np.random.Generator, kind: np.ndarray, age: np.ndarray) -> dict[str, np.ndarray]:
    count = len(kind)
    draw = rng.random(count)
    works = np.select([draw < 0.70, draw < 0.93], [EMPLOYED, FLEXIBLE], UNEMPLOYED)
    employment = np.where(age >= 60, RETIRED, works)
    education = np.clip(np.round(rng.normal(2.6 - 0.035 * (age - 40), 1.1)), 0, 4)
    standing = 0.45 * education - 1.1 * (employment == UNEMPLOYED) - 0.5 * (employment == FLEXIBLE)
    standing = standing - 0.7 * np.isin(kind, (OLD_ALONE, SINGLE_PARENT)) + rng.normal(0, 0.8, count)
    partners = np.isin(kind, (COUPLE, NUCLEAR, THREE_GENERATIONS))
    return {
        "employment": employment,
        "education": education,
        "income_band": np.searchsorted([-0.95, 0.15, 1.75], standing),
        "dual_earner": partners & (employment <= FLEXIBLE) & (rng.random(count) < 0.62),
    }


def settle(
    rng: np.random.Generator,
    arrived: np.ndarray,
    microgrid: np.ndarray,
    year: np.ndarray,
    deprived: np.ndarray,
) -> People:
    """Draw the attributes with which households arrive.

    ``arrived`` is the week of arrival (negative: there from the start), ``year`` its calendar year, and
    ``deprived`` a number per micro-grid that shifts rents, age of buildings and illness.
    """
    count, new = len(arrived), arrived >= 0
    cut = np.where(new[:, None], np.cumsum(TYPE_SHARES_NEW), np.cumsum(TYPE_SHARES))
    kind = np.minimum((rng.random(count)[:, None] > cut).sum(axis=1), len(TYPES) - 1)
    values = {"household_type": kind} | _ages_and_children(rng, kind, 0)
    values["head_birth_year"] = values["head_birth_year"] + year
    values["youngest_child_birth_year"] = values["youngest_child_birth_year"] + year
    age = year - values["head_birth_year"]
    values |= _work_and_income(rng, kind, age)
    migrant = rng.random(count) < np.where(new, 0.62, 0.18)
    local = deprived[microgrid]
    draw = rng.random(count)
    values["hukou"] = migrant
    values["home_language"] = np.where(
        migrant,
        np.select([draw < 0.45, draw < 0.9], [0, 2], 3),
        np.select([draw < 0.5, draw < 0.97], [0, 1], 3),
    )
    shares = np.where(migrant[:, None], (0.88, 0.92, 0.93, 0.98), (0.95, 0.96, 0.985, 0.99))
    values["ethnicity"] = (rng.random(count)[:, None] > shares).sum(axis=1)
    values["rents"] = rng.random(count) < np.where(migrant, 0.75, 0.12) + 0.06 * local
    values["disability"] = rng.random(count) < 0.03 + 0.03 * (age > 60) + 0.01 * local
    values["chronic_illness"] = rng.random(count) < np.clip(
        0.05 + 0.009 * (age - 40) + 0.02 * local, 0.02, 0.8
    )
    values["party_member"] = rng.random(count) < np.where(migrant, 0.06, 0.14)
    values["building_year"] = np.clip(np.round(rng.normal(2000 - 7 * local, 5)), 1975, 2020)
    values["floor_area"] = np.round(np.clip(rng.normal(55 + 12 * values["income_band"], 18), 18, 220))
    return People(
        {name: np.asarray(values[name], dtype=np.float32) for name in ATTRIBUTES}, microgrid, arrived
    )


def drift(people: People, rng: np.random.Generator, week: int, year: int, microgrids: int) -> None:
    """Let attributes change for one week (births, jobs, widowhood, illness, moves), and note who changed.

    ``year``: the calendar year of ``week``. ``microgrids``: how many there are to move to.
    """
    values, count = people.values, len(people)
    age = year - values["head_birth_year"]
    kind, work = values["household_type"], values["employment"]
    can = {
        "birth": np.isin(kind, (COUPLE, NUCLEAR)) & (age < 45),
        "job_lost": work <= FLEXIBLE,
        "job_found": work == UNEMPLOYED,
        "widowed": kind == OLD_COUPLE,
        "illness": (values["chronic_illness"] == 0) & (age > 45),
        "elder_joins": np.isin(kind, (COUPLE, NUCLEAR)) & (age > 32),
        "moves": np.ones(count, dtype=bool),
        "income_changes": np.ones(count, dtype=bool),
    }
    draws = rng.random((len(CHANGE_RATES), count), dtype=np.float32)
    target = rng.integers(0, microgrids, count)
    up = rng.random(count) < 0.5
    happens = {
        name: np.flatnonzero(can[name] & (draws[index] < rate / YEAR_WEEKS) & (people.arrived < week))
        for index, (name, rate) in enumerate(CHANGE_RATES.items())
    }
    grown = np.flatnonzero((values["children"] > 0) & (year - values["youngest_child_birth_year"] >= 18))
    _apply(people, happens, year, target, up)
    values["children"][grown], values["youngest_child_birth_year"][grown] = 0, np.nan
    changed = np.unique(np.concatenate([*happens.values(), grown]))
    if len(changed):
        people.changes.append(people.snapshot(week, changed))


def _apply(
    people: People, happens: dict[str, np.ndarray], year: int, target: np.ndarray, up: np.ndarray
) -> None:
    values = people.values
    born = happens["birth"]
    values["children"][born] += 1
    values["youngest_child_birth_year"][born] = year
    values["household_type"][born] = NUCLEAR
    values["employment"][happens["job_lost"]] = UNEMPLOYED
    values["dual_earner"][happens["job_lost"]] = 0
    values["employment"][happens["job_found"]] = EMPLOYED
    widowed = happens["widowed"]
    values["household_type"][widowed], values["elders"][widowed], values["lives_alone"][widowed] = (
        OLD_ALONE,
        1,
        1,
    )
    values["chronic_illness"][happens["illness"]] = 1
    joined = happens["elder_joins"]
    values["elders"][joined] += 1
    values["household_type"][joined] = THREE_GENERATIONS
    people.microgrid[happens["moves"]] = target[happens["moves"]]
    richer = happens["income_changes"]
    values["income_band"][richer] = np.clip(values["income_band"][richer] + np.where(up[richer], 1, -1), 0, 3)
    lost = happens["job_lost"]
    values["income_band"][lost] = np.maximum(values["income_band"][lost] - up[lost], 0)


def factors(people: People, year: int) -> np.ndarray:
    """Compute what drives needs from the attributes in a calendar year: float32 [households, len(FACTORS)]."""
    values = people.values
    child = year - values["youngest_child_birth_year"]
    age = year - values["head_birth_year"]
    dual, chronic = values["dual_earner"], values["chronic_illness"]
    unemployed = values["employment"] == UNEMPLOYED
    seven = (child >= 7) & (child <= 12)
    columns = (
        child <= 3, (child >= 4) & (child <= 6), seven, (child >= 13) & (child <= 17),
        np.maximum(values["children"] - 1, 0), values["elders"],
        values["lives_alone"] * (values["elders"] > 0),
        age >= 75, values["hukou"], dual, dual * seven, unemployed, values["employment"] == FLEXIBLE,
        1.5 - values["income_band"], unemployed * (values["income_band"] <= 1), values["disability"],
        values["rents"], chronic, chronic * (age >= 75), values["household_type"] == SINGLE_PARENT,
        values["home_language"] == 3, age < 35, values["education"] - 2,
        np.clip((2000 - values["building_year"]) / 10, -1.5, 2.5),
    )  # fmt: skip
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)

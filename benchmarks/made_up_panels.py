"""Small made-up panels in the contract's form, each with traits that trip a model up; true risks are known to nobody.

    python benchmarks/made_up_panels.py OUT [--panel register|charity|quiet ...] [--seed 0]
    python benchmarks/real_data.py OUT/register 2024-06-03 --output OUT/results

``register``: a household is known from its first request on, newcomers make most requests, more each year.
``charity``: the file doubles every year, families come for some months, a need is given up before the date and another
begins. ``quiet``: one attribute, windows of half a year, requests that fall by a third a year. Each has a rare need, of
which some ten households ask in a year, and needs that lead to one another.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

START = pd.Timestamp("2020-01-06")  # a Monday
WEEKS = 282  # the panel ends half a year after DATE
DATE = pd.Timestamp("2024-12-02")
AT_DATE = (DATE - START).days // 7
LASTS = 8  # weeks for which a request makes the needs that it leads to more likely


@dataclass(frozen=True)
class Trait:
    """What makes a panel: ``people`` who may ask, the needs' windows and usual requests a person and year."""

    people: int
    horizon_weeks: int
    yearly: tuple[float, ...]
    attributes: int
    register: bool = False  # known from the first request on
    growth: float = 1.0  # of arrivals, a year
    stay_weeks: float = np.inf  # mean time for which a household asks at all
    volume: float = 1.0  # of requests a household, a year
    ends: int | None = None  # this need is given up some weeks before the date
    begins: int | None = None  # this need begins a year before the date


PANELS = {
    "register": Trait(60_000, 8, (0.02, 0.012, 0.008, 0.005, 0.004, 0.0004), 3, register=True, volume=1.25),
    "charity": Trait(
        4_000, 8, (3.0, 1.5, 1.0, 0.8, 0.8, 0.008), 4, growth=2.0, stay_weeks=40, ends=3, begins=4
    ),
    "quiet": Trait(5_000, 26, (0.3, 0.15, 0.08, 0.05, 0.002), 1, volume=2 / 3),
}


def make_panel(trait: Trait, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Households and requests of a panel, from START to WEEKS later."""
    rng, needs = np.random.default_rng(seed), len(trait.yearly)
    attributes = rng.normal(size=(trait.people, trait.attributes))
    effects = rng.normal(scale=0.4, size=(trait.attributes, needs))
    shared, own = (
        rng.normal(scale=0.6, size=(trait.people, 1)),
        rng.normal(scale=0.8, size=(trait.people, needs)),
    )
    personal = np.exp(attributes @ effects + shared + own - 0.5)
    lift = np.where(rng.random((needs, needs)) < 0.3, 3.0, 0.0)  # what a request adds to the next ones' rates
    arrives = _arrivals(trait, rng)
    leaves = arrives + rng.exponential(min(trait.stay_weeks, 1e6), trait.people)
    phase = rng.random(needs)
    recent, rows = np.zeros((trait.people, needs)), []
    for week in range(WEEKS):
        year = week / 52
        season = 1 + 0.3 * np.sin(2 * np.pi * (year + phase))
        usual = np.array(trait.yearly) / 52 * season * trait.volume**year * _offered(trait, week)
        there = (arrives <= week) & (week < leaves)
        rate = there[:, None] * usual * personal * (1 + recent @ lift)
        asked = rng.random(rate.shape) < -np.expm1(-rate)
        recent = recent * (1 - 1 / LASTS) + asked / LASTS
        who, what = np.nonzero(asked)
        moment = START + pd.to_timedelta(7 * week + rng.random(len(who)) * 7, unit="D")
        rows.append(pd.DataFrame({"person": who, "need": what, "requested_at": moment}))
    return _tables(trait, attributes, arrives, pd.concat(rows))


def _arrivals(trait: Trait, rng: np.random.Generator) -> np.ndarray:
    """The week in which each person may begin to ask: a third are there from the start, where nothing grows."""
    if trait.growth == 1:
        return np.zeros(trait.people)
    log = np.log(trait.growth)
    years = WEEKS / 52
    return np.log1p(rng.random(trait.people) * np.expm1(log * years)) / log * 52


def _offered(trait: Trait, week: int) -> np.ndarray:
    """1 for each need that can be asked for in a week, else 0."""
    offered = np.ones(len(trait.yearly))
    if trait.ends is not None:
        offered[trait.ends] = week < AT_DATE - 10
    if trait.begins is not None:
        offered[trait.begins] = week >= AT_DATE - 52
    return offered


def _tables(
    trait: Trait, attributes: np.ndarray, arrives: np.ndarray, requests: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The contract's tables; who never asked is in no register."""
    since = START + pd.to_timedelta(7 * arrives, unit="D")
    if trait.register:
        since = requests.groupby("person")["requested_at"].min().reindex(range(trait.people))
    households = pd.DataFrame(
        {
            "household_id": [f"H{one:06d}" for one in range(trait.people)],
            "grid_id": "G1",
            "microgrid_id": [f"M{one % 12}" for one in range(trait.people)],
            "valid_from": pd.Series(np.asarray(since)).dt.strftime("%Y-%m-%d"),
            **{f"trait_{one}": attributes[:, one].round(2) for one in range(trait.attributes)},
        }
    ).dropna(subset=["valid_from"])
    requests = requests.sort_values("requested_at", ignore_index=True)
    asked = pd.DataFrame(
        {
            "request_id": [f"R{one:07d}" for one in range(len(requests))],
            "household_id": [f"H{one:06d}" for one in requests["person"]],
            "requested_at": requests["requested_at"].dt.strftime("%Y-%m-%d %H:%M"),
            "need": [f"need_{one}" for one in requests["need"]],
        }
    )
    return {"households": households, "requests": asked}


def write_panel(out: Path, name: str, seed: int = 0) -> None:
    """Write a panel's directory."""
    trait = PANELS[name]
    out.mkdir(parents=True, exist_ok=True)
    for table, rows in make_panel(trait, seed).items():
        rows.to_parquet(out / f"{table}.parquet")
    ids = [f"need_{one}" for one in range(len(trait.yearly))]
    needs = [
        {"id": one, "name": {"zh": one, "en": one}, "horizon_weeks": trait.horizon_weeks, "severity": 2}
        for one in ids
    ]
    content = {"community": {"name": name, "timezone": "Asia/Shanghai"}, "needs": needs}
    (out / "community.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the panels named, all by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--panel", choices=PANELS, nargs="*", default=[*PANELS])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    for name in given.panel:
        write_panel(given.out / name, name, given.seed)


if __name__ == "__main__":
    main()

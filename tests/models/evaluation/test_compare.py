"""The gate between champion and challenger: each metric by itself, at the edge of its slack, in both directions."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from features.language import speaking
from models.evaluation.compare import COMPARED, FEWEST, REFUSED, compare, gate
from models.evaluation.evaluate import ALL, Validation

HOUSEHOLDS = 400
TINY = 1e-9
WIDER = ndtri(1 - REFUSED / len(COMPARED)) / ndtri(0.975)  # than an interval of 95%
CALIBRATION = 0.002  # by which an error may grow: as documented


def difference(metric: str, low: float, high: float) -> pd.DataFrame:
    """A comparison in which one metric differs and the others are equal; ``low``, ``high``: what the gate looks at."""
    middle, half = (low + high) / 2, (high - low) / 2 / WIDER
    ends = {name: (middle - half, middle + half) if name == metric else (0.0, 0.0) for name in COMPARED}
    rows = [("meals", name, 0.5, 0.5 + sum(pair) / 2, sum(pair) / 2, *pair) for name, pair in ends.items()]
    columns = ["need", "metric", "champion", "challenger", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("metric", "low", "high", "allowed"),
    [
        *(
            case
            for metric in ("average_precision", "precision_at_capacity")
            for case in (
                (metric, -0.4, -TINY, False),
                (metric, -0.4, TINY, True),
                (metric, -0.4, 0.1, True),
                (metric, TINY, 0.4, True),
            )
        ),
        ("calibration_error", CALIBRATION + TINY, 0.1, False),
        ("calibration_error", CALIBRATION - TINY, 0.1, True),
        ("calibration_error", -0.1, 0.1, True),
        ("calibration_error", -0.1, -CALIBRATION - TINY, True),
    ],
)
def test_one_metric_surely_worse_closes_the_gate_and_better_ones_open_it(
    metric: str, low: float, high: float, allowed: bool
) -> None:
    assert gate(difference(metric, low, high)).allowed is allowed


def compared(differences: np.ndarray) -> pd.DataFrame:
    """A comparison of twelve needs; ``differences``: float64 [needs, metrics] in standard errors."""
    error = 0.001
    found = [
        (
            f"need{number}",
            metric,
            0.2,
            0.2 + apart * error,
            apart * error,
            (apart - 1.96) * error,
            (apart + 1.96) * error,
        )
        for number, of_need in enumerate(differences)
        for metric, apart in zip(COMPARED, of_need, strict=True)
    ]
    return pd.DataFrame(
        found, columns=["need", "metric", "champion", "challenger", "difference", "low", "high"]
    )


def test_challengers_as_good_as_the_champion_are_seldom_refused_however_many_the_needs() -> None:
    draw, tries = np.random.default_rng(0), 150
    refused = sum(not gate(compared(draw.standard_normal((12, 3)))).allowed for _ in range(tries))
    assert refused <= 2 * REFUSED * tries


def test_a_challenger_that_is_somewhat_worse_for_every_need_is_refused_on_the_whole() -> None:
    needs, some = 8, rows()
    count, draw = len(some.label), np.random.default_rng(2)
    every = Validation(
        np.tile(some.household, needs),
        np.repeat(np.arange(needs, dtype=np.int16), count),
        *(np.tile(column, needs) for column in (some.as_of, some.fold, some.label)),
        {},
        some.folds,
    )
    good = np.tile(ordered(True), needs) + 0.3 * draw.standard_normal(needs * count)
    worse = good + 0.25 * draw.standard_normal(needs * count)
    table = compare(every, good, worse, [f"need{number}" for number in range(needs)], 40)
    of_all = table[table["need"] == ALL].set_index("metric")["difference"]
    means = table[table["need"] != ALL].groupby("metric")["difference"].mean()
    np.testing.assert_allclose(of_all, means[of_all.index])
    with speaking("en"):
        decision = gate(table)
    assert not decision.allowed and any(line.startswith("mean of the needs") for line in decision.reasons)


def rows(positives: int = 80) -> Validation:
    """One need on one day; the first households asked."""
    none = np.zeros(HOUSEHOLDS, dtype=np.int32)
    label = (np.arange(HOUSEHOLDS) < positives).astype(np.int8)
    return Validation(np.arange(HOUSEHOLDS, dtype=np.int32), none, none, none, label, {}, ("2024-01-01",))


def ordered(well: bool) -> np.ndarray:
    """Probabilities whose mean is what came, with those who asked first, or by chance."""
    draw = np.random.default_rng(1)
    asked = np.arange(HOUSEHOLDS) < 80
    p = np.where(asked, 0.6, 0.1) + 0.01 * draw.random(HOUSEHOLDS)
    return p if well else draw.permutation(p)


@pytest.mark.parametrize("better", [True, False])
def test_the_order_of_a_challenger_is_compared_in_its_direction(better: bool) -> None:
    table = compare(rows(), ordered(not better), ordered(better), ["meals"], 40).set_index("metric")
    for metric in ("average_precision", "precision_at_capacity"):
        row = table.loc[metric]
        assert row["difference"] == row["challenger"] - row["champion"]
        assert row["low"] <= row["difference"] <= row["high"]
        assert (row["low"] > 0) if better else (row["high"] < 0)
    assert gate(compare(rows(), ordered(not better), ordered(better), ["meals"], 40)).allowed is better


@pytest.mark.parametrize("better", [True, False])
def test_the_level_of_a_challenger_is_compared_in_its_direction(better: bool) -> None:
    right, twice = np.full(HOUSEHOLDS, 0.2), np.full(HOUSEHOLDS, 0.4)
    champion, challenger = (twice, right) if better else (right, twice)
    table = compare(rows(), champion, challenger, ["meals"], 40)
    error = table.set_index("metric").loc["calibration_error"]
    assert (error["high"] < 0) if better else (error["low"] > 0)
    decision = gate(table)
    assert decision.allowed is better
    assert better or len(decision.reasons) == 1, "only the level is worse"


def test_needs_with_few_requests_say_nothing() -> None:
    for positives, there in ((FEWEST - 1, False), (FEWEST, True)):
        table = compare(rows(positives), ordered(True), ordered(True), ["meals"], 40)
        assert bool(len(table)) is there

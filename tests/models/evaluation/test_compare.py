"""The gate between champion and challenger: each metric by itself, at the edge of its slack, in both directions."""

import numpy as np
import pandas as pd
import pytest

from models.evaluation.compare import COMPARED, FEWEST, compare, gate
from models.evaluation.evaluate import Validation

HOUSEHOLDS = 400
TINY = 1e-9
CALIBRATION = 0.002  # by which an error may grow: as documented


def difference(metric: str, low: float, high: float) -> pd.DataFrame:
    """A comparison in which one metric differs and the others are equal."""
    ends = {name: (low, high) if name == metric else (0.0, 0.0) for name in COMPARED}
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
                (metric, -0.4, 0.0, True),
                (metric, -0.4, 0.1, True),
                (metric, TINY, 0.4, True),
            )
        ),
        ("calibration_error", CALIBRATION + TINY, 0.1, False),
        ("calibration_error", CALIBRATION, 0.1, True),
        ("calibration_error", -0.1, 0.1, True),
        ("calibration_error", -0.1, -CALIBRATION - TINY, True),
    ],
)
def test_one_metric_surely_worse_closes_the_gate_and_better_ones_open_it(
    metric: str, low: float, high: float, allowed: bool
) -> None:
    assert gate(difference(metric, low, high)).allowed is allowed


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

"""p_need against simple rankings, judged by the needs that random visits found."""

import numpy as np
import pandas as pd
import pytest

from features.language import speaking
from models.underreporting.verdict import FEWEST, found_at_the_top, found_lines

VISITS = 2000


def held_out(**scores: np.ndarray) -> pd.DataFrame:
    """Visits to 500 households about two needs; one in twenty finds something. Rankers not given know nothing."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "household": np.arange(VISITS) % 500,
            "need": np.arange(VISITS) % 2,
            "as_of": 19000,
            "found": (draw.random(VISITS) < 0.05).astype(int),
            "weight": 1.0,
            "silent": np.arange(VISITS) % 4 > 0,
        }
    )
    names = ("p_need", "p_request", "same_season", "request_count", "request_count_all", "grid_average")
    return frame.assign(**{name: scores.get(name, np.zeros(VISITS)) for name in names})


def test_a_ranking_that_knows_has_everything_in_its_top_tenth_and_one_that_does_not_a_tenth() -> None:
    table = found_at_the_top(held_out(p_need=held_out()["found"].to_numpy(float)))
    lines = table
    table = table[table["among"] == "all"].set_index("ranker")
    assert table.loc["p_need", "recall"] == pytest.approx(1)
    assert table.loc["request_count", "recall"] == pytest.approx(0.1)
    assert table.loc["request_count", "gain"] == pytest.approx(0.9)
    assert table.loc["request_count", "gain_low"] > 0.5
    with speaking("zh"):
        line, silent = found_lines(lines)
    assert "在半年未申请的家庭里发现的" in silent and "在半年未申请的家庭里发现的" not in line
    assert "排在前一成的住户占其中 100%" in line and line.endswith("按需要排更好")


def test_a_rule_that_finds_more_is_said_to_be_better() -> None:
    known = held_out()["found"].to_numpy(float)
    table = found_at_the_top(held_out(request_count_all=known))
    with speaking("en"):
        line, _ = found_lines(table)
    assert "requests so far" in line and line.endswith("the baseline is better")


def test_a_visit_counts_for_as_many_as_it_stands_for() -> None:
    frame = held_out(p_need=np.arange(VISITS, dtype=float))
    frame["weight"] = np.where(np.arange(VISITS) < VISITS // 2, 1.0, 3.0)
    top = frame.iloc[-VISITS // 15 :]  # a tenth of the weight
    expected = (top["weight"] * top["found"]).sum() / (frame["weight"] * frame["found"]).sum()
    table = found_at_the_top(frame)
    found = table[table["among"] == "all"].set_index("ranker").loc["p_need", "recall"]
    assert found == pytest.approx(expected, abs=0.02)


def test_too_few_needs_found_allow_no_line() -> None:
    frame = held_out()
    frame["found"] = np.arange(VISITS) < FEWEST - 1
    assert found_lines(found_at_the_top(frame)) == []
    assert found_lines(found_at_the_top(frame.assign(found=0))) == []
    assert found_lines(None) == []

"""What a need whose level does not hold gets: wider demand, and a line on every output."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
from make_records import make_community

from features.language import speaking
from models.demand.intervals import unknown_spread, with_intervals
from models.evaluation.soundness import RANKING_ONLY
from models.registry.champion import Champion
from models.training.validation_report import widened
from service.weekly.model_lines import about

NEEDS = ("meals", "visit")


def interval_of(spread, need):
    cells = {"need": [need], "span": [0], "expected": [40.0], "variance": [38.0], "households": [1000]}
    row = with_intervals(pd.DataFrame(cells), spread, grids=False).iloc[0]
    return row["low_90"], row["high_90"]


def test_demand_for_a_need_whose_level_was_off_reaches_as_far_as_it_was_off():
    sound = pd.DataFrame({"need": NEEDS, "use": [RANKING_ONLY, ""], "ratio": [0.4, 0.5]})
    usual = unknown_spread(2)
    spread = widened(usual, sound, NEEDS)
    low, high = interval_of(spread, 0)
    assert low <= 40 * 0.4 and high >= 40 / 0.4
    assert interval_of(spread, 1) == interval_of(usual, 1)


def test_a_need_of_which_nothing_came_has_demand_as_wide_as_can_be_and_no_wider():
    sound = pd.DataFrame({"need": NEEDS, "use": [RANKING_ONLY, ""], "ratio": [np.inf, 1.0]})
    assert np.isfinite(widened(unknown_spread(2), sound, NEEDS).level).all()


def test_every_output_begins_with_the_needs_that_are_not_sound_in_the_language_of_the_reader():
    told = [{"need": "meals", "use": RANKING_ONLY, "zh": "只可用来排序", "en": "use the scores to rank only"}]
    model = SimpleNamespace(
        metadata={"unsound": told},
        silence=lambda: "silence",
        trained=np.ones(2, dtype=bool),
        tells_apart=True,
        visited=None,
    )
    champion = cast(Champion, SimpleNamespace(model=model, version=1))
    community = make_community([{"id": need, "horizon_weeks": 8} for need in NEEDS])
    assert about(champion, community)[0] == "只可用来排序"
    with speaking("en"):
        assert about(champion, community)[0] == "use the scores to rank only"

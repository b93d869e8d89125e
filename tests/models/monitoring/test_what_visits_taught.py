"""Rankings' value, effects of a lot and times of day, against what made-up visits were made with."""

import numpy as np
import pandas as pd
import pytest
from tiny_town import TinyTown, make_tiny_town, outreach, requests

from features.point_in_time.records import day_of
from features.store.reader import read_settings
from models.monitoring.phase_in_effect import effect, effect_lines, households_needed, outcomes_of_lots
from models.monitoring.ranking_value import lot_visits, top_pairs, value_lines, values
from models.monitoring.visit_times import best_times, time_lines, visit_counts

HOMES, WEEKS = 2000, 12


def weeks_and_visits(seed: int = 0) -> tuple[list[tuple[int, pd.DataFrame]], pd.DataFrame, dict[str, float]]:
    """Weeks of scores with a good and a useless ranking, visits drawn by lot in unequal chances, and the truth."""
    rng = np.random.default_rng(seed)
    homes = np.array([f"h{at:04d}" for at in range(HOMES)], dtype=object)
    weeks, visits, truth = [], [], {"p_need": [], "useless": []}
    for week in range(WEEKS):
        p = rng.beta(0.4, 6, HOMES)
        scores = pd.DataFrame(
            {"household_id": homes, "need": "meals", "p_need": 0.6 * p, "useless": rng.random(HOMES)}
        )
        scores["true"] = p
        chance = np.where(p > np.quantile(p, 0.9), 0.6, 0.15)
        drawn = rng.random(HOMES) < chance
        visits.append(
            pd.DataFrame(
                {
                    "household_id": homes[drawn],
                    "need": "meals",
                    "day": 7.0 * week + 2,
                    "found": rng.random(drawn.sum()) < p[drawn],
                    "weight": 1 / chance[drawn],
                }
            )
        )
        weeks.append((7 * week, scores))
        for ranking, kept in truth.items():
            kept.append(top_pairs(scores, ranking)["true"].mean())
    return weeks, pd.concat(visits), {name: float(np.mean(kept)) for name, kept in truth.items()}


def test_both_estimators_find_what_a_ranking_is_worth_though_the_model_is_wrong() -> None:
    weeks, visits, truth = weeks_and_visits()
    found = values(weeks, visits, ("p_need", "useless"))
    for ranking, value in found.items():
        for _, low, high in (value.inverse_propensity, value.doubly_robust):
            assert low <= truth[ranking] <= high, ranking
    assert found["p_need"].doubly_robust[1] > found["useless"].doubly_robust[2]
    assert len(value_lines(found)) == 2 and "抽签" in value_lines(found)[0]
    assert values(weeks, visits.iloc[:10], ("p_need",)) == {}, "too few to say anything"


def test_an_effect_has_an_interval_and_its_sample_size() -> None:
    none = effect(np.zeros(200, bool), np.zeros(200, bool))
    assert none.low < 0 < none.high
    clear = effect(np.arange(400) < 20, np.arange(400) < 80)
    assert clear.difference == pytest.approx(0.15) and 0.10 < clear.low < clear.high < 0.20
    assert households_needed(0.10, 0.05) == 432 and households_needed(0.02, 0.01) > 2000
    rng = np.random.default_rng(0)
    size = households_needed(0.2, 0.1)
    shown = [effect(rng.random(size) < 0.1, rng.random(size) < 0.2).low > 0 for _ in range(300)]
    assert 0.7 < np.mean(shown) < 0.9, "four in five experiments of that size show it"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> TinyTown:
    """The tiny town with visits at two times of day, of which mornings meet few."""
    home = tmp_path_factory.mktemp("visits")
    town = make_tiny_town(home / "export", home / "workspace")
    town.write_settings(outreach={"phase_in": {"weeks": 4}})
    extra = []
    for at in range(160):
        morning = at % 2 == 0
        extra.append(
            {
                "outreach_id": f"V{at}",
                "household_id": f"H{at % 12 + 1:02d}",
                "need": "meals",
                "contacted_at": f"2023-{at // 20 + 3:02d}-{6 + at % 5:02d} {'09:30' if morning else '18:30'}",
                "arm": "random",
                "outcome": "not_reached" if morning and at % 3 else "not_needed",
                "propensity": 0.5,
                "worker_id": "W1",
            }
        )
    town.write("outreach", [*outreach(), *extra])
    town.write("requests", requests())
    town.ingest()
    return town


def test_the_best_time_is_told_where_it_is_clear(town: TinyTown) -> None:
    counts = visit_counts(town.workspace, day_of(pd.Timestamp("2024-06-10").date()))
    assert counts["visits"].sum() == 163
    times = best_times(counts)
    assert times and {one.slot[1] for one in times} == {2}, "evenings"
    assert all(one.chance > one.usual for one in times)
    assert "晚上最容易见到人" in time_lines(times)[0]
    assert best_times(counts.assign(met=counts["visits"])) == []


def test_lots_are_compared_as_they_were_drawn(town: TinyTown) -> None:
    homes = [f"H{at:02d}" for at in range(1, 13)]
    lots = pd.DataFrame(
        {
            "household_id": [*homes, "H05"],
            "as_of": [*["2024-01-08"] * 12, "2024-06-03"],
            "round": [*[1] * 12, 2],
            "later": [*[at % 2 == 0 for at in range(12)], False],
        }
    )
    settings = read_settings(town.workspace)
    table = outcomes_of_lots(town.workspace, lots, settings, day_of(pd.Timestamp("2024-06-10").date()))
    assert len(table) == 12, "the second round has not ended"
    asked = set(table.loc[table["severe"], "household_id"])
    assert asked == {"H05"}, "meals, severity 3, on 15 January; H12 asked after the four weeks"
    assert len(effect_lines(table)) == 2 and "每组约需" in effect_lines(table)[0]
    assert len(lot_visits(town.workspace, day_of(pd.Timestamp("2024-06-10").date()))) > 80

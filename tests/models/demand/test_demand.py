"""Expected demand: intervals that hold, months that add up, spread read from past windows."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from demand_of_town import demand_ahead
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records, records_of
from scipy.stats import binom, nbinom

from features.point_in_time.records import Known, day_of, known_before
from models.demand.backtest import hard_to_foresee, held_out, told_by_need
from models.demand.cells import came, past_cells
from models.demand.expected import WINDOWS, own_windows
from models.demand.intervals import Spread, fit_spread, interval, reaches_far, unknown_spread
from models.demand.periods import SPANS, WINDOW, month_begin, spans
from models.demand.plots import MOST_GRIDS, grids_figure
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import Validation

DAY = day_of(date(2025, 9, 1))
GRIDS = 4
NEEDS = 6


def town(requests: list[dict], homes: int = 80, **rows: list[dict]) -> Known:
    """Households in four grids, with one need of a four-week window."""
    households = [{"household_id": f"h{index:03}", "grid_id": f"g{index % GRIDS}"} for index in range(homes)]
    community = make_community([{"id": "meals", "horizon_weeks": 4}])
    return known_before(make_records(households, requests, community=community, **rows), DAY)


def scores_of(known: Known, p: np.ndarray | float) -> pd.DataFrame:
    homes = known.household_ids
    return pd.DataFrame({"household_id": homes, "need": "meals", "p_request": p})


def cells_of(level: float, place: float, days: int = 12, grids: int = 8, seed: int = 0) -> pd.DataFrame:
    """Past cells of a town whose counts scatter by these factors around what is expected."""
    draw = np.random.default_rng(seed)
    rows = []
    for day in DAY - 56 * np.arange(1, days + 1):
        for need in range(NEEDS):
            for span in range(SPANS):
                common = np.exp(draw.normal(-(level**2) / 2, level))
                for grid in range(grids):
                    factor = common * np.exp(draw.normal(-(place**2) / 2, place))
                    observed = draw.poisson(30 * factor)
                    rows.append((need, span, grid, day, day + 56, 200, 30.0, 30.0, day, observed))
    names = ["need", "span", "grid", "begins", "ends", "households", "expected", "variance", "as_of"]
    return pd.DataFrame(rows, columns=[*names, "observed"])


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(("homes", "wide"), [(10, 0.09), (400, 0.02)])
def test_intervals_hold_for_independent_households(level: float, homes: int, wide: float) -> None:
    draw = np.random.default_rng(0)
    p = draw.beta(1, 9, homes)
    counts = (draw.random((4000, homes)) < p).sum(axis=1)
    low, high = interval(np.array([p.sum()]), np.array([(p * (1 - p)).sum()]), level)
    covered = ((counts >= low[0]) & (counts <= high[0])).mean()
    assert covered == pytest.approx(level, abs=wide)  # small counts jump: nothing fits closely


def test_no_number_is_called_uncertain_by_chance_alone() -> None:
    counts = np.arange(0.1, 500, 0.5)
    low, high = interval(counts, counts, 0.9)
    assert not reaches_far(counts, low, high).any()


def test_a_number_is_uncertain_where_past_windows_scattered_by_more_than_chance() -> None:
    homes, needs = 1000, 3
    need = np.repeat(np.arange(needs), homes)
    p = np.array([0.06, 0.06, 0.002])[need]
    nothing = np.zeros(len(need), dtype=np.int32)
    household = np.tile(np.arange(homes), needs)
    rows = Validation(household, need, nothing, nothing, nothing, {MODEL: p}, ("a",), share=0.5)
    freedom = np.full((needs, SPANS), 16.0)
    level = np.tile(np.array([[0.1], [0.4], [0.4]]), SPANS)
    spread = Spread(level, np.zeros((needs, SPANS)), freedom)
    assert list(hard_to_foresee(rows, spread)) == [False, True, False]


@given(st.floats(0.01, 500), st.floats(0.05, 30))
def test_the_surer_interval_holds_the_other(mean: float, ratio: float) -> None:
    mean_of, variance = np.array([mean]), np.array([mean * ratio])
    (low_80,), (high_80,) = interval(mean_of, variance, 0.8)
    (low_90,), (high_90,) = interval(mean_of, variance, 0.9)
    assert 0 <= low_90 <= low_80 <= high_80 <= high_90


@given(st.floats(1e-4, 1e5), st.floats(0.01, 1), st.floats(1e-5, 3), st.sampled_from([0.8, 0.9]))
def test_intervals_end_at_the_quantiles_of_the_distribution(
    mean: float, even: float, factor: float, level: float
) -> None:
    for variance, below in (
        (
            mean + factor * mean**2 + 1e-3 * mean,
            _negative_binomial(mean, mean + factor * mean**2 + 1e-3 * mean),
        ),
        (even * mean, _binomial(mean, even)),
    ):
        low, high = (float(one[0]) for one in interval(np.array([mean]), np.array([variance]), level))
        tail = (1 - level) / 2
        for k, chance in ((low, tail), (high + 1, 1 - tail if low > 0 else level)):
            nearest = abs(below(k) - chance)
            assert k == 0 or nearest <= abs(below(k - 1) - chance) + 1e-9
            assert high == low or nearest <= abs(below(k + 1) - chance) + 1e-9


def _negative_binomial(mean: float, variance: float) -> Callable[[float], float]:
    size = mean**2 / (variance - mean)
    return lambda k: float(nbinom.cdf(k - 1, size, size / (size + mean)))


def _binomial(mean: float, even: float) -> Callable[[float], float]:
    trials = max(round(mean / max(1 - even, 1e-6)), 1)
    return lambda k: float(binom.cdf(k - 1, trials, min(mean / trials, 1)))


def test_more_scatter_widens_an_interval() -> None:
    low, high = interval(np.full(4, 50.0), 50 * np.array([0.5, 1, 2, 8]), 0.9)
    assert (np.diff(high - low) > 0).all()


@pytest.mark.parametrize(("level", "place"), [(0.0, 0.0), (0.3, 0.0), (0.1, 0.4)])
def test_the_spread_of_past_windows_is_found(level: float, place: float) -> None:
    spread = fit_spread(cells_of(level, place, days=24), NEEDS)
    town_wide = np.sqrt(level**2 + place**2 / 8)
    assert spread.level.mean() == pytest.approx(town_wide, abs=0.06)
    assert spread.place.mean() == pytest.approx(place, abs=0.06)
    cells, half = cells_of(level, place, days=24), NEEDS // 2
    fewer = fit_spread(cells[cells["need"] < half], NEEDS)
    assert (fewer.freedom[:half] == spread.freedom[:half]).all()  # other needs count up to a limit


def test_intervals_made_without_a_window_hold_it() -> None:
    table = told_by_need(held_out(cells_of(0.25, 0.2), NEEDS), [f"n{one}" for one in range(NEEDS)])
    whole = table[table["need"] == "all"].set_index(["place", "span"])
    assert whole["within_90"].to_numpy() == pytest.approx(0.9, abs=0.06)
    assert whole["within_80"].to_numpy() == pytest.approx(0.8, abs=0.08)
    assert (table["low_90"] <= table["within_90"] + 1e-9).all()
    assert (table["within_90"] <= table["high_90"] + 1e-9).all()
    assert set(table["need"]) == {"all", *(f"n{one}" for one in range(NEEDS))}


def test_without_a_past_the_spread_is_the_usual_one(tmp_path) -> None:
    usual = unknown_spread(2)
    assert (fit_spread(pd.DataFrame(), 2).level == usual.level).all()
    usual.save(tmp_path)
    loaded = Spread.load(tmp_path)
    assert loaded is not None and (loaded.freedom == usual.freedom).all()
    assert told_by_need(pd.DataFrame(), ["meals"]).empty


def test_the_towns_row_is_the_sum_of_its_grids() -> None:
    known = town([])
    p = np.linspace(0.01, 0.5, 80)
    table = own_windows(demand_ahead(scores_of(known, p), known))
    town_row, grids = table[table["grid_id"] == ""], table[table["grid_id"] != ""]
    assert town_row["expected"].item() == pytest.approx(p.sum())
    assert grids["expected"].sum() == pytest.approx(p.sum())
    assert town_row["households"].item() == 80 == grids["households"].sum()
    assert (town_row["begins"].item(), town_row["ends"].item()) == (date(2025, 9, 1), date(2025, 9, 29))


def test_a_need_without_a_season_is_told_by_the_length_of_a_month() -> None:
    known = town([])
    table = demand_ahead(scores_of(known, 0.01), known)
    months = table[(table["grid_id"] == "") & (table["span"] != "window")]
    assert list(months["span"]) == ["2025-09", "2025-10", "2025-11", "2025-12"]
    days = np.array([30, 31, 30, 31])
    assert months["expected"].to_numpy() == pytest.approx(80 * (1 - 0.99 ** (days / 28)))


def test_a_month_with_many_requests_every_year_is_told_higher() -> None:
    draw = np.random.default_rng(3)
    days = DAY - 1 - draw.integers(0, 4 * 365, 3000)
    autumn = [day for day in days if date.fromordinal(day + 719163).month in (10, 11) or draw.random() < 0.2]
    requests = [
        {"household_id": f"h{draw.integers(80):03}", "need": "meals", "requested_at": day + 0.5}
        for day in autumn
    ]
    known = town(requests)
    table = demand_ahead(scores_of(known, 0.05), known)
    months = table[(table["grid_id"] == "")].set_index("span")["expected"]
    assert months["2025-10"] > 1.5 * months["2025-09"]
    assert months["2025-10"] > 1.5 * months["2025-12"]


def test_past_cells_compare_what_was_expected_with_who_came() -> None:
    requests = [
        {"household_id": "h000", "need": "meals", "requested_at": DAY - 50.0},
        {"household_id": "h000", "need": "meals", "requested_at": DAY - 49.0},
        {"household_id": "h001", "need": "meals", "requested_at": DAY - 56.0},
        {"household_id": "h005", "need": "meals", "requested_at": DAY - 57.0},
    ]
    visit = {"household_id": "h002", "need": "meals", "contacted_at": DAY - 40, "arm": "targeted"}
    known = town(requests, outreach=[visit | {"outcome": "needed", "outreach_id": "o1"}])
    every = np.arange(80, dtype=np.int32)
    zero = np.zeros(80, dtype=np.int16)
    cells = past_cells(records_of(known), known, every, zero, np.full(80, DAY - 56), np.full(80, 0.02))
    window = cells[cells["span"] == WINDOW].set_index("grid")
    assert window["observed"].to_dict() == {0: 1, 1: 1, 2: 1, 3: 0}
    assert window["expected"].sum() == pytest.approx(1.6)
    assert window["variance"].sum() == pytest.approx(80 * 0.02 * 0.98)  # of independent households
    assert (cells["ends"] <= DAY).all()


def test_a_visit_that_found_the_need_counts_as_demand() -> None:
    visit = {"household_id": "h002", "need": "meals", "contacted_at": DAY - 5, "outreach_id": "o1"}
    for arm, outcome, counts in (
        ("targeted", "needed", True),
        ("targeted", "not_needed", False),
        ("random", "needed", False),
    ):
        known = town([], outreach=[visit | {"arm": arm, "outcome": outcome}])
        assert came(known, np.array([DAY - 6.0]), np.array([DAY - 4.0]))[2, 0] == counts


@pytest.mark.parametrize(
    ("day", "later", "begins"),
    [("2025-11-15", 0, "2025-11-01"), ("2025-11-15", 2, "2026-01-01"), ("2025-12-31", 12, "2026-12-01")],
)
def test_months_over_the_turn_of_the_year(day: str, later: int, begins: str) -> None:
    assert month_begin(day_of(date.fromisoformat(day)), later) == day_of(date.fromisoformat(begins))


def test_spans_are_the_window_the_rest_of_the_month_and_three_more() -> None:
    community = make_community([{"id": "meals", "horizon_weeks": 4, "lead_weeks": 1}])
    begin, end = spans(community, day_of(date(2025, 9, 10)))
    assert [str(date.fromordinal(int(one) + 719163)) for one in begin[0]] == [
        "2025-09-17", "2025-09-10", "2025-10-01", "2025-11-01", "2025-12-01",
    ]  # fmt: skip
    assert end[0, 1] == begin[0, 2] and end[0, 0] - begin[0, 0] == 28


def test_the_figure_of_a_town_of_many_grids_shows_those_with_most() -> None:
    community = make_community([{"id": "meals", "horizon_weeks": 8}])

    def size(grids: int) -> bytes:
        ids = [f"g{at:04}" for at in range(grids)]
        rows = {"need": "meals", "span": WINDOWS, "grid_id": ids, "households": 100}
        return grids_figure(pd.DataFrame({**rows, "expected": np.arange(grids) + 1.0}), community)[16:24]

    assert size(MOST_GRIDS - 1) != size(MOST_GRIDS) == size(3 * MOST_GRIDS)

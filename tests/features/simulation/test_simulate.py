"""A synthetic town: valid in the contract, the same for the same seed, with a truth that holds."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.contract.settings_file import read_community
from features.contract.tables import TABLES
from features.language import UserError
from features.simulation.office import Office
from features.simulation.simulate import make_town, simulate
from features.simulation.table_files import Names, request_table
from features.simulation.town import NONE, Visits

END = date(2025, 8, 25)
AS_OFS = [END - timedelta(weeks=weeks) for weeks in (0, 26)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("town")
    simulate(out, households=3000, weeks=110, end=END, as_ofs=AS_OFS, dirty=0, draws=20, seed=3)
    return out


@pytest.fixture(scope="module")
def truth(town: Path) -> pd.DataFrame:
    return pd.read_parquet(town / "truth" / "probabilities.parquet")


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.*")}


def test_same_seed_same_files(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        simulate(tmp_path / name, households=150, weeks=60, end=END, seed=seed, draws=2, dirty=0.1)
    one, again, other = (files_of(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one["requests.csv"] != other["requests.csv"]


@pytest.mark.parametrize("style", [0, 1, 2])
def test_every_style_is_in_the_contract(tmp_path: Path, style: int) -> None:
    simulate(tmp_path, households=200, weeks=90, end=END, style=style, draws=1, dirty=0)
    loaded = read_community(tmp_path / "community.yaml")
    households = pd.read_csv(tmp_path / "households.csv")
    assert loaded.unread == []
    assert len(loaded.community.needs) == 12
    for need in loaded.community.needs:
        assert not need.who or need.who.split()[0] in households.columns
    for name, table in TABLES.items():
        if name in ("feedback", "programme_history"):  # come back from the lists, or from no programme
            continue
        frame = (
            pd.read_parquet(tmp_path / f"{name}.parquet")
            if name == "residents"
            else pd.read_csv(tmp_path / f"{name}.csv")
        )
        needed = {column for column, kind in table.columns.items() if kind.required}
        assert needed <= set(frame.columns)
        assert frame[sorted(needed)].notna().all(axis=None)
        assert not frame.duplicated(list(table.key)).any()
        if not table.attributes:
            assert set(frame.columns) <= set(table.columns)


def test_nothing_known_only_after_the_end_is_exported(town: Path) -> None:
    requests = pd.read_csv(town / "requests.csv")
    for table, column in (
        ("households", "valid_from"),
        ("requests", "recorded_at"),
        ("outreach", "contacted_at"),
    ):
        assert pd.to_datetime(pd.read_csv(town / f"{table}.csv")[column]).max() < pd.Timestamp(END)
    assert pd.to_datetime(requests["resolved_at"]).max() < pd.Timestamp(END)
    assert requests.loc[requests["resolved_at"].isna(), "satisfaction"].isna().all()
    future = pd.read_parquet(town / "truth" / "future_requests.parquet")
    assert (pd.to_datetime(future["recorded_at"]) >= pd.Timestamp(END)).all()
    assert not set(future["request_id"]) & set(requests["request_id"])


def test_needs_that_go_on_or_that_nobody_asked_for_have_empty_weeks(town: Path) -> None:
    needs = pd.read_parquet(town / "truth" / "needs.parquet")
    for week in ("end_week", "asked_week"):
        told = needs[week].dropna()
        assert 0 < len(told) < len(needs)
        assert told.abs().max() < 600


def test_truth_stays_out_of_the_contract_files(town: Path) -> None:
    latent = {"frailty", "reporting", "p_request", "p_need", "in_need", "new_resident"}
    names = set(pd.read_csv(town / "households.csv").columns) | set(
        pd.read_parquet(town / "residents.parquet")
    )
    assert not names & latent


def test_true_probabilities_come_true(truth: pd.DataFrame) -> None:
    """Asked and in need as often as the probabilities say, also among the likely and the unlikely ones."""
    for chance, happened in (("p_request", "asked"), ("p_need", "in_need")):
        part = pd.qcut(truth[chance], [0, 0.5, 0.9, 0.98, 1], labels=False)
        for _, rows in truth.groupby(part):
            chances = rows[chance].to_numpy(np.float64)
            spread = np.sqrt((chances * (1 - chances)).sum())
            assert abs(rows[happened].sum() - chances.sum()) < 4.5 * spread + 0.03 * chances.sum()


def test_some_kinds_of_household_report_less(truth: pd.DataFrame) -> None:
    newest = truth[truth["as_of"] == END.isoformat()]
    for group in ("new_resident", "elder_alone", "low_income"):
        share = newest.groupby(group)["reporting"].mean()
        assert share[True] < share[False] - 0.05
    silent = newest[newest["in_need"] & ~newest["asked_within_12_weeks"]]
    assert silent["new_resident"].mean() > 1.5 * newest["new_resident"].mean()


def test_random_visits_have_the_propensity_of_their_draw(town: Path) -> None:
    visits = pd.read_csv(town / "outreach.csv")
    random = visits[visits["arm"] == "random"]
    assert random["propensity"].between(0, 1, inclusive="neither").all()
    assert visits.loc[visits["arm"] == "targeted", "propensity"].isna().all()
    # Horvitz-Thompson: inverse propensities add up to the pairs that could have been drawn each week
    week = (pd.to_datetime(random["contacted_at"]) - pd.Timestamp(END)).dt.days // 7
    drawn = (1 / random["propensity"]).groupby(week).sum()
    pairs = pd.read_parquet(town / "truth" / "probabilities.parquet")
    expected = pairs.groupby("as_of").size()
    assert expected.min() * 0.8 < drawn.mean() < expected.max() * 1.2


def test_needed_visit_ends_the_need_and_leaves_no_request() -> None:
    """With the same luck, a visited town loses the requests of the needs that were met, and no others."""
    left, visited = (make_town(800, 30, 5, 4, 12, END, 0)[0] for _ in range(2))
    silent = np.argwhere((left.state > NONE) & (left.asked_at < left.begun))
    visits = Visits(silent[:, 0], silent[:, 1], np.ones(len(silent), bool))
    met = visited.step(visits)
    unmet = left.step()
    assert met.needed.all()
    assert (visited.state[silent[:, 0], silent[:, 1]] == NONE).all()
    pairs = set(map(tuple, silent))
    asked = [set(zip(week.household.tolist(), week.need.tolist(), strict=True)) for week in (unmet, met)]
    assert asked[0] & pairs
    assert asked[1] == asked[0] - pairs


def test_unreached_visit_changes_nothing() -> None:
    left, visited = (make_town(300, 20, 5, 2, 6, END, 0)[0] for _ in range(2))
    everyone = np.repeat(np.arange(300), 2)
    needs = np.tile([0, 1], 300)
    happened = visited.step(Visits(everyone, needs, np.zeros(600, bool)))
    left.step()
    assert not happened.needed.any()
    assert (visited.state == left.state).all()


def test_requests_of_past_weeks_do_not_change_when_a_week_is_added() -> None:
    town, community, _ = make_town(400, 30, 1, 2, 6, END, 0)
    office, names = Office(town), Names(town)
    for _ in range(20):
        office.live_a_week()
    before = request_table(town, names, community, office.requests)
    office.live_a_week()
    after = request_table(town, names, community, office.requests).iloc[: len(before)]
    same = ["request_id", "household_id", "requested_at", "need", "text", "recorded_at", "channel"]
    pd.testing.assert_frame_equal(before[same], after[same])


def test_dirty_rows_are_added_and_good_ones_kept(tmp_path: Path) -> None:
    clean = simulate(tmp_path / "clean", households=300, weeks=60, end=END, draws=1, dirty=0)
    simulate(tmp_path / "dirty", households=300, weeks=60, end=END, draws=1, dirty=0.2)
    requests = pd.read_csv(tmp_path / "dirty" / "requests.csv", dtype=str)
    assert len(requests) == round(1.2 * clean["requests"])
    good = pd.read_csv(tmp_path / "clean" / "requests.csv", dtype=str)
    assert set(good["request_id"]) <= set(requests["request_id"])
    assert requests["requested_at"].str.contains("年").any()
    (tmp_path / "dirty" / "workers.csv").read_bytes().decode("gb18030")
    with pytest.raises(UnicodeDecodeError):
        (tmp_path / "dirty" / "workers.csv").read_text("utf-8")


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2025-08-26 不是星期一"):
        simulate(tmp_path, end=date(2025, 8, 26))
    with pytest.raises(UserError, match="2030-01-07 不在"):
        simulate(tmp_path, end=END, as_ofs=[date(2030, 1, 7)])
    with pytest.raises(UserError, match="网格"):
        simulate(tmp_path, grids=9, microgrids=3)
    (tmp_path / "requests.csv").write_text("request_id\n")
    with pytest.raises(UserError, match="已有别的数据"):
        simulate(tmp_path, end=END)

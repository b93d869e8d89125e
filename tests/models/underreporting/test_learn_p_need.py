"""p_need learned from random visits, in a town whose newcomers keep their needs to themselves."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hand_made import hand_made_model
from quiet_town import AS_OF, NEEDS, QuietTown, make_quiet_town
from scipy.special import expit

from features.blocks.build import Features, build
from features.contract.tables import OUTCOMES
from features.language import speaking
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, known_before
from models.dataset.sample import Table, training_table
from models.fairness.audit import audit_visits
from models.scoring.model import NeedModel
from models.scoring.score import score
from models.training.learn_p_need import NeedFit, fit_need, gather_visits, with_visits
from models.underreporting.calibration import fit_need_calibration
from models.underreporting.comparison import HOUSEHOLDS, METRICS, REQUEST, choose
from models.underreporting.design import ASKED_WITHIN, DesignMatrix
from models.underreporting.estimators import VISITS
from models.underreporting.reporting import fit_positive_unlabelled, fit_reporting_rate

DAYS = tuple(range(AS_OF - 7 * 50, AS_OF - 7 * 8, 28))
TOP = 50


@dataclass(frozen=True)
class Fitted:
    town: QuietTown
    known: Known
    model: NeedModel
    table: Table
    fit: NeedFit
    features: Features
    silent: np.ndarray  # bool per row of features: did not ask within twelve weeks

    def p_need(self, model: NeedModel) -> np.ndarray:
        odds = model.log_odds(self.features)
        return model.p_need(self.features, self.known, odds, expit(odds))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    town = make_quiet_town()
    known = known_before(town.records, AS_OF)
    plain = hand_made_model(known, {"expected_requests": 1.0, "requests_364_days": 0.3})
    table = training_table(lambda: (town.records, known), plain.schema, DAYS)
    fit = fit_need(gather_visits(town.records, known, plain.schema, table), known, plain)
    features = build(known, cohort(known), plain.schema)
    with np.errstate(invalid="ignore"):
        silent = ~(features.matrix[:, features.names.index("days_since_request")] <= 84)
    return Fitted(town, known, with_visits(plain, fit), table, fit, features, silent)


def refit(fitted: Fitted, **outreach: np.ndarray) -> NeedFit:
    """What is learned when columns of the outreach table are these."""
    records = replace(fitted.town.records, outreach=replace(fitted.town.records.outreach, **outreach))
    return fit_of(fitted, records)


def fit_of(fitted: Fitted, records: Records) -> NeedFit:
    known = known_before(records, AS_OF)
    return fit_need(gather_visits(records, known, fitted.model.schema, fitted.table), known, fitted.model)


def test_newcomers_are_found_without_being_told_who_they_are(fitted: Fitted) -> None:
    household = fitted.features.rows.household
    newcomer = fitted.town.newcomer[household]
    there = fitted.town.silent_need[household, fitted.features.rows.need]
    assert newcomer[there].mean() > 0.5, "most of the silent needs are theirs"

    def share(p: np.ndarray) -> float:
        rows = np.flatnonzero(fitted.silent)
        return float(newcomer[rows[np.argsort(-p[rows])[:TOP]]].mean())

    assert share(fitted.model.predict(fitted.features)) < 0.2
    assert share(fitted.p_need(fitted.model)) > 0.5


def test_the_number_of_silent_needs_is_about_right(fitted: Fitted) -> None:
    rows = fitted.features.rows
    there = fitted.town.silent_need[rows.household, rows.need]
    predicted = fitted.p_need(fitted.model)[fitted.silent].sum()
    assert predicted == pytest.approx(there[fitted.silent].sum(), rel=0.3)


def test_visits_from_lists_never_pass_for_visits_by_lot(fitted: Fitted) -> None:
    rows = fitted.town.records.outreach
    found = rows.random & (rows.outcome == OUTCOMES.index("needed"))
    listed = {name: np.concatenate([one, one[found]]) for name, one in vars(rows).items()}
    listed["random"] = np.concatenate([rows.random, np.zeros(found.sum(), dtype=bool)])
    listed["propensity"] = np.concatenate([rows.propensity, np.full(found.sum(), np.nan)])
    listed["outreach_id"] = np.concatenate([rows.outreach_id, [f"list-{one}" for one in range(found.sum())]])
    fit = fit_of(fitted, replace(fitted.town.records, outreach=type(rows)(**listed)))
    assert fit.visited is not None and fitted.fit.visited is not None
    assert fit.visited.metadata["targeted"] > 0
    assert fit.visited.metadata["found"] == fitted.fit.visited.metadata["found"]
    assert len(fit.held_out) == len(fitted.fit.held_out)
    place = fitted.features.rows
    there = fitted.town.silent_need[place.household, place.need]
    p = fitted.p_need(with_visits(fitted.model, fit))[fitted.silent]
    assert p.sum() == pytest.approx(there[fitted.silent].sum(), rel=0.3), "every listed visit found a need"


def test_estimators_are_compared_on_visits_they_were_not_fitted_to(fitted: Fitted) -> None:
    table = fitted.fit.comparison
    assert table["estimator"].nunique() >= 5
    assert set(table["metric"]) == set(METRICS)
    assert (table["low"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["high"] + 1e-9).all()
    loss = table[(table["metric"] == "log_loss") & (table["validation"] == HOUSEHOLDS)]
    loss = loss.set_index("estimator")["value"]
    assert loss[VISITS] < loss[REQUEST]


def test_every_visit_is_told_without_its_household(fitted: Fitted) -> None:
    held_out = fitted.fit.held_out
    assert held_out is not None and len(held_out) > 1000
    assert held_out["p_need"].sum() == pytest.approx(held_out["found"].sum(), rel=0.2)
    silent = held_out[held_out["silent"]]
    newcomer = fitted.town.newcomer[silent["household"]]
    part = silent["found"][newcomer].sum() / silent["found"].sum()
    assert silent["p_need"][newcomer].sum() / silent["p_need"].sum() == pytest.approx(part, abs=0.1)
    assert silent["p_request"][newcomer].sum() / silent["p_request"].sum() < part - 0.2
    groups = audit_visits(fitted.town.records, fitted.known, held_out)
    assert groups.set_index("group").loc["all", "positives"] == held_out["found"].sum()


def test_a_saved_model_gives_the_same_p_need(fitted: Fitted, tmp_path) -> None:
    fitted.model.save(tmp_path)
    assert not list(tmp_path.glob("*.pkl"))
    again = NeedModel.load(tmp_path)
    np.testing.assert_array_equal(fitted.p_need(again), fitted.p_need(fitted.model))
    assert again.silence() == fitted.model.silence()


def test_scores_carry_both_probabilities(fitted: Fitted) -> None:
    scores = score(fitted.town.records, fitted.model, AS_OF).scores
    assert scores["p_need"].between(0, 1).all()
    assert (scores["p_need"] != scores["p_request"]).any()
    first = scores[scores["rank"] == 1].set_index("need")["p_need"]
    assert (first == scores.groupby("need")["p_need"].max()).all()


MISLEADING = {
    "nobody was reached": {
        "outcome": lambda rows: np.full(len(rows), OUTCOMES.index("not_reached"), np.int8)
    },
    "no outcome came back": {"outcome": lambda rows: np.full(len(rows), -1, np.int8)},
    "propensity missing": {"propensity": lambda rows: np.full(len(rows), np.nan)},
    "propensity zero": {"propensity": lambda rows: np.zeros(len(rows))},
    "all visits targeted": {"random": lambda rows: np.zeros(len(rows), dtype=bool)},
    "nothing was found": {"outcome": lambda rows: np.full(len(rows), OUTCOMES.index("not_needed"), np.int8)},
}


@pytest.mark.parametrize("how", MISLEADING)
def test_misleading_visits_leave_p_request_and_one_line_that_says_so(fitted: Fitted, how: str) -> None:
    rows = fitted.town.records.outreach
    fit = refit(fitted, **{name: make(rows) for name, make in MISLEADING[how].items()})
    model = with_visits(fitted.model, fit)
    assert fit.visited is None
    assert fit.comparison.empty
    np.testing.assert_array_equal(fitted.p_need(model), expit(model.log_odds(fitted.features)))
    assert model.silence().startswith("分数说的是会不会来申请，没有纠正")
    with speaking("en"):
        assert model.silence().startswith("p_need equals p_request, silence is not corrected: ")
        assert "\n" not in model.silence()


def test_outcomes_that_contradict_each_other_are_no_evidence(fitted: Fitted) -> None:
    rows = fitted.town.records.outreach
    twice = np.repeat(np.arange(len(rows)), 2)
    columns = {name: value[twice] for name, value in vars(rows).items()}
    met = np.isin(columns["outcome"], (0, 1))
    columns["outcome"] = np.where(met, np.arange(len(twice)) % 2, columns["outcome"]).astype(np.int8)
    fit = fit_of(fitted, replace(fitted.town.records, outreach=type(rows)(**columns)))
    assert fit.visited is None
    assert "矛盾" in fit.silence["zh"]


def test_the_visit_model_stays_unless_another_is_clearly_better() -> None:
    draw = np.random.default_rng(0)
    usual = draw.random(1000)
    near = usual - 0.001 + 0.5 * draw.standard_normal(1000)
    assert choose({VISITS: usual, "other": near - (near - usual).mean() - 1e-3}) == VISITS
    assert choose({VISITS: usual, "other": usual - 0.1}) == "other"


def design_of(score: np.ndarray, kinds: np.ndarray, asked: np.ndarray) -> DesignMatrix:
    count = len(score)
    return DesignMatrix(
        np.arange(count),
        np.arange(count) % 2,
        score,
        kinds,
        np.zeros((count, 1)),
        np.zeros((count, 1), dtype=np.float32),
        asked,
        asked == len(ASKED_WITHIN),
        np.zeros(count, dtype=bool),
    )


def test_reporting_is_told_from_need_by_what_visits_find() -> None:
    draw = np.random.default_rng(0)
    count = 60_000
    kinds = np.zeros((count, 3))
    kinds[:, 0] = -1.2 * (draw.random(count) < 0.3)  # asks for less, and reports less
    kinds[:, 1] = -1.2 * (draw.random(count) < 0.3)  # asks for less, and needs less
    score = draw.normal(2, 0.5, count)  # log of requests a day, about USUAL_SCORE
    reports = 0.7 * np.exp(kinds[:, 0])
    stock = 10 * np.exp(score - 7 + kinds.sum(axis=1)) * (1 - reports) / reports
    found = (draw.random(count) < -np.expm1(-stock)).astype(float)
    silent = np.full(count, len(ASKED_WITHIN), dtype=np.int8)
    design = design_of(score + kinds.sum(axis=1), kinds, silent)
    fitted = fit_reporting_rate(design, found, np.ones(count), len(NEEDS))
    assert fitted.share[0] == pytest.approx(1, abs=0.25)
    assert fitted.share[1] == pytest.approx(0, abs=0.25)
    p = expit(fitted.log_odds(design))
    assert p[kinds[:, 0] < 0].sum() == pytest.approx(found[kinds[:, 0] < 0].sum(), rel=0.1)


def test_labelled_needs_tell_how_many_are_unlabelled() -> None:
    draw = np.random.default_rng(0)
    count = 60_000
    quiet = draw.random(count) < 0.4
    reports = np.where(quiet, 0.2, 0.8)
    need = draw.random(count) < 0.05
    labelled = need & (draw.random(count) < reports)
    kinds = np.column_stack([np.where(quiet, -1.4, 0), draw.normal(0, 0.01, count), np.zeros(count)])
    design = design_of(np.log(reports) + 3, kinds, np.where(labelled, 0, len(ASKED_WITHIN)).astype(np.int8))
    fitted = fit_positive_unlabelled(design, need.astype(float), np.ones(count), len(NEEDS))
    p = expit(fitted.log_odds(design))
    for group in (quiet, ~quiet):
        rows = group & design.silent
        assert p[rows].sum() == pytest.approx(need[rows].sum(), rel=0.2)


def test_a_calibration_without_evidence_changes_little() -> None:
    score = np.linspace(-4, 0, 30)
    design = design_of(score, np.zeros((30, 3)), np.full(30, len(ASKED_WITHIN), dtype=np.int8))
    found = (np.arange(30) % 10 == 9).astype(float)
    fitted = fit_need_calibration(score, design, found, np.ones(30), np.zeros(30), len(NEEDS))
    assert np.abs(fitted.log_odds(score, design) - score).max() < 0.5


def test_calibration_finds_the_level_of_silent_pairs_and_of_those_that_asked() -> None:
    draw = np.random.default_rng(1)
    count = 40_000
    score = draw.normal(-3, 1, count)
    asked = draw.integers(0, len(ASKED_WITHIN) + 1, count).astype(np.int8)
    level = np.array([2.0, 1.0, 0.5, -0.4])
    found = (draw.random(count) < expit(score + level[asked])).astype(float)
    design = design_of(score, np.zeros((count, 3)), asked)
    fitted = fit_need_calibration(score, design, found, np.ones(count), np.zeros(count), len(NEEDS))
    p = expit(fitted.log_odds(score, design))
    for group in range(len(level)):
        assert p[asked == group].sum() == pytest.approx(found[asked == group].sum(), rel=0.06)


def test_the_level_of_p_need_follows_the_newer_visits() -> None:
    draw = np.random.default_rng(2)
    count = 40_000
    score, as_of = draw.normal(-3, 1, count), np.repeat([0, 6 * 364], count // 2)
    for level in (-1.0, 1.0):
        found = (draw.random(count) < expit(score + level * (as_of > 0))).astype(float)
        design = design_of(score, np.zeros((count, 3)), np.full(count, len(ASKED_WITHIN), dtype=np.int8))
        fitted = fit_need_calibration(score, design, found, np.ones(count), as_of, len(NEEDS))
        p = expit(fitted.log_odds(score, design))
        assert p[as_of > 0].sum() == pytest.approx(found[as_of > 0].sum(), rel=0.1)


def test_a_need_that_is_kept_silent_more_than_others_has_a_level_of_its_own() -> None:
    draw = np.random.default_rng(3)
    for count, close in ((40_000, 0.06), (400, 0.8)):
        score = draw.normal(-3, 1, count)
        asked = draw.choice([0, len(ASKED_WITHIN)], count).astype(np.int8)
        design = design_of(score, np.zeros((count, 3)), asked)
        level = np.where(design.need == 1, 0.7, -0.7) * design.silent
        found = (draw.random(count) < expit(score + level)).astype(float)
        fitted = fit_need_calibration(score, design, found, np.ones(count), np.zeros(count), len(NEEDS))
        p = expit(fitted.log_odds(score, design))
        for need in range(len(NEEDS)):
            for group in (design.silent, design.lately):
                rows = group & (design.need == need)
                assert p[rows].sum() == pytest.approx(expit(score + level)[rows].sum(), rel=close)


def test_needs_that_visits_find_as_often_as_expected_keep_one_level() -> None:
    count = 2000
    score = np.full(count, -2.0)
    design = design_of(score, np.zeros((count, 3)), np.full(count, len(ASKED_WITHIN), dtype=np.int8))
    found = (np.arange(count) // 2 % 8 == 0).astype(float)
    fitted = fit_need_calibration(score, design, found, np.ones(count), np.zeros(count), len(NEEDS))
    assert np.ptp(fitted.need_shift) < 1e-3

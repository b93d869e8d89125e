"""The report: tables, figures whose Chinese can be read, and a model card that says plainly who wins."""

import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made import AS_OF, BAD, GOOD, hand_made_model, hand_made_retrain, make_town, small_community
from make_records import records_of
from matplotlib.image import imread

from features.language import speaking
from features.point_in_time.records import Known, known_before
from models.evaluation.baselines import RANKERS
from models.evaluation.evaluate import Evaluation
from models.evaluation.plots import as_png, chinese_text, draw_lift, panels
from models.evaluation.verdict import verdict_lines
from models.report.card import against_baselines, decide, model_card
from models.report.figures import draw_validation
from models.report.report import write_report
from models.training.retrain import Retrained


@pytest.fixture(scope="module")
def known() -> Known:
    town = make_town(community=small_community(features={"exclude": ["ethnicity"]}))
    return known_before(town, AS_OF)


@pytest.fixture(scope="module")
def good(known: Known) -> Retrained:
    return hand_made_retrain(records_of(known), hand_made_model(known, GOOD))


@pytest.fixture(scope="module")
def bad(known: Known, good: Retrained) -> Retrained:
    return hand_made_retrain(records_of(known), hand_made_model(known, BAD), champion=good.model)


def card(retrained: Retrained, known: Known, language: str = "zh", has_champion: bool = False) -> str:
    return model_card(retrained, known, against_baselines(retrained, known), has_champion, language)


@pytest.fixture(scope="module")
def report(good: Retrained, known: Known, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns about every letter that its font lacks
        write_report(good, known, False, directory)
    return directory


def test_every_file_is_there_for_the_town_and_for_each_need(report: Path, good: Retrained) -> None:
    tables = {"metrics.csv", "reliability.csv", "lift.csv", "importance.csv"}
    figures = {"overview.png", "reliability.png", "lift.png", "groups.png"}
    cards = {"model_card.zh.md", "model_card.en.md"}
    assert {path.name for path in report.iterdir()} == tables | figures | cards | {
        "against_baselines.csv",
        "groups.csv",
        "verdicts.csv",
        "needs",
    }
    for need in good.model.schema.needs:
        assert {path.name for path in (report / "needs" / need).iterdir()} == tables | {"report.png"}
        assert set(pd.read_csv(report / "needs" / need / "lift.csv")["need"]) == {need}
    assert len(pd.read_csv(report / "metrics.csv")) == len(good.metrics)
    assert pd.read_csv(report / "importance.csv")["meaning"].notna().all()


def test_figures_are_drawn(report: Path) -> None:
    for path in report.rglob("*.png"):
        image = imread(path)[..., :3]
        assert min(image.shape[:2]) > 250, path
        assert 0.01 < (image < 0.9).any(axis=2).mean() < 0.6, path


def test_chinese_is_drawn_with_letters_not_boxes() -> None:
    """Different characters give different pictures; a font without them draws one box for all."""
    pictures = []
    for text in ("暑期托管", "老年助餐"):
        with chinese_text():
            figure, (axes,) = panels(1)
            draw_lift(
                axes, pd.DataFrame({"ranker": ["model"], "share": [0.1], "lift": [2.0]}), {"model": text}
            )
            pictures.append(imread(BytesIO(as_png(figure))))
    assert pictures[0].shape == pictures[1].shape
    assert np.any(pictures[0] != pictures[1])


def test_the_card_says_plainly_that_a_baseline_wins(bad: Retrained, known: Known) -> None:
    chinese, english = card(bad, known, "zh", True), card(bad, known, "en", True)
    assert "对照方法更好的需求：家暴求助" in chinese
    assert "A baseline is better for: 家暴求助" in english
    assert "没有放行" in chinese and "名单命中率" in chinese
    assert "Not let through" in english and "precision at capacity" in english


def test_the_card_shows_the_measured_values(good: Retrained, known: Known) -> None:
    against = against_baselines(good, known).set_index("need")
    newest = good.metrics[good.metrics["fold"] == good.metrics["fold"].max()]
    of_meals = newest[(newest["need"] == "meals") & (newest["metric"] == "precision_at_capacity")]
    best = of_meals[of_meals["ranker"] != "model"]["value"].max()
    assert against.loc["meals", "baseline_value"] == best
    text = card(good, known)
    assert RANKERS[str(against.loc["meals", "baseline"])][0] in text
    assert f"{100 * best:.1f}%" in text
    assert ("对照方法更好的需求" in text) == (against["outcome"] == "worse").any()
    assert f"{int(known.present.sum())}" in text
    assert good.fingerprint[:12] in text
    assert "ethnicity" in text


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("zh", ("不得", "没有需要", "opt_outs", "局限", "校准误差")),
        ("en", ("must **not**", "not whether it is *in need*", "opt_outs", "Limits", "Calibration error")),
    ],
)
def test_the_card_says_what_the_model_is_not_for(
    good: Retrained, known: Known, language: str, wanted: tuple[str, ...]
) -> None:
    text = card(good, known, language)
    assert all(one in text for one in wanted)
    assert "{{" not in text and "nan" not in text


def test_the_card_says_whether_a_model_is_needed_and_who_is_left_out(good: Retrained, known: Known) -> None:
    chinese, english = card(good, known), card(good, known, "en")
    assert "到底要不要模型" in chinese and "谁被落下了" in chinese
    assert "Do we need a model at all" in english and "Who is left out" in english
    for line in verdict_lines(good.verdicts, known):
        assert line in chinese
    assert chinese.count("网格") > 2 and "| all |" in english


def test_without_validation_the_card_says_so(good: Retrained, known: Known, tmp_path: Path) -> None:
    nothing = replace(
        good,
        model=replace(good.model, modelled=np.zeros(3, dtype=bool), members=None),
        metrics=good.metrics[:0],
        reliability=good.reliability[:0],
        lift=good.lift[:0],
        importance=good.importance[:0],
        parameters={},
        validation=None,
        groups=None,
        verdicts=None,
    )
    write_report(nothing, known, False, tmp_path)
    assert "还没法检验" in (tmp_path / "model_card.zh.md").read_text("utf-8")
    assert decide(nothing, known, has_champion=False).allowed
    assert not decide(nothing, known, has_champion=True).allowed


def test_the_report_says_whether_demand_was_foreseen(good: Retrained, known: Known, tmp_path: Path) -> None:
    rows = [
        {"need": need, "place": place, "span": "window", "within_90": 0.875, "low_90": 0.6, "high_90": 0.97}
        for need in (*good.model.schema.needs, "all")
        for place in ("community", "grid")
    ]
    with_demand = replace(good, demand=pd.DataFrame(rows))
    assert "88% [60, 97]" in card(with_demand, known) and "预计的户数准不准" in card(with_demand, known, "zh")
    assert "intervals of demand" in card(with_demand, known, "en")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_report(with_demand, known, False, tmp_path / "report")
    assert (tmp_path / "report" / "demand.png").is_file() and (tmp_path / "report" / "demand.csv").is_file()


def test_a_need_whose_newest_fold_has_no_request_gets_an_empty_panel(good: Retrained, known: Known) -> None:
    gone = good.metrics["need"].iloc[0]
    lift, reliability = (table[table["need"] != gone] for table in (good.lift, good.reliability))
    found, lines = Evaluation(good.metrics, reliability, lift), list[str]()
    figures = draw_validation(known, good.model.schema, found, good.importance, None, lines)
    assert lines == []
    assert {"lift.png", "reliability.png", "overview.png"} <= set(figures)


def test_a_figure_that_fails_is_named_in_a_line_and_the_rest_is_written(
    good: Retrained, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("Data cannot be log-scaled")

    monkeypatch.setattr("models.report.figures.draw_lift", fail)
    monkeypatch.setattr("models.report.report.model_card", fail)
    with speaking("en"):
        lines = write_report(replace(good, figures=None), known, False, tmp_path / "report")
    assert len(lines) == 2
    assert all("Data cannot be log-scaled" in line for line in lines)
    assert "model card" in lines[0]
    assert "lift.png" in lines[1]
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"metrics.csv", "reliability.png", "overview.png", "groups.png"} <= written
    assert "lift.png" not in written

"""What retrain says first: at most a few warnings, then what follows from the verdicts."""

import pandas as pd
from hand_made import GOOD, hand_made_model, make_town
from small_town import AS_OF

from features.point_in_time.records import known_before
from models.evaluation.evaluate import Evaluation
from models.training.training_lines import MOST_WARNINGS, worst_lines

KNOWN = known_before(make_town(), AS_OF)
NONE = pd.DataFrame(columns=["need", "fold", "ranker", "metric", "value"])
FOUND = Evaluation(NONE, pd.DataFrame(), pd.DataFrame())


def lines(warnings: list[str], verdicts: list[tuple[str, str]]) -> list[str]:
    table = pd.DataFrame(verdicts, columns=["need", "verdict"])
    return worst_lines(
        warnings, [], hand_made_model(KNOWN, GOOD), KNOWN, table, FOUND, pd.DataFrame(columns=["group"])
    )


def test_warnings_come_first_and_what_does_not_fit_is_counted() -> None:
    found = lines([f"注意 {number}" for number in range(9)], [("all", "model"), ("meals", "model")])
    assert found[:MOST_WARNINGS] == [f"注意 {number}" for number in range(MOST_WARNINGS)]
    assert found[MOST_WARNINGS] == f"这样的注意还有 {9 - MOST_WARNINGS} 条，见报告"


def test_what_follows_from_a_simple_rule_being_enough_is_said_with_the_setting() -> None:
    (judged, rule) = lines(
        [], [("all", "model"), ("meals", "same_season"), ("childcare", "model"), ("refuge", "few")]
    )
    assert judged == "拿 2 项需求比过：有 1 项用模型明显好过简单规则"
    assert rule.startswith("老年助餐：简单规则就够") and "ranking: same_season" in rule


def test_no_need_for_which_the_model_is_better_is_said_in_words() -> None:
    assert (
        lines([], [("all", "model"), ("meals", "same_season")])[0]
        == "拿 1 项需求比过：没有一项用模型明显好过简单规则"
    )


def test_each_need_is_told_its_own_rule_and_none_where_no_rule_is_enough() -> None:
    _, *rules = lines(
        [],
        [
            ("all", "model"),
            ("meals", "request_count_all"),
            ("childcare", "same_season"),
            ("refuge", "logistic"),
        ],
    )
    assert [rule.split("：")[0] for rule in rules] == ["老年助餐", "暑期托管"]
    assert "ranking: request_count_all" in rules[0] and "ranking: same_season" in rules[1]

"""Lines on a retrain: dates and rows trained on, needs that were skipped, and each need's weights."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.contract.community import Ranking
from features.language import joined_names, say, say_line
from features.point_in_time.records import Known, date_of
from models.dataset.sample import Table
from models.dataset.split import Split
from models.evaluation.baselines import MODEL, RANKERS
from models.evaluation.evaluate import ALL, Evaluation, Validation
from models.evaluation.verdict import FEW
from models.fairness.lines import clearly_less
from models.scoring.model import NeedModel

MOST_WARNINGS, MOST_LEAKS = 4, 2
CHOOSABLE = tuple(rule for rule in get_args(Ranking) if rule != MODEL)
BY_COUNT = "request_count"


def training_lines(
    model: NeedModel, known: Known, table: Table, plan: Split, validation: Validation, evaluation: Evaluation
) -> list[str]:
    """Describe dates and rows trained on, needs skipped, each need's weights, and metrics of the newest fold.

    model: the new model.
    known: what it was trained on.
    table: the training table.
    plan: its dates and folds.
    validation: the validated rows.
    evaluation: their metrics.
    """
    first, last = date_of(plan.dates[0]), date_of(plan.dates[-1])
    lines = say_line(
        f"训练：{len(plan.dates)} 个日期（{first} 至 {last}），{len(table)} 行，{len(table.names)} 个特征",
        f"trained on {len(plan.dates)} dates ({first} to {last}), {len(table)} rows, {len(table.names)} features",
    )
    if validation.share < 1:
        share = f"{100 * validation.share:.0f}%"
        lines += say_line(
            f"验证：只看训练用的住户里抽出的 {share}",
            f"validated on a draw of {share} of the households trained on",
        )
    lines += [_skipped(known, int(need)) for need in np.flatnonzero(~model.modelled)]
    lines += [_won(known, model, int(need)) for need in np.flatnonzero(model.modelled)]
    return lines + _newest_fold(plan, evaluation)


def _skipped(known: Known, need: int) -> str:
    """Say why a need is not trained."""
    name = known.community.needs[need].name.here
    asked = int((known.requests.need == need).sum())
    others = say(
        f"的住户没有诉求（另有 {asked} 条来自不符合的住户或不在这段时间）",
        f" of households that can have it ({asked} are of others or of other times)",
    )
    others = others if asked else say("没有诉求", "")
    return say(
        f"{name}：训练期内{'符合条件' if asked else ''}{others}，跳过训练，按以往申请的比例打分",
        f"{name}: no requests{others} in the training period; not trained, scored by the rate of past requests",
    )


def _newest_fold(plan: Split, evaluation: Evaluation) -> list[str]:
    """Write what the model and a simple ranker reach in the newest fold."""
    fold, metrics = plan.folds[-1].name, evaluation.metrics
    overall = metrics[(metrics["need"] == ALL) & (metrics["fold"] == fold)]
    lines = []
    for ranker in (MODEL, "request_count"):
        rows = overall[overall["ranker"] == ranker].set_index("metric")["value"]
        if len(rows):
            top, average = (f"{rows[name]:.3f}" for name in ("precision_at_2_percent", "average_precision"))
            lines += say_line(
                f"最新一段验证（{fold} 起）{RANKERS[ranker][0]}：前2%命中率 {top}，平均精确率 {average}",
                f"newest fold (from {fold}) {ranker}: precision at 2% {top}, average precision {average}",
            )
    return lines


def _won(known: Known, model: NeedModel, need: int) -> str:
    name = known.community.needs[need].name.here
    linear, pooled, plain = (round(100 * weight) for weight in model.weights[need])
    return say(
        f"{name}：对数线性 {linear}%，合并训练的树 {pooled}%，单独训练的树 {plain}%",
        f"{name}: log-linear {linear}%, trees pooled over needs {pooled}%, trees of its own {plain}%",
    )


def worst_lines(
    warnings: Sequence[str],
    leaks: Sequence[str],
    model: NeedModel,
    known: Known,
    verdicts: pd.DataFrame,
    evaluation: Evaluation,
    groups: pd.DataFrame,
) -> list[str]:
    """Write what somebody should act on.

    warnings, leaks: lines on levels and orders that do not hold, and on attributes left out as leaks; each says what
        to do.
    model, known: the new model, and what it was trained on.
    verdicts, evaluation, groups: of ``Retrained``: whether a model is needed, metrics, and shares of groups.
    """
    return [
        *_first(warnings, MOST_WARNINGS),
        *_first(leaks, MOST_LEAKS),
        *_untrained(model, known),
        *_rules(verdicts, known),
        *_groups(groups, known),
        *_quality(evaluation),
    ]


def _first(lines: Sequence[str], most: int) -> list[str]:
    left = len(lines) - most
    more = say(f"这样的注意还有 {left} 条，见报告", f"{left} more such warnings: see the report")
    return [*lines[:most], *([more] if left > 0 else [])]


def _names(known: Known, needs: Sequence[str]) -> str:
    names = {need.id: need.name.here for need in known.community.needs}
    return joined_names(names[need] for need in needs)


def _untrained(model: NeedModel, known: Known) -> list[str]:
    few = [
        need.id for need, modelled in zip(known.community.needs, model.modelled, strict=True) if not modelled
    ]
    if not few:
        return []
    return say_line(
        f"{_names(known, few)}：能有这项需求的住户诉求太少，没有训练模型，名单上的先后只供参考；先照常登记，"
        "诉求多了再运行 xianying retrain",
        f"{_names(known, few)}: too few requests of households that can have it to train on, so take their order on"
        " lists as a hint only; go on recording, retrain when there are more",
    )


def _rules(verdicts: pd.DataFrame, known: Known) -> list[str]:
    """Say for how many needs the model is worth it, and for which of the others the office can choose a rule instead.

    Where only a ranking that community.yaml cannot name does as well, the needs stay with the model.
    """
    if verdicts.empty:
        return []
    judged = verdicts[(verdicts["need"] != ALL) & (verdicts["verdict"] != FEW)]
    chosen = {need.id: need.ranking for need in known.community.needs}
    by_model = int((judged["verdict"] == MODEL).sum())
    better = f"有 {by_model} 项" if by_model else "没有一项"
    lines = say_line(
        f"拿 {len(judged)} 项需求比过：{better}用模型明显好过简单规则",
        f"{len(judged)} needs can be judged: the model is clearly better than a rule for {by_model}",
    )
    for rule in CHOOSABLE:
        needs = [need for need in judged["need"][judged["verdict"] == rule] if chosen[need] == "model"]
        if needs:
            lines.append(_rule_is_enough(rule, _names(known, needs)))
    return lines


def _rule_is_enough(rule: str, names: str) -> str:
    return say(
        f"{names}：简单规则就够，两种排法差不多，继续用模型也行；想让人一看就懂，"
        f"在 community.yaml 的这些需求下写 ranking: {rule}（{RANKERS[rule][0]}），下次排名单起生效",
        f"{names}: a rule does as well; the model may stay. To have lists that anybody can check,"
        f" give the need ranking: {rule} ({RANKERS[rule][1].lower()}) in community.yaml; it holds from the next"
        " lists on",
    )


def _groups(groups: pd.DataFrame, known: Known) -> list[str]:
    """Name the groups that clearly get less than their share of the lists."""
    less = list(dict.fromkeys(clearly_less(groups)["group"])) if len(groups) else []
    if not less:
        return []
    members = membership(known)
    names = dict(zip(members.ids, members.names, strict=True))
    listed = joined_names(names[group].here for group in less if group in names)
    return say_line(
        f"{listed}：照需要来说，名单上排得明显偏少；可在 community.yaml 里调高 outreach.explore_share（抽签走访的份额），"
        "或写上 outreach.parity（各类人照需要分）",
        f"{listed}: clearly fewer on lists than in need; raise outreach.explore_share, or set outreach.parity",
    )


def _quality(evaluation: Evaluation) -> list[str]:
    """Say how many of a hundred visits in the newest validation would have found a request."""
    rows = evaluation.metrics[evaluation.metrics["need"] == ALL]
    if rows.empty:
        return []
    newest = rows[rows["fold"] == rows["fold"].iloc[-1]]
    values = newest[newest["metric"] == "precision_at_2_percent"].set_index("ranker")["value"]
    if MODEL not in values or BY_COUNT not in values:
        return []
    ours, theirs = 100 * values[MODEL], 100 * values[BY_COUNT]
    return say_line(
        f"拿最近一段时间验证：最前的 2% 里，每百户有 {ours:.0f} 户随后来申请；按近一年申请次数排，是 {theirs:.0f} 户",
        f"newest validation: of a hundred households among the first 2%, {ours:.0f} asked later; by requests within a"
        f" year {theirs:.0f}",
    )

"""Lines on a retrain: dates and rows trained on, needs that were skipped, and each need's weights."""

import numpy as np

from features.language import say
from features.point_in_time.records import Known, date_of
from models.dataset.sample import Table
from models.dataset.split import Split
from models.evaluation.baselines import MODEL, RANKERS
from models.evaluation.evaluate import ALL, Evaluation, Validation
from models.scoring.model import NeedModel


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
    lines = [
        say(
            f"训练：{len(plan.dates)} 个日期（{first} 至 {last}），{len(table)} 行，{len(table.names)} 个特征",
            f"trained on {len(plan.dates)} dates ({first} to {last}), {len(table)} rows, {len(table.names)} features",
        )
    ]
    if validation.share < 1:
        share = f"{100 * validation.share:.0f}%"
        lines.append(
            say(
                f"验证：只看训练用的住户里抽出的 {share}",
                f"validated on a draw of {share} of the households trained on",
            )
        )
    lines += [_skipped(known, int(need)) for need in np.flatnonzero(~model.modelled)]
    lines += [_won(known, model, int(need)) for need in np.flatnonzero(model.modelled)]
    return lines + _newest_fold(plan, evaluation)


def _skipped(known: Known, need: int) -> str:
    """Say why a need is not trained."""
    name = known.community.needs[need].name.here
    asked = int((known.requests.need == need).sum())
    others = say(
        f"的住户没有申请（另有 {asked} 条来自不符合的住户或不在这段时间）",
        f" of households that can have it ({asked} are of others or of other times)",
    )
    others = others if asked else say("没有申请", "")
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
            lines.append(
                say(
                    f"最新一段验证（{fold} 起）{RANKERS[ranker][0]}：前2%命中率 {top}，平均精确率 {average}",
                    f"newest fold (from {fold}) {ranker}: precision at 2% {top}, average precision {average}",
                )
            )
    return lines


def _won(known: Known, model: NeedModel, need: int) -> str:
    name = known.community.needs[need].name.here
    linear, pooled, plain = (round(100 * weight) for weight in model.weights[need])
    return say(
        f"{name}：对数线性 {linear}%，合并训练的树 {pooled}%，单独训练的树 {plain}%",
        f"{name}: log-linear {linear}%, trees pooled over needs {pooled}%, trees of its own {plain}%",
    )

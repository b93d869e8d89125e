"""Texts on the verdicts of ``models.evaluation.verdict``, in the language in force."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.language import say
from features.point_in_time.records import Known
from models.evaluation.baselines import GRID_AVERAGE, LOGISTIC, MODEL, RANKERS
from models.evaluation.evaluate import ALL
from models.evaluation.verdict import FEW, LONGER

NEGLIGIBLE = 0.5  # hits in 100 visits: a difference that nobody would notice


def verdict_lines(table: pd.DataFrame, known: Known) -> list[str]:
    """Describe the verdicts: how many of each kind, all needs together, then one line a need."""
    names = {ALL: say("各项合计", "all needs")} | {need.id: need.name.here for need in known.community.needs}
    rows = table.to_dict("records")
    lines = [_line(row, names[str(row["need"])]) for row in rows]
    return [_summary([str(row["verdict"]) for row in rows if row["need"] != ALL]), *lines] if rows else []


def _summary(verdict: list[str]) -> str:
    kinds = [entry if entry in (MODEL, GRID_AVERAGE, LOGISTIC, FEW) else "rule" for entry in verdict]
    names = {
        MODEL: say("用模型", "the model"),
        LOGISTIC: say("用逻辑回归", "logistic regression"),
        "rule": say("简单规则就够", "a rule is enough"),
        GRID_AVERAGE: say("按微网格整片走访就够", "whole micro-grids are enough"),
        FEW: say("申请太少不下结论", "too few requests to say"),
    }
    counted = say("，", ", ").join(
        say(f"{name} {kinds.count(kind)} 项", f"{name}: {kinds.count(kind)}")
        for kind, name in names.items()
        if kind in kinds
    )
    return say(
        f"到底要不要模型（按申请检验，看不到从不开口的需要）：{counted}",
        f"do we need a model (judged by requests, blind to needs that nobody voices): {counted}",
    )


def _line(row: Mapping, name: str) -> str:
    if row["verdict"] == FEW:
        few = say("申请太少，还不能下结论", "too few requests to say")
        return say(f"{name}：{few}", f"{name}: {few}")
    return say("。", ". ").join([_chosen(row, name), _access(row)]) + say("。", ".")


def _chosen(row: Mapping, name: str) -> str:
    baseline = say(*RANKERS[row["baseline"]])
    if row["verdict"] == MODEL:
        gain, between = f"{row['gain']:.1f}", _between(row, "gain")
        return say(
            f"{name}：用模型。每百次走访比最好的对照方法（{baseline}）多命中 {gain} 户（{between}），"
            f"那种方法每周要{_more(row)}才赶得上",
            f"{name}: the model. In 100 visits it hits {gain} households more than the best baseline"
            f" ({baseline.lower()}; {between}), which would need {_more(row)} to keep up",
        )
    text = say(f"{name}：{_simple(row['verdict'])}。", f"{name}: {_simple(row['verdict'])}. ")
    text += say("每百次走访，模型", "In 100 visits the model's hits differ ") + _apart(row, "gain", baseline)
    if row["verdict"] != row["baseline"]:
        text += say("；", "; ") + _apart(row, "gain_over_verdict", say(*RANKERS[row["verdict"]]))
    return text


def _simple(verdict: str) -> str:
    rule = RANKERS.get(verdict, ("", ""))
    return {
        GRID_AVERAGE: say(
            "按微网格整片走访就够了", "a programme for whole micro-grids is enough, those asking most first"
        ),
        LOGISTIC: say("简单的逻辑回归就够了", "a plain logistic regression is enough"),
    }.get(verdict, say(f"简单规则就够了（{rule[0]}）", f"a rule is enough ({rule[1].lower()})"))


def _apart(row: Mapping, gain: str, baseline: str) -> str:
    """Describe how far the model is from a baseline that it does not clearly beat."""
    points, between = f"{round(row[gain], 1) + 0.0:+.1f}", _between(row, gain)
    if abs(row[gain]) < NEGLIGIBLE:
        how = say("分不出高下", "no clear difference")
    elif row[f"{gain}_high"] < 0:
        how = say("对照方法更好", "the baseline is better")
    elif row[f"{gain}_low"] > 0:
        how = say("模型更好", "the model is better")
    else:
        how = say("分不出高下", "no clear difference")
    return say(
        f"与“{baseline}”相差 {points} 户（{between}），{how}",
        f"by {points} from “{baseline.lower()}” ({between}): {how}",
    )


def _between(row: Mapping, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return say(f"95% 区间 {low:+.1f} 至 {high:+.1f}", f"95% interval {low:+.1f} to {high:+.1f}")


def _more(row: Mapping) -> str:
    more = row["more_visits"]
    if more >= (LONGER[-1] - 1) * row["capacity"]:
        times = LONGER[-1]
        return say(f"走访 {times:.0f} 倍以上的户数", f"more than {times:.0f} times as many visits a week")
    return say(f"多走访 {more:.0f} 户", f"{more:.0f} more visits a week")


def _access(row: Mapping) -> str:
    """Describe what one more visit a week brings, and how many are worth a better model."""
    one_more, better, worth = row["one_more_visit"], row["better_model"], row["worth_visits"]
    low, high = row["one_more_visit_low"], row["one_more_visit_high"]
    said = say(
        f"每周再多走访一户，约多命中 {one_more:.2f} 户（{low:.2f} 至 {high:.2f}）；"
        f"模型离完美的差距再缩小一成，每周约多命中 {better:.1f} 户",
        f"One more visit a week brings about {one_more:.2f} hits ({low:.2f} to {high:.2f}); a model a tenth closer to"
        f" perfect {better:.1f} a week",
    )
    if not np.isfinite(worth):
        return said
    return said + say(f"，相当于每周多走访 {worth:.0f} 户", f", as much as {worth:.0f} more visits")

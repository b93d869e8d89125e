"""Is a model needed at all? Compare it, for each need, with rules and with programmes for whole micro-grids.

They are compared by the hits of lists as long as can be visited; and one more visit is compared with a better model.
The second question is that of Perdomo's prediction-access ratio (arXiv 2312.08511), the programme for whole micro-grids
that of Perdomo, Britton, Hardt and Abebe (arXiv 2304.06205).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.language import say
from features.point_in_time.records import Known
from models.evaluation.baselines import GRID_AVERAGE, LOGISTIC, MODEL, PLAIN, RANKERS
from models.evaluation.capacity import capacity_of_need
from models.evaluation.evaluate import ALL, Validation, interval, newest_fold, resampled
from models.evaluation.ties import coarser, hits_along, summed, tie_groups

FEWEST = 20  # requests from which anything is concluded
ENOUGH = 0.8  # of the best ranker's hits: what a simpler one must have, however wide the interval
FARTHER = 0.1  # of the way from the model to a perfect list: what a better model is taken to be
MARGIN = 0.25  # more visits than today's, over which the worth of one more is averaged
LONGER = np.array([1.0, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10])  # lists of a baseline, in today's lengths
FEW = "few"
NEGLIGIBLE = 0.5  # hits in 100 visits: a difference that nobody would notice


@dataclass(frozen=True)
class Hits:
    """Households on a week's list that asked: their number, and that in each bootstrap replicate."""

    value: float
    again: np.ndarray  # float64 [replicates]


@dataclass(frozen=True)
class Lists:
    """Hits a week of all rankers on lists for one need, or for all needs together."""

    positives: int
    capacity: float  # households that can be visited
    curves: Mapping[str, list[Hits]]  # by ranker: at the lengths LONGER, in capacities
    longer: Hits  # of the model with MARGIN more visits
    perfect: Hits  # of a list that knows who will ask

    @property
    def hits(self) -> dict[str, Hits]:
        """Return each ranker's hits at capacity."""
        return {name: curve[0] for name, curve in self.curves.items()}


def verdicts(rows: Validation, known: Known, seed: int = 0) -> pd.DataFrame:
    """Judge each need with requests in its newest fold: one row a need, after one for ``all`` of them.

    rows: validated rows. known: what is known now. seed: of the resampling.

    Returns need; verdict (``model``, or the simplest ranker that is not clearly worse than the best of all; ``few``
    where requests are too few to say); positives; capacity; hits in 100 visits of the model, of the best baseline
    (baseline: its name) and of whole micro-grids (model_hits, baseline_hits, grid_hits); the model's gain in 100 visits
    over each, and over the verdict: gain, gain_over_grid, gain_over_verdict; more_visits that the best baseline would
    need every week to hit as often as the model, at most nine times today's; one_more_visit: hits that one more visit a
    week brings; better_model: hits a week that a model a tenth closer to a perfect one brings; worth_visits: the visits
    that bring as much. Ends of 95% intervals stand in NAME_low and NAME_high.
    """
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, seed=seed)
    lists: dict[str, Lists] = {}
    for index, need in enumerate(known.community.needs):
        newest = newest_fold(rows, index)
        if len(newest) and newest.label.any():
            lists[need.id] = _lists(newest, capacity_of_need(known), weights)
    if lists:
        lists = {ALL: _together(list(lists.values())), **lists}
    return pd.DataFrame([{"need": need, **_judged(of_need)} for need, of_need in lists.items()])


def _lists(rows: Validation, capacity: int, weights: np.ndarray) -> Lists:
    lengths = capacity * LONGER
    longer = np.array([capacity * (1 + MARGIN)])
    return Lists(
        int(rows.label.sum()),
        capacity,
        {
            name: hits_at_lengths(rows, score, lengths, weights)
            for name, score in rows.scores.items()
            if name != PLAIN  # trees of any kind are a model
        },
        hits_at_lengths(rows, rows.scores[MODEL], longer, weights)[0],
        hits_at_lengths(rows, rows.label, np.array([capacity]), weights)[0],
    )


def _together(lists: list[Lists]) -> Lists:
    """Add up the lists of all needs, ranker by ranker."""

    def total(hits: Iterable[Hits]) -> Hits:
        return _combined(lambda *values: sum(values), *hits)

    return Lists(
        sum(one_need.positives for one_need in lists),
        sum(one_need.capacity for one_need in lists),
        {
            name: [total(hits) for hits in zip(*(one_need.curves[name] for one_need in lists), strict=True)]
            for name in lists[0].curves
        },
        total(one_need.longer for one_need in lists),
        total(one_need.perfect for one_need in lists),
    )


def _judged(lists: Lists) -> dict[str, object]:
    hits, ours, capacity = lists.hits, lists.hits[MODEL], lists.capacity
    best = max((name for name in hits if name != MODEL), key=lambda name: hits[name].value)
    verdict = _verdict(lists)
    share = 100 / capacity

    def over(other: str) -> Hits:
        return _combined(lambda now, its: share * (now - its), ours, hits[other])

    one_more = _combined(lambda now, then: (then - now) / (MARGIN * capacity), ours, lists.longer)
    better = _combined(lambda now, most: FARTHER * (most - now), ours, lists.perfect)
    row: dict[str, object] = {
        "verdict": verdict,
        "positives": lists.positives,
        "capacity": capacity,
        "baseline": best,
        "model_hits": share * ours.value,
        "baseline_hits": share * hits[best].value,
        "grid_hits": share * hits[GRID_AVERAGE].value,
    }
    measured = {
        "gain": over(best),
        "gain_over_grid": over(GRID_AVERAGE),
        "gain_over_verdict": over(MODEL if verdict == FEW else verdict),
        "more_visits": _more_visits(capacity * LONGER, lists.curves[best], ours),
        "one_more_visit": one_more,
        "better_model": better,
        "worth_visits": _combined(_over, better, one_more),
    }
    for name, measure in measured.items():
        row[name] = measure.value
        row[f"{name}_low"], row[f"{name}_high"] = interval(measure.again)
    return row


def hits_at_lengths(
    rows: Validation, score: np.ndarray, lengths: np.ndarray, weights: np.ndarray
) -> list[Hits]:
    """Compute, for each list length, the households on it that asked, as a mean over as-of days; ties break at random.

    rows: of one need. score: float [rows].
    lengths: float64 [lengths], households of the town; the hits are the town's too, of which the rows may be a share.
    weights: float32 [households, replicates], what ``models.evaluation.evaluate.resampled`` returns.
    """
    days = np.unique(rows.as_of)
    value, again = np.zeros((len(lengths), 1)), np.zeros((len(lengths), weights.shape[1]))
    for day in days:
        on = np.flatnonzero(rows.as_of == day)
        asked, household = rows.label[on] > 0, rows.household[on]
        shares = np.minimum(lengths * rows.share / len(on), 1.0)[:, None]
        group, count = tie_groups(score[on])
        for result, columns in ((value, None), (again, weights)):
            if columns is not None:
                group, count = coarser(group, count)
            total = summed(group, count, household, columns)
            positive = summed(group[asked], count, household[asked], columns)
            result += hits_along(total, positive, shares * total.sum(axis=0))
    each = zip(value[:, 0], again, strict=True)
    of_town = len(days) * rows.share
    return [Hits(float(hits) / of_town, other / of_town) for hits, other in each]


def _combined(how, *hits: Hits) -> Hits:
    return Hits(float(how(*(np.float64(hit.value) for hit in hits))), how(*(hit.again for hit in hits)))


def _over(above, below):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _more_visits(lengths: np.ndarray, curve: list[Hits], ours: Hits) -> Hits:
    """Compute the visits a week that a ranker needs beyond today's to hit as often as the model (``ours``).

    ``curve``: its hits at ``lengths``, today's first. The answer is at most that to the longest of them.
    """
    replicates = np.stack([point.again for point in curve], axis=1)
    again = [np.interp(wanted, its, lengths) for its, wanted in zip(replicates, ours.again, strict=True)]
    value = float(np.interp(ours.value, [point.value for point in curve], lengths))
    return Hits(value - lengths[0], np.array(again) - lengths[0])


def _verdict(lists: Lists) -> str:
    """Choose the simplest ranker that is not clearly worse than the best, and has most of its hits.

    Micro-grids come before rules, and these before the best baseline; the model is chosen where it is clearly better
    than the best of them.
    """
    if lists.positives < FEWEST:
        return FEW
    hits = lists.hits
    others = {name: share.value for name, share in hits.items() if name != MODEL}
    rules = [name for name in others if name not in (GRID_AVERAGE, LOGISTIC)]
    best = max(others, key=others.__getitem__)
    if _clearly_better(hits[MODEL], hits[best]):
        return MODEL
    top = MODEL if hits[MODEL].value >= others[best] else best
    simple = [GRID_AVERAGE, max(rules, key=others.__getitem__), best]
    enough = [
        name
        for name in simple
        if hits[name].value >= ENOUGH * hits[top].value and not _clearly_better(hits[top], hits[name])
    ]
    return enough[0] if enough else best


def _clearly_better(left: Hits, other: Hits) -> bool:
    return interval(left.again - other.again)[0] > 0


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
        FEW: say("诉求太少不下结论", "too few requests to say"),
    }
    counted = say("，", ", ").join(
        say(f"{name} {kinds.count(kind)} 项", f"{name}: {kinds.count(kind)}")
        for kind, name in names.items()
        if kind in kinds
    )
    return say(
        f"到底要不要模型（按诉求检验，看不到从不开口的需要）：{counted}",
        f"do we need a model (judged by requests, blind to needs that nobody voices): {counted}",
    )


def _line(row: Mapping, name: str) -> str:
    if row["verdict"] == FEW:
        few = say("诉求太少，还不能下结论", "too few requests to say")
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
    line = say(
        f"每周再多走访一户，约多命中 {one_more:.2f} 户（{low:.2f} 至 {high:.2f}）；"
        f"模型离完美的差距再缩小一成，每周约多命中 {better:.1f} 户",
        f"One more visit a week brings about {one_more:.2f} hits ({low:.2f} to {high:.2f}); a model a tenth closer to"
        f" perfect {better:.1f} a week",
    )
    if not np.isfinite(worth):
        return line
    return line + say(f"，相当于每周多走访 {worth:.0f} 户", f", as much as {worth:.0f} more visits")

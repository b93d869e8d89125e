"""Model card: what a model is for, how good it is beside the best baseline, and its limits."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from features.blocks.groups import GRID, Groups, membership
from features.language import joined_names, say, speaking
from features.point_in_time.records import Known, date_of
from models.demand.backtest import coverage_rows
from models.evaluation.baselines import MODEL, RANKERS
from models.evaluation.capacity import capacity_of_need
from models.evaluation.compare import Decision, compare, gate
from models.evaluation.evaluate import ALL, Validation
from models.evaluation.soundness import soundness_lines
from models.evaluation.verdict import verdict_lines
from models.fairness.lines import against, clearly_less, counted, group_lines
from models.underreporting.verdict import found_lines

if TYPE_CHECKING:
    from models.training.retrain import Retrained

MEASURE = "precision_at_capacity"  # decides between the model and a baseline
BETTER, TIED, WORSE, FEW = "better", "tied", "worse", "few"


def decide(retrained: "Retrained", known: Known, has_champion: bool) -> Decision:
    """Decide whether the new model replaces the champion, in the language in force.

    retrained: the new model with its validation. known: what it was trained on.
    has_champion: a champion is in force. A model that could not be compared with it, or whose level is far off for a
        need, does not replace it.
    """
    if has_champion and retrained.comparison is None:
        line = say(
            "没有可以跟正在用的模型比的验证结果，不自动换",
            "nothing was validated to compare with the champion: it stays",
        )
        return Decision(False, [line])
    far = soundness_lines(retrained.soundness, known.community, only_far=True)
    if has_champion and far:
        return Decision(False, far)
    return gate(retrained.comparison, {need.id: need.name.here for need in known.community.needs})


def model_card(
    retrained: "Retrained", known: Known, against: pd.DataFrame, has_champion: bool, language: str
) -> str:
    """Write the model card in Markdown.

    retrained: the new model with its validation.
    known: what it was trained on.
    against: what ``against_baselines`` returns.
    has_champion: a champion was in force when this model was trained.
    language: ``zh`` or ``en``.
    """
    environment = Environment(
        loader=PackageLoader("models"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    groups = membership(known)
    with speaking(language):
        rows = [_spoken(row, known) for row in against.itertuples()]
        unmodelled = [
            need.name.here
            for need, modelled in zip(known.community.needs, retrained.model.trained, strict=True)
            if not modelled
        ]
        return environment.get_template(f"model_card.{language}.md").render(
            community=known.community.community.name or say("本社区", "this community"),
            fingerprint=retrained.fingerprint[:12],
            data=_data(retrained, known),
            excluded=_listed(known.community.features.exclude),
            capacity=capacity_of_need(known),
            needs=rows,
            beaten=_listed(row["name"] for row in rows if row["outcome"] == WORSE),
            unmodelled=_listed(unmodelled),
            verdicts=_verdicts(retrained, known),
            groups=group_tables(retrained.groups, groups),
            group_lines=[] if retrained.groups is None else group_lines(retrained.groups, groups),
            demand=coverage_rows(
                retrained.demand, {need.id: need.name.here for need in known.community.needs}
            ),
            unsound=soundness_lines(retrained.soundness, known.community),
            decision=decide(retrained, known, has_champion),
        )


def _verdicts(retrained: "Retrained", known: Known) -> list[str]:
    lines = [] if retrained.verdicts is None else verdict_lines(retrained.verdicts, known)
    return [*found_lines(retrained.found_by_visits), *lines]


def _listed(texts: Iterable[str]) -> str:
    return joined_names(texts)


def against_baselines(retrained: "Retrained", known: Known) -> pd.DataFrame:
    """Compare the model with the best baseline of each need, on its newest validation rows.

    One row a need that was validated: need, positives; precision at capacity of the model (model, low, high) and of the
    best baseline (baseline, its name; baseline_value, baseline_low, baseline_high); their difference, paired over
    households (difference, difference_low, difference_high); outcome (better, tied, worse; few where the rows are too
    few to say); calibration_error, predicted_over_observed.
    """
    metrics = newest(retrained.metrics)
    of_need = {need.id: metrics[metrics["need"] == need.id] for need in known.community.needs}
    of_need = {need: rows for need, rows in of_need.items() if len(rows)}
    best = {need: _best(rows) for need, rows in of_need.items()}
    paired = _paired(retrained.validation, known, best)
    return pd.DataFrame([_beside(need, rows, best[need], paired.get(need)) for need, rows in of_need.items()])


def _best(metrics: pd.DataFrame) -> pd.Series:
    """Return the row of a need's best baseline."""
    others = metrics[(metrics["ranker"] != MODEL) & (metrics["metric"] == MEASURE)]
    return others.nlargest(1, "value").iloc[0]


def _beside(
    need: str, metrics: pd.DataFrame, best: pd.Series, paired: tuple[float, float, float] | None
) -> dict[str, object]:
    """Make a need's row of ``against_baselines``."""
    measured = metrics[metrics["ranker"] == MODEL].set_index("metric")[["value", "low", "high"]]
    difference, low, high = paired or (np.nan, np.nan, np.nan)
    return {
        "need": need,
        "positives": measured.loc["positives", "value"],
        "model": measured.loc[MEASURE, "value"],
        "low": measured.loc[MEASURE, "low"],
        "high": measured.loc[MEASURE, "high"],
        "baseline": best["ranker"],
        "baseline_value": best["value"],
        "baseline_low": best["low"],
        "baseline_high": best["high"],
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "outcome": _outcome(low, high),
        "calibration_error": measured.loc["calibration_error", "value"],
        "predicted_over_observed": measured.loc["predicted_over_observed", "value"],
    }


def newest(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return each need's metrics of its newest fold."""
    return metrics[metrics["fold"] == metrics.groupby("need")["fold"].transform("max")]


def _paired(
    validation: Validation | None, known: Known, best: Mapping[str, pd.Series]
) -> dict[str, tuple[float, float, float]]:
    """Compute for each need the difference to its ``best`` baseline, with its interval.

    Needs with too few rows have none.
    """
    if validation is None:
        return {}
    ids = [need.id for need in known.community.needs]
    baseline, compared = np.zeros(len(validation)), np.zeros(len(validation), dtype=bool)
    for need, row in best.items():
        fold = validation.folds.index(row["fold"])
        of_fold = (validation.need == ids.index(need)) & (validation.fold == fold)
        baseline[of_fold], compared[of_fold] = validation.scores[row["ranker"]][of_fold], True
    rows = validation.take(compared)
    table = compare(rows, baseline[compared], rows.scores[MODEL], ids, capacity_of_need(known))
    rows_found = table[table["metric"] == MEASURE]
    return {
        row["need"]: (row["difference"], row["low"], row["high"]) for row in rows_found.to_dict("records")
    }


def _outcome(low: float, high: float) -> str:
    if np.isnan(low):
        return FEW
    return BETTER if low > 0 else WORSE if high < 0 else TIED


def _spoken(row, known: Known) -> dict[str, str]:
    """Turn a row of ``against_baselines`` into texts."""
    need = known.community.needs[known.community.need_index()[row.need]]
    points = (
        f"{100 * row.difference:+.1f} [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]"
    )
    verdict = {
        BETTER: say(f"模型更好（{points} 个百分点）", f"the model is better ({points} points)"),
        WORSE: say(f"**对照方法更好**（{points} 个百分点）", f"**the baseline is better** ({points} points)"),
        TIED: say(f"分不出高下（{points} 个百分点）", f"no clear difference ({points} points)"),
        FEW: say("诉求太少，不下结论", "too few requests to say"),
    }[row.outcome]
    return {
        "name": need.name.here,
        "positives": f"{row.positives:.0f}",
        "model": _share(row.model, row.low, row.high),
        "baseline": _share(row.baseline_value, row.baseline_low, row.baseline_high),
        "baseline_name": say(*RANKERS[row.baseline]),
        "outcome": row.outcome,
        "verdict": verdict,
        "calibration_error": f"{row.calibration_error:.4f}",
        "predicted_over_observed": f"{row.predicted_over_observed:.2f}",
    }


def _share(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"


def _data(retrained: "Retrained", known: Known) -> list[tuple[str, str]]:
    parameters, requested = retrained.parameters, known.requests.requested
    rows = [
        (say("截至日期", "As of"), str(date_of(known.as_of))),
        (say("住户", "Households"), f"{int(known.present.sum()):,}"),
        (say("诉求记录", "Requests"), f"{len(requested):,}"),
    ]
    if len(requested):
        period = f"{date_of(requested.min())} – {date_of(requested.max())}"
        rows.append((say("诉求时间", "Requested between"), period))
    if parameters:
        days = f"{parameters['training_days']} ({parameters['first_day']} – {parameters['last_day']})"
        rows += [
            (say("训练用的截至日期", "As-of dates trained on"), days),
            (
                say("训练行数 × 特征数", "Training rows × features"),
                f"{parameters['rows']:,} × {parameters['features']}",
            ),
        ]
    if len(retrained.metrics):
        folds = _listed(sorted(set(retrained.metrics["fold"])))
        rows.append((say("验证时段（各自的起点）", "Validation folds (their first days)"), folds))
    return rows


def group_tables(table: pd.DataFrame | None, groups: Groups) -> list[dict[str, Any]]:
    """Make a table of texts for each audit, with title and what it counts; grids that get their share are left out.

    table: what ``models.fairness.audit`` returns; None or empty if nothing could be audited.
    """
    if table is None:
        return []
    names = dict(zip(groups.ids, groups.names, strict=True))
    sections = []
    for audit in dict.fromkeys(table["audit"]):
        rows = table[table["audit"] == audit]
        less = set(clearly_less(rows)["group"])
        shown = [
            _spoken_numbers(
                row, say("全体", "all") if row["group"] == ALL else names[row["group"]].here, less
            )
            for row in rows.to_dict("records")
            if not row["group"].startswith(f"{GRID}=") or row["group"] in less
        ]
        sections.append({"title": against(audit), "counted": counted(audit), "rows": shown})
    return sections


def _spoken_numbers(row: Any, name: str, less: set[str]) -> dict[str, str]:
    def measured(measure: str, share: bool) -> str:
        value, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
        if pd.isna(value):
            return "—"
        if pd.isna(low):
            return f"{value:.1%}" if share else f"{value:.2f}"
        if share:
            return f"{value:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
        return f"{value:.2f} [{low:.2f}, {high:.2f}]"

    return {
        "name": f"**{name}**" if row["group"] in less else name,
        "households": f"{row['households']:,.0f}",
        "positives": f"{row['positives']:,.0f}",
        "of_need": measured("share_of_need", True),
        "of_list": measured("share_of_list", True),
        "ratio": measured("list_over_need", False),
        "recall": measured("recall", True),
        "level": measured("predicted_over_observed", False),
    }

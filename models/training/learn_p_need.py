"""Training of p_need on random visits; without them, or with too few, p_need is p_request and a line says so."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from features.blocks.build import Features, catalogue
from features.blocks.catalogue import with_role
from features.language import say
from features.point_in_time.records import Known, Records, Rows
from features.point_in_time.schema import Schema
from models.dataset.sample import Table
from models.evaluation.baselines import counted
from models.scoring.model import NeedModel
from models.underreporting.calibration import fit_need_calibration
from models.underreporting.comparison import (
    HOUSEHOLDS,
    WEEKS,
    choose,
    fit_estimators,
    held_out,
    household_folds,
    later_weeks,
    log_loss,
    measures,
)
from models.underreporting.design import DesignReader, fit_reader
from models.underreporting.estimators import ESTIMATORS, VisitSample
from models.underreporting.p_need import NeedFromVisits, microgrid_ids
from models.underreporting.reporting_effects import fit_reporting_effects
from models.underreporting.visits import VisitTable, random_visits, visit_table, with_targeted

# needs found (and not found) by random visits in silent pairs, from which p_need is learned
FEWEST_FOUND = 30


@dataclass(frozen=True)
class NeedFit:
    """Result of learning p_need. ``visited`` is None where p_need is not corrected.

    silence: a line in Chinese and in English, whether p_need is corrected for needs without a request, and if not, why.
    notes: more lines to show.
    comparison: columns estimator, validation, metric, value, low, high; over silent pairs.
    held_out: see ``held_out_visits``; None without visits.
    """

    visited: NeedFromVisits | None
    silence: dict[str, str]
    notes: list[str]
    comparison: pd.DataFrame
    held_out: pd.DataFrame | None = None


def not_corrected(
    zh: str, en: str, notes: Iterable[str] = (), held_out: pd.DataFrame | None = None
) -> NeedFit:
    """Return a result in which p_need stays p_request.

    zh, en: the reason. notes: more lines to show. held_out: see ``held_out_visits``; None without visits.
    """
    silence = {
        "zh": f"分数说的是会不会来申请，没有纠正“不开口”的家庭：{zh}",
        "en": f"p_need equals p_request, silence is not corrected: {en}",
    }
    columns = ["estimator", "validation", "metric", "value", "low", "high"]
    return NeedFit(None, silence, list(notes), pd.DataFrame(columns=columns), held_out)


def with_visits(model: NeedModel, fit: NeedFit) -> NeedModel:
    """Return the model with its p_need, or with the reason why that is p_request."""
    return replace(model, visited=fit.visited, metadata={**model.metadata, "silence": fit.silence})


@dataclass(frozen=True)
class Gathered:
    """Random visits and what was known before each; visited and reader are None without random visits.

    lines: on visits that are left out, in Chinese and English.
    """

    lines: list[tuple[str, str]]
    visited: VisitTable | None = None
    reader: DesignReader | None = None


def gather_visits(records: Records, known: Known, schema: Schema, table: Table, seed: int = 0) -> Gathered:
    """Collect the random visits known before ``known.as_of``, with the features that p_need is learned from.

    records: all records. known: what is known now. schema: of the features.
    table: what the request model is trained on.
    seed: of the sample of its rows.

    It needs no model, and can be done while one is trained.
    """
    visits, lines = random_visits(known)
    if not len(visits):
        return Gathered(lines)
    visited = visit_table(records, with_targeted(known, visits), schema, table.towns)
    attributes = with_role(catalogue(schema), "attribute")
    microgrids = microgrid_ids(known, known.microgrid[table.household])
    effects = fit_reporting_effects(table, attributes, microgrids, seed)
    horizon = np.array([7.0 * need.horizon_weeks for need in known.community.needs])
    return Gathered(lines, visited, fit_reader(effects, horizon, visited.matrix, visited.names))


def fit_need(gathered: Gathered, known: Known, model: NeedModel, seed: int = 0) -> NeedFit:
    """Learn p_need from random visits; with too few of them, return a result in which it stays p_request.

    gathered: what ``gather_visits`` returns. known: what is known now. model: of requests.
    seed: of the folds and the resampling.
    """
    visited, reader, lines = gathered.visited, gathered.reader, gathered.lines
    if visited is None or reader is None:
        why = lines or [("没有抽签走访", "there are no random visits")]
        return not_corrected("；".join(zh for zh, _ in why), "; ".join(en for _, en in why))
    notes = [say(*line) for line in lines]
    sample = _visit_sample(known, model, visited, reader)
    silent = sample.found[sample.design.silent & sample.drawn]
    needed = int(silent.sum())
    if min(needed, len(silent) - needed) < FEWEST_FOUND:
        zh = f"抽签走访在半年未申请的家庭里只有 {needed} 次发现需要（至少要 {FEWEST_FOUND} 次）"
        en = f"random visits found only {needed} needs where nobody had asked for half a year ({FEWEST_FOUND} needed)"
        return not_corrected(zh, en, notes, held_out_visits(visited, sample, sample.request))
    fitted, comparison, odds = _chosen(sample, reader, seed)
    zh, en = ESTIMATORS[fitted.name].title
    silence = {
        "zh": "分数说的是上门会不会发现需要，已用抽签走访纠正“不开口”的家庭："
        f"走访半年没申请过的家庭 {len(silent)} 次，{needed} 次发现需要（方法：{zh}）",
        "en": f"p_need is corrected for silence: {len(silent)} random visits where nobody had asked for half a year, "
        f"{needed} found the need (method: {en})",
    }
    return NeedFit(fitted, silence, notes, comparison, held_out_visits(visited, sample, odds))


def held_out_visits(visited: VisitTable, sample: VisitSample, log_odds: np.ndarray) -> pd.DataFrame:
    """Return the random visits with predictions made without their household's visits.

    visited: the visits and their features. sample: the same visits, as the estimators read them.
    log_odds: float64 [visits], of p_need, by an estimator fitted to other households' visits.

    Columns household, need (positions), as_of (day), found (0 or 1), weight (inverse propensity, mean 1 a week), silent
    (did not ask for half a year), p_need, p_request, and the simple rankers of ``models.evaluation.baselines``.
    """
    visits = visited.visits
    table = pd.DataFrame(
        {
            **{name: getattr(visits, name) for name in ("household", "need", "as_of", "found", "weight")},
            "silent": sample.design.silent,
            "p_need": expit(log_odds),
            "p_request": expit(sample.request),
            **counted(visited.matrix, visited.names),
        }
    )
    return table[sample.drawn].reset_index(drop=True)


def _visit_sample(known: Known, model: NeedModel, visited: VisitTable, reader: DesignReader) -> VisitSample:
    """Turn visits and their features into the sample that the estimators read."""
    visits = visited.visits
    rows = Rows(visits.household, visits.need)
    features = Features(visited.matrix, visited.names, rows, known.as_of)
    odds = model.log_odds(features)
    design = reader.read(features, microgrid_ids(known, visited.microgrid), odds, visits.targeted)
    needs = len(known.community.needs)
    return VisitSample(design, visits.found.astype(float), visits.weight, visits.as_of, odds, needs)


def _chosen(
    sample: VisitSample, reader: DesignReader, seed: int
) -> tuple[NeedFromVisits, pd.DataFrame, np.ndarray]:
    """Choose the estimator with the lowest held-out log loss, calibrate it, and fit it to all visits.

    The loss is that of random visits to silent pairs, by household and once more by the newest weeks. The estimator is
    calibrated on predictions without the visit's household. Also returns the comparison, and every visit's log-odds
    without its household.
    """
    fold = household_folds(sample.design.household, seed)
    apart = held_out(sample, fold, fit_estimators)
    drawn = sample.take(sample.drawn)
    of_drawn = {name: odds[sample.drawn] for name, odds in apart.items()}
    comparison = [measures(drawn, of_drawn, HOUSEHOLDS, seed)]
    losses = {name: [_silent_loss(drawn, odds)] for name, odds in of_drawn.items()}
    later = later_weeks(sample)
    if later.any():
        newest, earlier = sample.take(later & sample.drawn), fit_estimators(sample.take(~later))
        ahead = {name: estimator.log_odds(newest.design) for name, estimator in earlier.items()}
        comparison.append(measures(newest, ahead, WEEKS, seed))
        for name, odds in ahead.items():
            losses[name].append(_silent_loss(newest, odds))
    best = choose({name: np.concatenate(parts) for name, parts in losses.items()})
    calibration = fit_need_calibration(
        of_drawn[best], drawn.design, drawn.found, drawn.weight, drawn.as_of, drawn.needs
    )
    fitted = NeedFromVisits(
        reader=reader,
        name=best,
        estimator=fit_estimators(sample, [best])[best],
        calibration=calibration,
        metadata={
            "visits": len(drawn),
            "found": int(drawn.found.sum()),
            "targeted": len(sample) - len(drawn),
        },
    )
    odds = calibration.log_odds(apart[best], sample.design)
    return fitted, pd.concat(comparison, ignore_index=True), odds


def _silent_loss(sample: VisitSample, odds: np.ndarray) -> np.ndarray:
    return log_loss(odds, sample.found)[sample.design.silent]

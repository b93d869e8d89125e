"""p_need: the probability that a visit finds the need, also where the household has not asked.

Learned from random visits. Without them, or with too few, p_need is p_request, and a line says that silence is
not corrected.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit

from features.build import Features
from features.language import say
from features.records import Known, Records, Rows
from models.kinds import fit_kinds
from models.model import NeedModel
from models.need_calibration import NeedCalibration, fit_need_calibration
from models.need_compare import (
    AVERAGE,
    AVERAGED,
    HOUSEHOLDS,
    REPORTING,
    TREES,
    UNLABELLED,
    VISITS,
    WEEKS,
    Estimator,
    Seen,
    choose,
    choose_penalty,
    fit_estimators,
    held_out,
    household_folds,
    later_weeks,
    log_loss,
    measures,
    with_average,
)
from models.pairs import PairReader
from models.reporting import PositiveUnlabelled, ReportingRate
from models.sample import Table
from models.visit_model import VisitLogistic, VisitTrees
from models.visits import VisitTable, random_visits, visit_table

FEWEST_FOUND = (
    30  # needs found (and not found) by random visits in silent pairs, from which p_need is learned
)
LEAST, MOST = 1e-6, 1 - 1e-6
FILE, ARRAYS, TREES_FILE = "need.json", "need.npz", "need_trees.txt"
KINDS = {REPORTING: ReportingRate, VISITS: VisitLogistic, UNLABELLED: PositiveUnlabelled}


@dataclass(frozen=True)
class NeedFromVisits:
    """p_need from p_request and what random visits found; plain files on disk."""

    reader: PairReader
    members: dict[str, Estimator]  # their log-odds are averaged
    calibration: NeedCalibration
    metadata: dict[str, Any] = field(default_factory=dict)

    def predict(self, features: Features, known: Known, log_odds: np.ndarray) -> np.ndarray:
        """float64 per row; ``log_odds``: of a request, by the request model, without a day's shift."""
        rows = features.rows
        pairs = self.reader.read(
            features.matrix,
            features.names,
            rows.household,
            rows.need,
            microgrid_ids(known, known.microgrid[rows.household]),
            log_odds,
        )
        score = np.mean([one.log_odds(pairs) for one in self.members.values()], axis=0)
        return np.clip(expit(self.calibration.log_odds(score, pairs)), LEAST, MOST)

    def save(self, directory: Path) -> None:
        """Write JSON, npz and LightGBM's text into a directory that exists."""
        arrays = {f"reader_{name}": value for name, value in self.reader.to_arrays().items()}
        for name, member in self.members.items():
            plain = member.logistic if isinstance(member, VisitTrees) else member
            arrays |= {f"{name}-{key}": np.asarray(value) for key, value in vars(plain).items()}
            if isinstance(member, VisitTrees):
                (directory / TREES_FILE).write_text(member.trees.model_to_string(), encoding="utf-8")
        np.savez(directory / ARRAYS, **arrays)
        said = {
            "members": list(self.members),
            "calibration": asdict(self.calibration),
            "metadata": self.metadata,
        }
        (directory / FILE).write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")

    @staticmethod
    def load(directory: Path) -> "NeedFromVisits | None":
        """What ``save`` wrote; None where it did not."""
        if not (directory / FILE).exists():
            return None
        said = json.loads((directory / FILE).read_text(encoding="utf-8"))
        with np.load(directory / ARRAYS) as file:
            arrays = {name: file[name] for name in file.files}
        reader = {
            key.removeprefix("reader_"): value for key, value in arrays.items() if key.startswith("reader_")
        }
        calibration = said["calibration"]
        calibration = {
            **calibration,
            "silent": tuple(calibration["silent"]),
            "lately_shift": tuple(calibration["lately_shift"]),
        }
        return NeedFromVisits(
            PairReader.from_arrays(reader),
            {name: _member(name, arrays, directory) for name in said["members"]},
            NeedCalibration(**calibration),
            said["metadata"],
        )


def _member(name: str, arrays: dict[str, np.ndarray], directory: Path) -> Estimator:
    prefix = f"{name}-"
    own = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    if name == TREES:
        trees = lgb.Booster(model_str=(directory / TREES_FILE).read_text(encoding="utf-8"))
        return VisitTrees(VisitLogistic(**own), trees)
    return KINDS[name](**own)


@dataclass(frozen=True)
class NeedFit:
    """``need`` is None where silence is not corrected.

    comparison: estimator, validation, metric, value, low, high of silent pairs. notes: lines to show, the first
    says whether silence is corrected.
    """

    need: NeedFromVisits | None
    notes: list[str]
    comparison: pd.DataFrame


def microgrid_ids(known: Known, microgrid: np.ndarray) -> np.ndarray:
    """str ids of positions in the records; '' for -1."""
    ids = np.append(known.records.microgrid_ids.astype(str), "")
    return ids[microgrid]


def not_corrected(why: str) -> NeedFit:
    """p_need stays p_request, and one line says so."""
    line = say(
        f"p_need 等于 p_request，未纠正“不开口”的家庭：{why}",
        f"p_need equals p_request; silence is not corrected: {why}",
    )
    nothing = pd.DataFrame(columns=["estimator", "validation", "metric", "value", "low", "high"])
    return NeedFit(None, [line], nothing)


def fit_need(
    records: Records,
    known: Known,
    model: NeedModel,
    table: Table,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> NeedFit:
    """Learn p_need from the random visits known before ``known.as_of``.

    ``model`` is the request model and ``table`` what it was trained on. Never fails for want of visits.
    """
    visits, lines = random_visits(known)
    if not visits.found.sum():
        why = say("没有可用的随机走访", "no random visits that can be used")
        return not_corrected(say("；", "; ").join(lines) or why)
    seen, reader = _seen(known, model, table, visit_table(records, visits, model.schema, progress), seed)
    silent = seen.found[seen.pairs.silent]
    if min(silent.sum(), len(silent) - silent.sum()) < FEWEST_FOUND:
        return not_corrected(
            say(
                f"随机走访在半年未申请的家庭里只发现 {silent.sum():.0f} 次确有需要（至少要 {FEWEST_FOUND} 次）",
                f"random visits found {silent.sum():.0f} needs among households that had not asked for half a "
                f"year ({FEWEST_FOUND} are needed)",
            )
        )
    fitted, comparison = _chosen(seen, reader, seed)
    return NeedFit(fitted, [_line(fitted, len(silent), int(silent.sum())), *lines], comparison)


def _seen(
    known: Known, model: NeedModel, table: Table, visited: VisitTable, seed: int
) -> tuple[Seen, PairReader]:
    """The visits as the estimators see them."""
    horizon = np.array([7.0 * need.horizon_weeks for need in known.community.needs])
    kinds = fit_kinds(table, microgrid_ids(known, known.microgrid[table.household]), seed)
    reader = PairReader(kinds, horizon)
    visits = visited.visits
    rows = Rows(visits.household, visits.need)
    odds = model.log_odds(Features(visited.matrix, visited.names, rows, known.as_of))
    pairs = reader.read(
        visited.matrix,
        visited.names,
        visits.household,
        visits.need,
        microgrid_ids(known, visited.microgrid),
        odds,
    )
    return Seen(pairs, visits.found.astype(float), visits.weight, visits.as_of, odds, len(horizon)), reader


def _chosen(seen: Seen, reader: PairReader, seed: int) -> tuple[NeedFromVisits, pd.DataFrame]:
    """The estimator chosen on held-out visits, of which the later weeks count twice; calibrated on other
    households' visits, and fitted again to all."""
    fold = household_folds(seen.pairs.household, seed)
    penalty = choose_penalty(seen, fold)

    def fit(part: Seen) -> dict[str, Estimator]:
        return fit_estimators(part, penalty)

    apart = with_average(held_out(seen, fold, fit))
    comparison = [measures(seen, apart, HOUSEHOLDS, seed)]
    losses = {name: [_silent_loss(seen, odds)] for name, odds in apart.items()}
    later = later_weeks(seen)
    if later.any():
        newest, earlier = seen.take(later), fit(seen.take(~later))
        ahead = with_average({name: one.log_odds(newest.pairs) for name, one in earlier.items()})
        comparison.append(measures(newest, ahead, WEEKS, seed))
        for name, odds in ahead.items():
            losses[name].append(_silent_loss(newest, odds))
    best = choose({name: np.concatenate(one) for name, one in losses.items()})
    whole = fit(seen)
    fitted = NeedFromVisits(
        reader=reader,
        members={name: whole[name] for name in (AVERAGED if best == AVERAGE else (best,))},
        calibration=fit_need_calibration(apart[best], seen.pairs, seen.found, seen.weight, seen.as_of),
        metadata={"estimator": best, "penalty": penalty, "visits": len(seen), "found": int(seen.found.sum())},
    )
    return fitted, pd.concat(comparison, ignore_index=True)


def _silent_loss(seen: Seen, odds: np.ndarray) -> np.ndarray:
    return log_loss(odds, seen.found)[seen.pairs.silent]


def _line(fitted: NeedFromVisits, silent: int, found: int) -> str:
    members = "+".join(fitted.members)
    return say(
        f"p_need 由随机走访纠正“不开口”：半年未申请者被走访 {silent} 次，{found} 次确有需要（{members}）",
        f"p_need is corrected for silence by random visits: {silent} to pairs that had not asked for half a year, "
        f"of which {found} found the need ({members})",
    )

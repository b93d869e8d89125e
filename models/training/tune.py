"""Tuning of LightGBM's parameters on the folds, by Optuna.

Every trial boosts from the same cut of the table into bins, so nothing that changes the bins is searched. A trial is
judged on the rows on which early stopping is: the later rows of all folds but the newest, whose metrics must not depend
on its own rows. The first trial has the usual parameters, so that the chosen ones are never worse on these rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.atomic import write_atomically
from features.language import say
from features.point_in_time.records import Known, date_of
from models.dataset.split import Split
from models.estimators.train import POOLED, Trainer
from models.training.validate import later_rows, trained_by

if TYPE_CHECKING:
    import optuna

TUNING = "tuning"  # the child run, and its part of the report
# of the pooled trees
SPACE: dict[
    str, tuple[float, float, bool]
] = {  # least, most, on a logarithmic scale; whole numbers stay whole
    "learning_rate": (0.02, 0.15, True),
    "num_leaves": (6, 64, True),
    "min_data_in_leaf": (50, 1000, True),
    "feature_fraction": (0.15, 0.9, False),
    "bagging_fraction": (0.4, 1.0, False),
    "lambda_l2": (1.0, 100.0, True),
    "path_smooth": (1.0, 200.0, True),
}
USUAL: dict[str, Any] = {name: POOLED[name] for name in SPACE}
STEPS_BEFORE_PRUNING = 5  # trials whose losses the later ones are held against
COLUMNS = ("trial", "state", "loss", "seconds", *SPACE)


@dataclass(frozen=True)
class Tuning:
    """Settings of a search for parameters.

    minutes: of trials; 0 for no search, and the usual parameters.
    most_trials: at most so many; None for any number.
    journal: file in which trials are stored as they end, so that a retrain that was cut short goes on with them; it
        holds those of one table only. None: in memory.
    """

    minutes: float
    most_trials: int | None = None
    journal: Path | None = None


@dataclass(frozen=True)
class Tuned:
    """Result of a search. trials: COLUMNS, one row each. importance: parameter, share of the differences in loss."""

    parameters: dict[str, float]
    loss: float
    usual_loss: float
    trials: pd.DataFrame
    importance: pd.DataFrame

    def line(self) -> str:
        """Return one line on what was tried and gained."""
        count, better = len(self.trials), 1 - self.loss / self.usual_loss
        return say(
            f"调参：试了 {count} 组，验证损失 {self.usual_loss:.5f} → {self.loss:.5f}（减少 {better:.2%}）",
            f"tuning: {count} sets tried, loss on the folds {self.usual_loss:.5f} to {self.loss:.5f} "
            f"({better:.2%} less)",
        )


@dataclass(frozen=True)
class Settled:
    """Parameters to train with.

    tuned: the search, if one was made now. metadata: of the search that they come from, to be stored with the model;
    None for the usual ones. lines: to show.
    """

    parameters: Mapping[str, float]
    tuned: Tuned | None = None
    metadata: dict[str, Any] | None = None
    lines: tuple[str, ...] = ()


def settle(
    trainer: Trainer,
    known_now: Known,
    plan: Split,
    tuning: Tuning | None,
    before: Mapping[str, Any] | None,
    fingerprint: str,
    progress: Callable[[Any], Any],
) -> Settled:
    """Choose the parameters of the trees: by a search, or else those of the champion.

    trainer: of the table.
    known_now: what is known now.
    plan: dates and folds.
    tuning: settings of a search; None for no search.
    before: metadata of the champion's search; None if its parameters are the usual ones.
    fingerprint: of the data; a journal of other data is begun anew.
    progress: passes the trials through, and may show how far the work is.
    """
    kept = {name: value for name, value in (before or {}).get("parameters", {}).items() if name in SPACE}
    if tuning is None and before and kept:
        line = say(
            f"树的参数沿用启用模型 {before['as_of']} 调好的（retrain --tune 0 恢复默认）",
            f"parameters of the trees: the champion's, tuned as of {before['as_of']} (retrain --tune 0: the usual ones)",
        )
        return Settled(kept, None, dict(before), (line,))
    if tuning is None or not tuning.minutes:
        return Settled({})
    tuned = tune(trainer, known_now, plan, tuning, fingerprint, kept, progress)
    record = {
        "as_of": str(date_of(known_now.as_of)),
        "parameters": tuned.parameters,
        "loss": tuned.loss,
        "usual_loss": tuned.usual_loss,
        "trials": len(tuned.trials),
    }
    return Settled(tuned.parameters, tuned, record, (tuned.line(),))


def tune(
    trainer: Trainer,
    known_now: Known,
    plan: Split,
    tuning: Tuning,
    fingerprint: str,
    first: Mapping[str, float],
    progress: Callable[[Any], Any],
) -> Tuned:
    """Search until the minutes asked for are over; trials of an interrupted search of the same data count.

    trainer, known_now, plan, tuning, fingerprint, progress: see ``settle``.
    first: parameters tried after the usual ones, such as the champion's.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(tuning.journal, f"{fingerprint} {len(trainer.table)} {trainer.seed}", trainer.seed)
    folds = _folds(trainer, known_now, plan)
    _ask_for(study, USUAL, first)
    for _ in progress(_until(study, 60 * tuning.minutes, tuning.most_trials)):
        study.optimize(lambda trial: _loss(trial, trainer, folds), n_trials=1)
    return _told(study)


def _ask_for(study: "optuna.Study", *wanted: Mapping[str, float]) -> None:
    """Enqueue these parameters unless they were tried, or are waiting."""
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    known = [trial.params for trial in _ended(study)]
    known += [row.system_attrs.get("fixed_params", {}) for row in waiting]
    for trial in wanted:
        if trial and trial not in known:
            study.enqueue_trial(dict(trial))
            known.append(dict(trial))


def _until(study: "optuna.Study", seconds: float, most_trials: int | None) -> Iterator[int]:
    """Yield once for each trial that is still to be made, at least until one has ended."""
    while True:
        done = _ended(study)
        spent = sum(trial.duration.total_seconds() for trial in done if trial.duration)
        if done and (spent >= seconds or len(done) >= (most_trials or np.inf)):
            return
        yield len(done)


def _ended(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _study(journal: Path | None, name: str, seed: int) -> "optuna.Study":
    """Open the study of these data, from the journal if it has one, and mark trials that were cut short as failed."""
    import optuna

    if journal and journal.is_file():
        lines = journal.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]  # the last may have been cut short
        same = any(name.encode() in trial for trial in whole)
        write_atomically(journal, b"".join(whole) if same else b"")
    study = _opened(journal, name)
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(trials), multivariate=True)
    return study


def _opened(journal: Path | None, name: str) -> "optuna.Study":
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    storage = None
    if journal:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(journal), JournalFileOpenLock(str(journal))))
    return optuna.create_study(
        storage=storage,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STEPS_BEFORE_PRUNING),
        study_name=name,
        direction="minimize",
        load_if_exists=True,
    )


def _folds(
    trainer: Trainer, known_now: Known, plan: Split
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return rows to train on, later rows and the offset, of each fold on which early stopping is done."""
    folds = []
    for fold in plan.folds[:-1] or plan.folds:
        rows = trained_by(trainer.table, known_now, fold.cut)
        fitted = trainer.fit_offset(rows)
        offset = fitted.log_odds(trainer.table.matrix, trainer.table.need)
        folds.append((rows, later_rows(trainer.table, fold), offset))
    return folds


def _loss(
    trial: "optuna.Trial", trainer: Trainer, folds: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> float:
    """Compute the mean log loss of pooled trees on the later rows, reporting it in between for pruning."""
    import optuna

    parameters = {**POOLED, **{name: _suggested(trial, name) for name in SPACE}, "seed": trainer.seed}
    weight, total, sum_of = trainer.table.weight, 0.0, 0.0
    for step, (rows, later, offset) in enumerate(folds):
        heavy = float(weight[later].sum())
        total += heavy * trainer.least_loss(parameters, rows, offset, later)
        sum_of += heavy
        trial.report(total / sum_of, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return total / sum_of


def _suggested(trial: "optuna.Trial", name: str) -> float:
    least, most, log = SPACE[name]
    if isinstance(USUAL[name], int):
        return trial.suggest_int(name, int(least), int(most), log=log)
    return trial.suggest_float(name, least, most, log=log)


def _told(study: "optuna.Study") -> Tuned:
    import optuna

    ended = _ended(study)
    complete = [trial for trial in ended if trial.state == optuna.trial.TrialState.COMPLETE]
    best = min(complete, key=lambda trial: (trial.value, trial.number))
    usual = next(trial for trial in complete if trial.params == USUAL)
    rows = [
        (
            trial.number,
            trial.state.name.lower(),
            trial.value if trial in complete else np.nan,  # of one cut short only some folds are known
            trial.duration.total_seconds() if trial.duration else np.nan,
            *(trial.params[name] for name in SPACE),
        )
        for trial in ended
    ]
    return Tuned(
        parameters={} if best is usual else dict(best.params),
        loss=float(best.value or 0.0),
        usual_loss=float(usual.value or 0.0),
        trials=pd.DataFrame(rows, columns=list(COLUMNS)),
        importance=_importance(study, len({trial.value for trial in complete})),
    )


def _importance(study: "optuna.Study", different: int) -> pd.DataFrame:
    """Return the columns parameter and share; empty if too few trials differ."""
    import optuna

    enough = different > len(SPACE)
    shares = optuna.importance.get_param_importances(study) if enough else {}
    return pd.DataFrame({"parameter": list(shares), "share": list(shares.values())})

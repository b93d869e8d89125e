"""MLflow runs of a retrain: parameters, metrics and reports; one run with a child run for each need."""

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.language import say
from features.point_in_time.records import Known
from models.estimators.train import MEMBERS
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import ALL, METRICS
from models.registry.moved import artifact_place
from models.registry.tracking import registry_address
from models.registry.versions import NAME
from models.training.tune import TUNING, USUAL

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from models.evaluation.compare import Decision
    from models.training.retrain import Retrained

HEADLINES = METRICS[1:]  # all but the number of positives
# in descriptions
TOLD = ("average_precision", "precision_at_capacity", "recall_at_capacity", "calibration_error")
_MOST_PARAMS, _MOST_METRICS = 100, 1000  # that one call of MLflow takes


def experiment(client: "MlflowClient", workspace: Path) -> str:
    """Return the experiment's id, after creating it if need be.

    Artefacts go into the workspace unless a tracking server keeps them itself.
    """
    existing = client.get_experiment_by_name(NAME)
    if existing:
        return existing.experiment_id
    served = registry_address(workspace).startswith(("http", "databricks"))
    location = None if served else artifact_place(workspace)
    return client.create_experiment(NAME, artifact_location=location)


def origin(workspace: Path) -> dict[str, str]:
    """Return tags that say on which machine and in which workspace a run was made."""
    return {"workspace": str(workspace.resolve()), "host": platform.node()}


def end_interrupted(client: "MlflowClient", experiment: str, workspace: Path) -> None:
    """Mark runs of this workspace that an interrupted retrain left running as killed.

    experiment: id of the experiment to search.
    """
    running = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    for run in running:
        if origin(workspace).items() <= run.data.tags.items():
            client.set_terminated(run.info.run_id, "KILLED")


@contextmanager
def one_run(
    client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str], start: float
) -> Iterator[str]:
    """Open a run and give its id; it ends as finished, failed or killed with this block.

    experiment: id. name: of the run. tags: of the run. start: when it began, in seconds since 1970.
    """
    run_id = client.create_run(experiment, int(start * 1000), dict(tags), name).info.run_id
    try:
        yield run_id
    except Exception:
        client.set_terminated(run_id, "FAILED")
        raise
    except BaseException:
        client.set_terminated(run_id, "KILLED")
        raise
    client.set_terminated(run_id)


def log_values(
    client: "MlflowClient",
    run_id: str,
    params: Mapping[str, Any],
    metrics: pd.DataFrame,
    folds: Iterable[str] = (),
    intervals: bool = True,
) -> None:
    """Log parameters, and metrics as ``RANKER/METRIC``; of the newest fold also the ends of the interval, if wanted.

    A metric's step is the number of its fold among ``folds``, the names of all folds of the retrain, and those of
    ``metrics``; so a need that was not asked for in the oldest fold begins at a later step.
    """
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    steps = {fold: step for step, fold in enumerate(sorted({*folds, *metrics["fold"]}))}
    values = []
    rows: Iterator[Any] = metrics.itertuples()
    for row in rows:
        step = steps[row.fold]
        name = f"{row.ranker}/{row.metric}"
        values.append(Metric(name, row.value, now, step))
        if intervals and step == len(steps) - 1:
            values += [Metric(f"{name}.low", row.low, now, step), Metric(f"{name}.high", row.high, now, step)]
    values = [value for value in values if np.isfinite(value.value)]
    texts = [Param(name, str(value)[:6000]) for name, value in params.items()]
    for start in range(0, len(texts), _MOST_PARAMS):
        client.log_batch(run_id, params=texts[start : start + _MOST_PARAMS])
    _log_metrics(client, run_id, values)


def _log_metrics(client: "MlflowClient", run_id: str, values: list[Any]) -> None:
    for start in range(0, len(values), _MOST_METRICS):
        client.log_batch(run_id, metrics=values[start : start + _MOST_METRICS])


def log_headlines(client: "MlflowClient", run_id: str, metrics: pd.DataFrame) -> None:
    """Log a dozen figures of the model over all needs and folds; every other figure is in the run's files.

    metrics: of every need, ranker and fold.
    """
    whole = metrics[
        (metrics["need"] == ALL) & (metrics["ranker"] == MODEL) & metrics["metric"].isin(HEADLINES)
    ]
    log_values(client, run_id, {}, whole, metrics["fold"], intervals=False)


def description(retrained: "Retrained", known: Known, decision: "Decision") -> str:
    """Describe a retrain in Markdown: data, result and decision, and where the rest is.

    retrained: the new model with its validation. known: what it was trained on. decision: of the gate.
    """
    metrics, until = retrained.metrics, retrained.model.metadata["as_of"]
    newest = metrics[metrics["fold"] == metrics["fold"].max()] if len(metrics) else metrics
    rows = newest[(newest["need"] == ALL) & (newest["ranker"] == MODEL)].set_index("metric")["value"]
    figures = "; ".join(f"{name} {rows[name]:.3f}" for name in TOLD if name in rows)
    gate = say("启用", "allowed") if decision.allowed else say("未启用", "refused")
    return "\n\n".join(
        [
            say(
                f"**{known.community.community.name}**，数据截至 {until}：{known.household_count} 户，"
                f"{len(known.requests)} 条诉求，{len(known.outreach)} 次走访。",
                f"**{known.community.community.name}**, data up to {until}: {known.household_count} households,"
                f" {len(known.requests)} requests, {len(known.outreach)} visits.",
            ),
            say(f"最新一折（全部需求）：{figures or '—'}", f"Newest fold, all needs: {figures or '-'}"),
            f"{say('门槛', 'Gate')}: {gate}. {'; '.join(decision.reasons)}",
            say(
                "各需求见子运行；逐折、逐组的数字见 metrics.csv、groups.csv，说明见 model_card。",
                "Each need has a child run; figures by fold and group are in metrics.csv and groups.csv, the"
                " explanation in model_card.",
            ),
        ]
    )


def log_data(
    client: "MlflowClient", run_id: str, retrained: "Retrained", known: Known, workspace: Path
) -> None:
    """Log the records trained on, and the folds validated on, as the run's datasets, by digests of their content.

    retrained: the new model. known: what it was trained on. workspace: of the records.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": (workspace.resolve() / "records.duckdb").as_uri()})
    counts = {
        "households": known.household_count,
        "requests": len(known.requests),
        "visits": len(known.outreach),
    }
    folds = sorted(set(retrained.metrics["fold"]))
    validated = hashlib.sha256(json.dumps([retrained.fingerprint, folds]).encode()).hexdigest()
    inputs = [
        (
            Dataset("records", retrained.fingerprint[:36], "local", source, profile=json.dumps(counts)),
            "training",
        ),
        (
            Dataset("folds", validated[:36], "local", source, profile=json.dumps({"folds": folds})),
            "validation",
        ),
    ]
    client.log_inputs(
        run_id, [DatasetInput(data, [InputTag("mlflow.data.context", context)]) for data, context in inputs]
    )


def log_needs(
    client: "MlflowClient",
    experiment: str,
    parent: str,
    retrained: "Retrained",
    reports: Path,
    tags: Mapping[str, str],
) -> None:
    """Log a child run for each need; the need's report is moved out of the parent's.

    experiment, parent: ids. retrained: the new model with its validation.
    reports: directory with a directory a need; it is deleted. tags: of every run.
    """
    from models.demand.backtest import as_metrics

    model = retrained.model
    for position, need in enumerate(model.schema.needs):
        metrics = retrained.metrics[retrained.metrics["need"] == need]
        shares = dict(zip(MEMBERS, model.weights[position].tolist(), strict=True))
        params = {
            "modelled": bool(model.trained[position]),
            **{f"weight_{part}": share for part, share in shares.items()},
            "calibration_slope": float(model.calibration.slope[position]),
            "calibration_intercept": float(model.calibration.intercept[position]),
            "level_weight": float(np.broadcast_to(model.level_weight, len(model.rates))[position]),
        }
        with one_run(
            client, experiment, need, {**tags, "need": need, "mlflow.parentRunId": parent}, time.time()
        ) as run_id:
            log_values(client, run_id, params, metrics, retrained.metrics["fold"])
            log_values(client, run_id, {}, as_metrics(retrained.demand, need))
            if (reports / need).is_dir():
                client.log_artifacts(run_id, str(reports / need))
    shutil.rmtree(reports, ignore_errors=True)


def log_tuning(
    client: "MlflowClient",
    experiment: str,
    parent: str,
    retrained: "Retrained",
    report: Path,
    tags: Mapping[str, str],
) -> None:
    """Log a child run for the search for parameters of the trees, if one was made.

    experiment, parent: ids. retrained: the new model with its search.
    report: directory with the search's report; it is deleted after its files are logged. tags: of the run.

    The run holds the best parameters and each trial's loss by its number.
    """
    if retrained.tuned is None:
        return
    from mlflow.entities import Metric

    tuned, now = retrained.tuned, int(time.time() * 1000)
    with one_run(client, experiment, TUNING, {**tags, "mlflow.parentRunId": parent}, time.time()) as run_id:
        log_values(client, run_id, {**USUAL, **tuned.parameters}, retrained.metrics[:0])
        pairs = tuned.trials[["trial", "loss"]].itertuples(index=False)
        losses = [Metric("loss", float(loss), now, int(trial)) for trial, loss in pairs if np.isfinite(loss)]
        ends = [Metric("best_loss", tuned.loss, now, 0), Metric("usual_loss", tuned.usual_loss, now, 0)]
        _log_metrics(client, run_id, losses + ends)
        client.log_artifacts(run_id, str(report))
    shutil.rmtree(report)

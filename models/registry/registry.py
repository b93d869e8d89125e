"""MLflow: runs of a retrain, registered versions, and which of them is the champion.

The backend is ``MLFLOW_TRACKING_URI`` if it is set, else an SQLite file in the workspace. MLflow is imported inside
functions only: it takes seconds, and scoring from the workspace's copy of the champion does not need it. A version is
registered only after everything else of its retrain is logged, and is in force only once its alias is set: a retrain
killed in between leaves no version, or one that is not the champion.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.atomic import scratch_directory
from features.contract.community import Community
from features.language import UserError, joined_names
from features.point_in_time.records import Known
from features.store.reader import sharing_community
from models.dataset.out_of_time import forget_earlier_files, keep_out_of_time
from models.registry.champion import (
    Champion,
    NoChampion,
    download_place,
    forget_copy,
    install_copy,
    load_champion,
    no_model,
    read_copy,
    trained_for,
)
from models.registry.moved import follow_move
from models.registry.runs import (
    description,
    end_interrupted,
    experiment,
    log_data,
    log_headlines,
    log_needs,
    log_tuning,
    log_values,
    one_run,
    origin,
)
from models.registry.tracking import addresses, quiet, registry_address, registry_name
from models.registry.travelling import BUNDLE, log_model
from models.registry.versions import (
    CHALLENGER,
    CHAMPION,
    MEANING,
    NAME,
    all_versions,
    end_rollback,
    gate_tags,
    put_back,
    put_in_force,
    registered_model,
    version_called,
)
from models.training.tune import TUNING

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from models.evaluation.compare import Decision
    from models.training.borrow import Neighbour
    from models.training.retrain import Retrained


@dataclass(frozen=True)
class Registered:
    """Result of logging a retrain: its version, its run, and the gate's decision."""

    version: int
    run_id: str
    decision: "Decision"
    lines: tuple[str, ...] = ()  # on what of the report could not be made

    @property
    def promoted(self) -> bool:
        """Tell whether the version is the champion now."""
        return self.decision.allowed


@contextmanager
def registry_client(workspace: Path) -> Iterator["MlflowClient"]:
    """Open a client of the registry in force.

    Raises UserError with one line if the registry cannot be reached or refuses.
    """
    quiet()
    follow_move(workspace)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield MlflowClient(**addresses(workspace))
    except (MlflowException, SQLAlchemyError, ConnectionError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise UserError(
            f"MLflow 出错（请检查 MLFLOW_TRACKING_URI 或工作区里的 mlflow.db）：{reason}",
            f"MLflow failed (check MLFLOW_TRACKING_URI, or mlflow.db in the workspace): {reason}",
        ) from error


def make_ready(workspace: Path) -> None:
    """Load MLflow and check that the registry answers, before training begins.

    Raises UserError if it cannot be reached.
    """
    import models.report  # noqa: F401

    with registry_client(workspace) as client:
        client.get_experiment_by_name(NAME)


def draw_report(*report: Any) -> dict[str, bytes]:
    """Call ``models.report.figures.draw_validation``, which is loaded only now."""
    from models.report.figures import draw_validation

    return draw_validation(*report)


def log_retrain(workspace: Path, retrained: "Retrained", known: Known) -> Registered:
    """Log a retrain and register its model as the challenger; make it the champion if the gate allows it.

    workspace: of the registry, and of the copy of the champion.
    retrained: the new model with its validation.
    known: what it was trained on.

    There is one run with a child run for each need. Raises UserError if MLflow cannot be reached.
    """
    from models.report.card import decide  # with the report it draws on Matplotlib, which scoring never needs
    from models.report.report import write_report

    has_champion = _has_champion(workspace, known.community)
    with scratch_directory(workspace) as place, registry_client(workspace) as client:
        report = place / "report"
        place_of_runs = experiment(client, workspace)
        decision = decide(retrained, known, has_champion)
        lines = write_report(retrained, known, has_champion, report)
        end_interrupted(client, place_of_runs, workspace)
        tags = {
            "community": known.community.community.name,
            "as_of": str(retrained.model.metadata["as_of"]),
            "data_fingerprint": retrained.fingerprint,
            **gate_tags(decision.allowed, decision.reasons),
        }
        start = time.time() - sum(retrained.seconds.values())
        run_tags = tags | origin(workspace)
        with one_run(client, place_of_runs, f"retrain {tags['as_of']}", run_tags, start) as run_id:
            log_needs(client, place_of_runs, run_id, retrained, report / "needs", run_tags)
            log_tuning(client, place_of_runs, run_id, retrained, report / TUNING, run_tags)
            params = {**retrained.parameters, **{f"seconds_{k}": v for k, v in retrained.seconds.items()}}
            (report / "notes.txt").write_text("\n".join(retrained.notes), encoding="utf-8")
            log_values(client, run_id, params, retrained.metrics[:0])
            log_headlines(client, run_id, retrained.metrics)
            client.set_tag(run_id, "mlflow.note.content", description(retrained, known, decision))
            log_data(client, run_id, retrained, known, workspace)
            client.log_artifacts(run_id, str(report))
            logged = log_model(client, place_of_runs, run_id, retrained.model, place)
            forget_earlier_files(workspace)
            if retrained.model.out_of_time:
                keep_out_of_time(workspace, place / "bundle", retrained.model.out_of_time)
            version = _register(client, run_id, *logged, tags, description(retrained, known, decision))
        if decision.allowed:
            forget_copy(workspace)
            put_in_force(client, version)
    if decision.allowed:
        _fetch(workspace)
    return Registered(version, run_id, decision, tuple(lines))


def _register(
    client: "MlflowClient", run_id: str, model_id: str, source: str, tags: Mapping[str, str], report: str
) -> int:
    """Register a logged model as a new version, make it the challenger, and return its number.

    ``report``: the version's description.
    """
    if registered_model(client) is None:
        client.create_registered_model(NAME, description=MEANING)
    created = client.create_model_version(
        NAME, source, run_id, tags=dict(tags), description=report, model_id=model_id
    )
    client.set_registered_model_alias(NAME, CHALLENGER, created.version)
    return int(created.version)


def promote(workspace: Path, version: int | None = None) -> int:
    """Make a version the champion, by default the newest challenger, and return its number.

    Raises UserError if there is no such version.
    """
    need_database(workspace)
    with registry_client(workspace) as client:
        versions = all_versions(client)
        wanted = version
        if wanted is None:
            wanted = version_called(client, CHALLENGER) or max(versions, default=None)
        if not versions or wanted is None:
            raise no_model()
        if wanted not in versions:
            listed = joined_names(str(number) for number in versions)
            raise UserError(f"没有版本 {wanted}，只有 {listed}", f"no version {wanted}; there is {listed}")
        forget_copy(workspace)
        put_in_force(client, wanted)
    _fetch(workspace)
    return wanted


def rollback(workspace: Path, follow: Callable[[Path], object] = lambda _: None) -> int:
    """Put the champion before the present one back in force, and return its version.

    follow: what must be done in the workspace afterwards. Killed before it has ended and run again, the same version
        is put back.

    Raises UserError without an earlier champion.
    """
    need_database(workspace)
    with registry_client(workspace) as client:
        forget_copy(workspace)
        version = put_back(client)
        if version is None:
            raise UserError("没有更早的现用模型可以退回", "there is no earlier champion to go back to")
        _fetch(workspace)
        follow(workspace)
        end_rollback(client)
    return version


def champion(workspace: Path, community: Community | None = None, refresh: bool = False) -> Champion:
    """Return the champion, from the workspace's copy if there is one.

    workspace: of the copy and of the registry.
    community: whose needs and windows it must have been trained for; None for any.
    refresh: ask the registry first whether its champion is another one by now (somebody may have moved the alias on a
        shared server).

    Raises NoChampion if there is none yet, if it was trained for other needs or windows, or if an earlier version of
    the program made it with other features; UserError if the registry is needed and cannot be reached.
    """
    copy = None if refresh else read_copy(workspace, registry_name(workspace))
    version, files = copy or _fetch(workspace)
    loaded = load_champion(version, files)
    return trained_for(loaded, community) if community else loaded


def _has_champion(workspace: Path, community: Community) -> bool:
    try:
        return champion(workspace, community, refresh=True).version > 0
    except NoChampion:
        return False


def _fetch(workspace: Path) -> tuple[int, Path]:
    """Return version and directory of the registry's champion, after copying it into the workspace if need be."""
    registry = registry_name(workspace)
    need_database(workspace)
    with registry_client(workspace) as client:
        version = version_called(client, CHAMPION)
        if version is None:
            raise no_model()
        copy = read_copy(workspace, registry)
        if copy and copy[0] == version:
            return copy
        with download_place(workspace) as place:
            files = _downloaded(client, workspace, version, place)
            return version, install_copy(workspace, registry, version, files)


def _downloaded(client: "MlflowClient", workspace: Path, version: int, place: Path) -> Path:
    """Download a version to the directory ``place``, and return the directory of the model's own files."""
    import mlflow.artifacts

    source = client.get_model_version_download_uri(NAME, str(version))
    files = mlflow.artifacts.download_artifacts(source, dst_path=str(place), **addresses(workspace))
    return Path(files) / BUNDLE


def download_version(workspace: Path, version: int, place: Path) -> Path:
    """Download a registered version to the directory ``place``, and return the directory of the model's own files.

    Raises UserError where the registry has no such version or cannot be reached.
    """
    need_database(workspace)
    with registry_client(workspace) as client:
        if version not in all_versions(client):
            raise UserError(
                f"模型版本 {version} 已不在 MLflow 里",
                f"model version {version} is no longer in MLflow",
            )
        return _downloaded(client, workspace, version, place)


def need_database(workspace: Path) -> None:
    """Raise NoChampion if there is no database yet, without making one."""
    address = registry_address(workspace)
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).is_file():
        raise no_model()


def lent_models(workspaces: Iterable[Path]) -> "list[Neighbour]":
    """Read the champion of each workspace, in their order.

    Raises UserError, which names the community, where one has not agreed in its settings or has no model that can be
    used.
    """
    from models.training.borrow import Neighbour

    lent = []
    for workspace in workspaces:
        name, _ = sharing_community(workspace, "model")
        try:
            in_force = champion(workspace)
        except NoChampion as error:
            raise UserError(f"{name} ({workspace}): {error}") from error
        lent.append(Neighbour(name, in_force.version, in_force.model))
    return lent

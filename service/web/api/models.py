"""Routes for the registered models: versions, metrics, cards and reports."""

import mimetypes
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from service.web.api.answers import problem
from service.web.auth.identities import Asker
from service.web.base.access import Scope, permit
from service.web.base.problems import Problem
from service.web.published import model_shelf
from service.web.published.state import state_of

router = APIRouter(prefix="/v1", tags=["模型与审计 models and audit"])
MISSING: dict[int | str, dict[str, Any]] = {404: problem("没有这个版本或文件")}
Version = Annotated[int, Path(ge=1, le=1_000_000_000)]


class ModelVersion(BaseModel):
    """A registered version as MLflow has it."""

    version: int
    alias: Literal["champion", "challenger"] | None
    run_id: str
    as_of: str
    registered_at: int
    gate: str
    gate_reason: str
    data_fingerprint: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    files: list[str] = []


def _versions(request: Request) -> list[ModelVersion]:
    return [ModelVersion(**row) for row in model_shelf.read_models(state_of(request).settings.workspace)]


@router.get("/models", summary="已登记的模型版本和指标")
def models(request: Request, asker: Asker) -> list[ModelVersion]:
    """List every version, the newest first."""
    permit(asker, Scope.MODELS)
    return _versions(request)


@router.get("/models/{version}", summary="一个模型版本", responses=MISSING)
def model(request: Request, version: Version, asker: Asker) -> ModelVersion:
    """Return one version with its metrics and the names of its report's files."""
    permit(asker, Scope.MODELS)
    for entry in _versions(request):
        if entry.version == version:
            workspace = state_of(request).settings.workspace
            return entry.model_copy(update={"files": model_shelf.report_files(workspace, version)})
    raise missing_model()


def missing_model() -> Problem:
    """Return the problem for a version, or a file of its report, that does not exist."""
    return Problem(404, "unknown-model", "没有这个版本或文件", "no such version or file")


@router.get(
    "/models/{version}/card",
    summary="模型卡（Markdown）",
    responses={200: {"content": {"text/markdown": {}}}, **MISSING},
    response_class=Response,
)
def card(
    request: Request, version: Version, asker: Asker, language: Annotated[Literal["zh", "en"], Query()] = "zh"
) -> Response:
    """Return the model card: what the model is for, how good it is beside the best baseline, and its limits."""
    return report(request, version, f"model_card.{language}.md", asker)


@router.get(
    "/models/{version}/files/{name}",
    summary="模型报告里的文件（表、图）",
    responses={200: {"content": {"application/octet-stream": {}}}, **MISSING},
    response_class=Response,
)
def report(
    request: Request, version: Version, name: Annotated[str, Path(max_length=200)], asker: Asker
) -> Response:
    """Return one file of a version's report: a table as CSV, a figure as PNG."""
    permit(asker, Scope.MODELS)
    path = model_shelf.report_file(state_of(request).settings.workspace, version, name)
    if path is None:
        raise missing_model()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(path, media_type="text/markdown" if name.endswith(".md") else kind)

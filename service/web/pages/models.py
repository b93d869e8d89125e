"""The data staff's page: registered models, how good and how well calibrated they are, drift, and MLflow."""

import csv
import os
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from features.language import language, say
from models.demand.expected import TOWN
from models.evaluation.baselines import RANKERS
from models.registry.versions import NAME
from service.web.api.models import Version, missing_model
from service.web.auth.identities import SignedIn
from service.web.base.access import Scope, permit
from service.web.pages.frame import page
from service.web.published import model_shelf
from service.web.published.state import state_of
from service.weekly.week_directory import read_look_back

router = APIRouter(include_in_schema=False)
MEASURES = ("precision_at_capacity", "lift_at_capacity", "calibration_error", "predicted_over_observed")


def _workspace(request: Request) -> Path:
    return state_of(request).settings.workspace


@router.get("/models")
def models(request: Request, asker: SignedIn) -> Response:
    """Show every version with its measures, and what the last look back found."""
    permit(asker, Scope.MODELS)
    zone = state_of(request).shelf.now().tzinfo
    return page(
        request,
        asker,
        "models.html",
        versions=[_shown(model, zone) for model in model_shelf.read_models(_workspace(request))],
        look_back=read_look_back(_workspace(request)),
        weeks=_expected_by_week(request, asker.sensitive),
        tracking=tracking_address(),
    )


@router.get("/models/{version}")
def model(request: Request, asker: SignedIn, version: Version) -> Response:
    """Show one version beside the simple rankings, with its figures and its card."""
    permit(asker, Scope.MODELS)
    versions = {model["version"]: model for model in model_shelf.read_models(_workspace(request))}
    if version not in versions:
        raise missing_model()
    place = model_shelf.report_place(_workspace(request), version)
    files = model_shelf.report_files(_workspace(request), version)
    card = place / f"model_card.{language()}.md"
    return page(
        request,
        asker,
        "model.html",
        model=_shown(versions[version], state_of(request).shelf.now().tzinfo),
        needs=_against(place, _names(request)),
        figures=[(name, words) for name, words in figures().items() if name in files],
        files=files,
        card=as_html(card.read_text("utf-8")) if card.is_file() else "",
        tracking=tracking_address(),
    )


def figures() -> dict[str, str]:
    """Describe each figure of a report."""
    return {
        "overview.png": say(
            "各期的名单命中率；最有用的特征", "Hits on the lists by fold; the features that help most"
        ),
        "reliability.png": say(
            "校准：预测概率与实际比例", "Calibration: predicted chances against what happened"
        ),
        "lift.png": say("命中：走访越多，找到多少", "Lift: how many are found with so many visits"),
        "demand.png": say("需求测算的区间是否准", "Whether the intervals of demand held"),
        "groups.png": say("各群体在名单上的份额", "Each group's share of the lists"),
    }


def tracking_address() -> str:
    """Return MLflow's address of the models for a browser, or '' where MLflow keeps files in the workspace."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
    return f"{uri}/#/models/{NAME}" if uri.startswith(("http://", "https://")) and "@" not in uri else ""


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def as_html(text: str) -> Markup:
    """Convert Markdown to HTML; HTML inside it stays text."""
    return Markup(_markdown().render(text))


def _shown(row: dict[str, Any], zone: tzinfo | None) -> dict[str, Any]:
    at = datetime.fromtimestamp(row["registered_at"] / 1000, zone)
    values = [row["metrics"].get(f"model/{measure}") for measure in MEASURES]
    return {**row, "registered": f"{at:%Y-%m-%d %H:%M}", "measures": values}


def _names(request: Request) -> dict[str, str]:
    newest = state_of(request).shelf.served.newest
    return {need.id: need.name.here for need in newest.community.needs} if newest else {}


def _against(place: Path, names: dict[str, str]) -> list[dict[str, Any]]:
    """Compare the model with the best simple ranking for each need, from the version's report."""
    path = place / "against_baselines.csv"
    if not path.is_file():
        return []
    words = {
        "better": say("更好", "better"),
        "tied": say("相当", "tied"),
        "worse": say("更差", "worse"),
        "few": say("样本太少", "too few to say"),
    }
    rows = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            zh, en = RANKERS.get(row["baseline"], (row["baseline"], row["baseline"]))
            rows.append(
                {
                    "name": names.get(row["need"], row["need"]),
                    "model": _interval(row, "model", "low", "high"),
                    "baseline": _interval(row, "baseline_value", "baseline_low", "baseline_high"),
                    "baseline_name": say(zh, en),
                    "outcome": words.get(row["outcome"], row["outcome"]),
                    "level": _number(row.get("predicted_over_observed", ""), "{:.2f}"),
                    "error": _number(row.get("calibration_error", ""), "{:.3f}"),
                }
            )
    return rows


def _interval(row: dict[str, str], *names: str) -> str:
    value, low, high = (_number(row[name], "{:.1%}") for name in names)
    return f"{value} ({low}–{high})" if low and high else value


def _number(text: str, form: str) -> str:
    return form.format(float(text)) if text else ""


def _expected_by_week(request: Request, sensitive: bool) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the weeks that are served, and for each need how many households each week expected to ask."""
    weeks = sorted(state_of(request).shelf.served.weeks.values(), key=lambda week: week.as_of)
    rows = []
    for need, name in _names(request).items():
        if weeks and need in weeks[-1].sensitive and not sensitive:
            continue
        counts = [
            next(
                (row["expected"] for row in week.demand if (row["need"], row["grid_id"]) == (need, TOWN)),
                None,
            )
            for week in weeks
        ]
        rows.append((name, ["—" if row is None else f"{row:.0f}" for row in counts]))
    return [week.as_of for week in weeks], rows

"""Names of the files of a published week, and how to read them without loading a model."""

from pathlib import Path
from typing import Any

import orjson

from features.atomic import read_json
from features.contract.community import Community
from features.language import UserError

SERVED, POINTER = "served", "current.json"
REPORTS = "reports"  # of the registered models: service.web.published.model_shelf
STATE, RECORDS, MODEL = "town.npz", "records", "model"
OUTDATED = "*.pickle"  # of weeks published before: no longer read, as such a file can name code
CONTENT, PLACES, VISITS, DEMAND, WEEK, AREAS, AROUND = (
    "households.bin",
    "households.json",
    "visits.json",
    "demand.json",
    "week.json",
    "areas.json",
    "around.json",
)


def read_pointer(workspace: Path) -> dict[str, Any]:
    """Which directory holds each week, and the revision, which grows with every change. Raises UserError if damaged."""
    path = workspace / SERVED / POINTER
    try:
        return read_json(path, {"revision": 0, "weeks": {}, "feed": []})
    except ValueError as error:
        raise UserError(
            f"{path}：已损坏，请删除后运行 xianying outreach",
            f"{path}: damaged; delete it and run xianying outreach",
        ) from error


def read_visits(place: Path) -> list[dict[str, Any]]:
    """Read the rows served for a week, including those withdrawn since."""
    return read_json(place / VISITS, [])


def read_week(place: Path) -> dict[str, Any]:
    """Read a published week's description."""
    return orjson.loads((place / WEEK).read_bytes())


def community_of(week: dict[str, Any]) -> Community:
    """Return the community's settings at the time when the week was made."""
    return Community.model_validate(week["community"])

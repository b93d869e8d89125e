"""Keep the brief and the proposed projects of a week in its directory, as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from features.atomic import write_atomically
from service.brief.brief import Brief

BRIEF, PROJECTS = "brief.json", "projects.json"


def keep_brief(home: Path, brief: Brief) -> None:
    """Write a week's brief into its directory ``home``."""
    write_atomically(home / BRIEF, orjson.dumps(brief, option=orjson.OPT_SERIALIZE_NUMPY))


def keep_projects(home: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a week's proposed projects (``decisions.project_rows``) into its directory ``home``."""
    write_atomically(home / PROJECTS, orjson.dumps(list(rows), option=orjson.OPT_SERIALIZE_NUMPY))


def read_brief(home: Path) -> Brief | None:
    """Read a week's brief; None where none was made."""
    return _read(home / BRIEF)


def read_projects(home: Path) -> list[dict[str, Any]]:
    """Read a week's proposed projects; none where its demand was not computed."""
    return _read(home / PROJECTS) or []


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None

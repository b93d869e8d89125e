"""Papers of record: model comparison, impact assessments, transparency record, public notice and audit pack.

The headings are those of the norms: GB/T 39335-2020, 5.3 to 5.7; Regulation (EU) 2024/1689, article 27(1)(a) to (f);
the UK Algorithmic Transparency Recording Standard, version 3; articles 17 and 54 of the Personal Information Protection
Law. What the system cannot know is marked with BLANK and left to people.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import func, select

from features.atomic import write_atomically
from features.contract.community import Community
from features.language import say, speaking
from features.store.database import read_store
from features.store.reader import read_records, read_settings
from features.store.sql import one_value
from features.store.tombstones import TOMBSTONES, read_tombstones
from models.fairness.lines import clearly_less
from service.web.audit.log import verify
from service.web.auth.people import keys, users
from service.web.base.access import SCOPES, Role
from service.web.database.engine import Database
from service.web.database.tables import ENDS_RECORDED, Entry, Refusal, now
from service.web.published.model_shelf import read_models, report_place
from service.web.published.week_files import read_pointer
from service.web.rights.fields import BASES, check, draft

FOLDER = "papers"  # in the workspace
BLANK = "（待填）"
PAPERS = {
    "model-comparison.zh.md": "zh",
    "model-comparison.en.md": "en",
    "impact-assessment-gbt-39335.zh.md": "zh",
    "fundamental-rights-eu-article-27.en.md": "en",
    "transparency-record-uk-atrs.en.md": "en",
    "public-notice.zh.md": "zh",
    "audit-pack.zh.md": "zh",
}
YEAR = timedelta(days=365)
AGAINST, GROUPS = "against_baselines.csv", "groups.csv"  # tables of a version's report


def write_papers(workspace: Path, database: Database, place: Path, today: date) -> dict[str, int]:
    """Write every paper into a directory; the number of blanks left in each.

    Raises UserError when nothing was ingested.
    """
    environment = Environment(
        loader=PackageLoader("service", "templates/papers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["blank"] = lambda zh, en="": f"{BLANK}{say(zh, en or zh)}"
    left = {}
    place.mkdir(parents=True, exist_ok=True)
    for language in ("zh", "en"):
        with speaking(language):
            facts = record_facts(workspace, database, today)
            for name in (name for name, spoken in PAPERS.items() if spoken == language):
                text = environment.get_template(name).render(**facts, comparison=version_lines(facts))
                write_atomically(place / name, text.encode())
                left[name] = text.count(BLANK)
    return left


def record_facts(workspace: Path, database: Database, today: date) -> dict[str, Any]:
    """Collect the facts by name; what is not known is None or an empty list.

    workspace: with records. database: the service's. today: the day on which the papers are written.
    """
    community = read_settings(workspace)
    models = read_models(workspace)
    champion = next((row for row in models if row["alias"] == "champion"), None)
    before = _compared_with(models, champion)
    return {
        "today": today.isoformat(),
        "community": community,
        "excluded": list(community.features.exclude),
        "counts": _counts(workspace),
        "fields": _fields(workspace),
        "problems": check(workspace, today),
        "people": _people(database),
        "keys": [
            {"name": key.name, "scopes": key.scopes}
            for key in keys(database)
            if key.revoked_at is None and key.expires_at > now()
        ],
        "rights": _rights(workspace, database),
        "log": _log(database, workspace),
        "weeks": sorted(read_pointer(workspace)["weeks"]),
        "model": _version(workspace, champion, community),
        "before": _version(workspace, before, community),
    }


def _counts(workspace: Path) -> dict[str, Any]:
    records = read_records(workspace)
    with read_store(workspace) as connection:
        persons = one_value(connection, "SELECT count(DISTINCT resident_id) FROM residents")
    return {
        "households": len(records.household_ids),
        "requests": len(records.requests),
        "visits": len(records.outreach),
        "persons": persons,
    }


def _fields(workspace: Path) -> list[dict[str, Any]]:
    """List the columns that are held, as the register has them; what was not filled in is None."""
    entries = yaml.safe_load(draft(workspace))["fields"] or {}
    return [
        {
            "name": name,
            "purpose": entry["purpose"] if entry.get("basis") in BASES else None,
            "basis": entry["basis"] if entry.get("basis") in BASES else None,
            "sensitive": bool(entry.get("sensitive")),
            "months": entry["retention_months"] if isinstance(entry.get("retention_months"), int) else None,
        }
        for name, entry in entries.items()
    ]


def _people(database: Database) -> list[dict[str, Any]]:
    active = [user for user in users(database) if user.active]
    count = Counter(user.role for user in active)
    second = Counter(user.role for user in active if user.second_factor)
    return [
        {
            "role": role.value,
            "count": count.get(role.value, 0),
            "second_factor": second.get(role.value, 0),
            "scopes": sorted(SCOPES[role]),
        }
        for role in Role
        if role != Role.MACHINE
    ]


def _rights(workspace: Path, database: Database) -> dict[str, int]:
    with database.reading() as session:
        noted = select(func.count(func.distinct(Refusal.household_id))).where(ENDS_RECORDED.is_not(True))
        refused = session.scalar(noted) or 0
    return {"refused": refused, "deleted": len(read_tombstones(workspace / TOMBSTONES))}


def _log(database: Database, workspace: Path) -> dict[str, Any]:
    """Count the audit log's entries of the past year by action, and check its chain."""
    since = (datetime.now(UTC) - YEAR).isoformat()
    with database.reading() as session:
        rows = session.execute(
            select(Entry.action, func.count())
            .where(Entry.at >= since)
            .group_by(Entry.action)
            .order_by(Entry.action)
        ).all()
    verdict = verify(database, workspace)
    return {
        "actions": [(action, count) for action, count in rows],
        "entries": verdict.entries,
        "head": verdict.head,
        "whole": verdict.broken is None and not verdict.lost,
    }


def _compared_with(models: list[dict[str, Any]], champion: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the version before the champion or, where there is none, the newest one after it."""
    if champion is None:
        return None
    others = [row for row in models if row["version"] != champion["version"]]
    earlier = [row for row in others if row["version"] < champion["version"]]
    return max(earlier or others, key=lambda row: row["version"], default=None)


def _version(workspace: Path, row: dict[str, Any] | None, community: Community) -> dict[str, Any] | None:
    """Return what was measured of a registered version; ``needs`` is empty where its report is gone."""
    if row is None:
        return None
    place = report_place(workspace, row["version"])
    names = {need.id: need.name.here for need in community.needs}
    groups = {group.id: group.name.here for group in community.groups}
    needs, audited = _table(place / AGAINST), _table(place / GROUPS)
    unfair = clearly_less(audited) if len(audited) else audited
    return {
        **row,
        "day": datetime.fromtimestamp(row["registered_at"] / 1000, UTC).date().isoformat(),
        "needs": [
            {**need, "name": names.get(need["need"], need["need"])} for need in needs.to_dict("records")
        ],
        "unfair": [
            {
                "audit": group["audit"],
                "name": groups.get(group["group"], group["group"]),
                "ratio": group["list_over_need"],
            }
            for group in unfair.to_dict("records")
        ],
        "audited": len(audited) > 0,
    }


def _table(path: Path) -> pd.DataFrame:
    """Read a table of a version's report; without rows where it is gone, or where nothing could be trained."""
    try:
        return pd.read_csv(path, encoding="utf-8-sig")
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()


def version_lines(facts: dict[str, Any]) -> list[str]:
    """Compare the champion with the version before it, need by need, in words.

    Both were validated on days of their own, so two shares are called different only where their 95% intervals do not
    overlap; the gate compared them on the same rows, and its decision is quoted.
    """
    model, before = facts["model"], facts["before"]
    if model is None or before is None:
        return []
    earlier = {need["need"]: need for need in before["needs"]}
    lines = []
    for need in model["needs"]:
        other = earlier.get(need["need"])
        shares = (
            f"{need['name']}：{_share(need)}"
            if other is None
            else f"{need['name']}：{_share(other)} → {_share(need)}"
        )
        if other is None:
            words = say("以前的版本没有这项", "not in the version before")
        elif need["low"] > other["high"]:
            words = say("更好", "better")
        elif need["high"] < other["low"]:
            words = say("**更差**", "**worse**")
        else:
            words = say("分不出高下", "no clear difference")
        lines.append(say(f"{shares}，{words}", f"{shares.replace('：', ': ')}, {words}"))
    return lines


def _share(row: dict[str, Any]) -> str:
    return f"{row['model']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"

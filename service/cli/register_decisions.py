"""Duplicates of the register and decisions about unsure links: proposed, carried out, undone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd

from features.language import UserError, say, say_line
from features.linking.decisions import keep_decisions
from features.linking.duplicates import duplicate_households, duplicate_persons
from features.linking.register import read_register, read_residents
from features.store.database import begin, open_store, read_store
from features.store.reader import count_households
from features.store.register_changes import Change, Kind, add_change, read_changes, undo_change
from service.web.published.from_records import publish_from_records


def proposed_duplicates(workspace: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Propose pairs of households and of residents that may be the same and that nobody decided about.

    Returns
    -------
    Columns kind, keep, drop, chance and reason; and the register.
    """
    register = read_register(workspace)
    with read_store(workspace) as connection:
        decided = {
            frozenset((change.subject, change.target))
            for change in read_changes(connection)
            if change.kind == "distinct"
        }
    pairs = pd.concat(
        [
            duplicate_households(register).assign(kind="household"),
            duplicate_persons(read_residents(workspace)).assign(kind="person", chance=float("nan")),
        ],
        ignore_index=True,
    )
    known = [frozenset(both) in decided for both in zip(pairs["keep"], pairs["drop"], strict=True)]
    return pairs[[not is_known for is_known in known]].reset_index(drop=True), register


@contextmanager
def _changing(workspace: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection whose changes are kept together, and then published. Raises UserError before the first ingest."""
    count_households(workspace)
    with open_store(workspace) as connection:
        begin(connection)
        yield connection
        connection.execute("COMMIT")
    publish_from_records(workspace)


def change_register(
    workspace: Path,
    kind: Kind,
    subject: str,
    target: str,
    since: datetime,
    valid_from: datetime | None = None,
) -> list[str]:
    """Merge or move, and return lines on it.

    workspace: with records.
    kind, subject, target, since, valid_from: as ``features.store.register_changes.add_change`` takes them.

    Raises UserError when an id isn't in the register or is merged already.
    """
    with _changing(workspace) as connection:
        change = add_change(connection, kind, subject, target, since, valid_from)
    return [_line(change)]


def undo_register_change(workspace: Path, number: int, until: datetime) -> list[str]:
    """Undo a change from ``until`` on, and return lines on it. Raises UserError where there is none of that number."""
    with _changing(workspace) as connection:
        change = undo_change(connection, number, until)
    return [say("已撤销：", "undone: ") + _line(change)]


def change_lines(workspace: Path) -> list[str]:
    """Return a line for each merge and move that was made."""
    count_households(workspace)
    with read_store(workspace) as connection:
        return [_line(change) for change in read_changes(connection) if change.kind != "distinct"]


def take_reviews(
    workspace: Path, files: list[Path], since: Callable[[], datetime]
) -> tuple[list[str], list[str]]:
    """Keep the decisions of review workbooks, and carry out the merges that they decide.

    workspace: with records.
    files: workbooks, filled in.
    since: gives the time from which merges count.

    Returns lines on what was kept, and lines on what could not be read or done.
    """
    from service.returns.read_review import read_review

    households = set(read_register(workspace)["household_id"])
    lines, refused = [], []
    for path in files:
        review = read_review(path, households)
        kept = keep_decisions(workspace, review.decisions)
        refused += review.refused
        for kind, keep, drop in review.same:
            try:
                lines += change_register(workspace, kind, drop, keep, since())
            except UserError as error:
                refused.append(f"{path.name}: {error}")
        for _, keep, drop in review.other:
            change_register(workspace, "distinct", drop, keep, since())
        lines += say_line(
            f"{path.name}：保存 {kept} 条归户决定，合并 {len(review.same)} 对，{len(review.other)} 对不是同一个，"
            f"{review.undecided} 行未决定",
            f"{path.name}: {kept} links decided, {len(review.same)} pairs merged, {len(review.other)} pairs are not"
            f" the same, {review.undecided} rows undecided",
        )
    return lines, refused


def _line(change: Change) -> str:
    """Say what a change does, from when on, and whether it was undone."""
    day = change.since.date()
    if change.kind == "move":
        begins = f"{change.valid_from:%Y-%m-%d}"
        words = say(
            f"居民 {change.subject} 自 {begins} 起住在 {change.target}",
            f"resident {change.subject} lives in {change.target} from {begins}",
        )
    else:
        zh, en = ("居民", "resident") if change.kind == "person" else ("住户", "household")
        words = say(
            f"{zh} {change.subject} 并入 {change.target}",
            f"{en} {change.subject} is merged into {change.target}",
        )
    counts = say(f"{day} 之后的名单起算", f"counts for lists after {day}")
    ended = (
        say(f"，{change.until:%Y-%m-%d} 撤销", f", undone on {change.until:%Y-%m-%d}") if change.until else ""
    )
    return f"#{change.number} {words}{say('；', '; ')}{counts}{ended}"

"""One household's rows: what is held of it, and how all of it is removed for good, leaving a tombstone."""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from features.atomic import scratch_directory, write_atomically
from features.contract.tables import TABLES
from features.findings import EXAMPLES
from features.ingest.identifiers import PERSONAL, forms_of, ids_in, of_kind, same
from features.ingest.staging import staged
from features.language import joined_names, say
from features.store import waiting_refusals
from features.store.database import STORE, begin, open_store, read_store
from features.store.partitions import forget, root_of
from features.store.quarantine import FOLDER
from features.store.register_changes import TABLE, read_changes, same_as
from features.store.sql import WHOLE_NUMBER, name, text
from features.store.tombstones import TOMBSTONES, leave_tombstone, read_tombstones, recognises, resembles


def household_tables() -> list[str]:
    """List the tables whose rows belong to a household."""
    return [table for table, contract in TABLES.items() if "household_id" in contract.columns]


def rows_of_household(workspace: Path, household_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of a household by table, with when it became known and when another row took its place."""
    with read_store(workspace) as connection:
        households = same_as(read_changes(connection), "household", household_id)
        rows = {
            table: [row for household in households for row in _rows(connection, table, household)]
            for table in household_tables()
        }
        waiting = [
            dict(zip(waiting_refusals.COLUMNS, row, strict=True))
            for row in _waiting(connection, household_id)
        ]
        return rows | ({waiting_refusals.TABLE: waiting} if waiting else {})


def values_of_attribute(workspace: Path, attribute: str) -> dict[str, str | None]:
    """Return the value of an attribute of the households table in each household's newest row, by household id."""
    with read_store(workspace) as connection:
        rows = connection.execute(f"""
            SELECT household_id, arg_max({name(attribute)}, valid_from) FROM households
            WHERE superseded_at IS NULL GROUP BY household_id""")
        return dict(rows.fetchall())


def _waiting(connection: duckdb.DuckDBPyConnection, household_id: str) -> list[tuple[str, str, str | None]]:
    """The refusals that wait for a household, however its id is written, alone or beside others."""
    rows = connection.execute(f"FROM {waiting_refusals.TABLE}").fetchall()
    return [row for row in rows if forms_of(household_id)[0] in forms_of(row[0])]


def _rows(connection: duckdb.DuckDBPyConnection, table: str, household_id: str) -> list[dict[str, Any]]:
    result = connection.execute(
        f"SELECT * FROM {table} WHERE household_id = ? ORDER BY known_from", [household_id]
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def drop_erased(connection: duckdb.DuckDBPyConnection, table: str, workspace: Path) -> int:
    """Remove the rows of erased households from a table's staged rows, and return how many there were."""
    held = read_tombstones(workspace / TOMBSTONES)
    if not len(held) or table not in household_tables():
        return 0
    removed, alike = recognises(held, workspace), resembles(held, workspace)
    ids = connection.execute(f"""
        SELECT DISTINCT household_id, household_id IN (SELECT household_id FROM known_households) FROM {staged(table)}
        WHERE household_id IS NOT NULL""").fetchall()
    erased = ", ".join(
        text(household)
        for household, known in ids
        if removed(household) or (not known and alike(forms_of(household)[0]))
    )
    if not erased:
        return 0
    where = f"household_id IN ({erased})"
    count = connection.execute(f"SELECT count(*) FROM {staged(table)} WHERE {where}").fetchall()[0][0]
    connection.execute(f"DELETE FROM {staged(table)} WHERE {where}")
    return int(count)


def erased_again(connection: duckdb.DuckDBPyConnection, workspace: Path) -> list[str]:
    """Tell of new staged households that seem to be ones that were deleted at their wish, under other numbers."""
    held = read_tombstones(workspace / TOMBSTONES)
    if not held.alike:
        return []
    alike = resembles(held, workspace)
    rows = connection.execute(f"""
        FROM {staged("households")} WHERE household_id IS NOT NULL AND household_id NOT IN (
            SELECT household_id FROM known_households)""")
    names = [column[0] for column in rows.description or []]
    new = (dict(zip(names, row, strict=True)) for row in rows.fetchall())
    again = sorted({row["household_id"] for row in new if any(map(alike, _signs([row])))})
    shown = joined_names(again[:EXAMPLES])
    zh = f"households：{len(again)} 户像是已应要求删除的住户换了户号（{shown}）"
    en = f"{len(again)} households seem to be ones that were deleted at their wish, under other numbers ({shown})"
    todo = say(
        "；是同一户的，请运行 xianying resident delete 户号，来源系统里也删掉",
        "; where they are, run xianying resident delete NUMBER, and delete them at the source",
    )
    return [f"{say(zh, en)}{todo}"] if again else []


def _signs(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return what tells a household under another number: a person's identity card, or name with telephone or address."""
    signs = set()
    for row in rows:
        said = [
            {same(str(row[column])) for column in row if row[column] and of_kind(column, kind)} - {""}
            for kind in PERSONAL
        ]
        cards, phones, addresses, names = said
        signs |= cards | {f"{name}\n{other}" for name in names for other in phones | addresses}
    return signs


def own_texts(workspace: Path, household_id: str, columns: Container[str] = ()) -> list[str]:
    """List the texts of a household's attributes that nobody else has, and that name no column, need or place.

    ``columns``: only of these attributes, where some are named.
    """
    texts: set[str] = set()
    common: set[str] = set()
    with read_store(workspace) as connection:
        for table in ("households", "residents"):
            for column, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall():
                common.add(column)
                if kind != "VARCHAR" or column.endswith("_id") or (columns and column not in columns):
                    continue
                rows = connection.execute(
                    f"""SELECT {name(column)} FROM {table} WHERE {name(column)} IS NOT NULL
                    GROUP BY {name(column)} HAVING bool_and(household_id = ?)""",
                    [household_id],
                ).fetchall()
                texts |= {row[0] for row in rows}
        named = connection.execute("""
            SELECT DISTINCT need FROM requests WHERE need IS NOT NULL
            UNION SELECT unnest([grid_id, microgrid_id]) FROM households""")
        common |= {row[0] for row in named.fetchall()}
    return sorted(text for text in texts - common if len(text) > 1)


def own_requests(workspace: Path, household_id: str) -> list[str]:
    """List the texts of requests that only this household, or those merged into it, wrote."""
    households = merged(workspace, household_id)
    with read_store(workspace) as connection:
        rows = connection.execute(
            """SELECT text FROM requests WHERE text IS NOT NULL
            GROUP BY text HAVING bool_and(list_contains(?, household_id)) ORDER BY text""",
            [households],
        ).fetchall()
    return [row[0] for row in rows]


def erase_household(workspace: Path, household_id: str) -> dict[str, int]:
    """Remove every row of a household from the records, the partitions and the quarantine, and leave a tombstone.

    The records are rewritten without it, as a database file keeps what was deleted until it is overwritten. If it is
    interrupted it can be run again.

    Households that were merged into it are removed with it.

    Returns:
        Number of rows removed by table, and from the quarantine.
    """
    removed: Counter[str] = Counter()
    for household in reversed(merged(workspace, household_id)):
        held = rows_of_household(workspace, household)
        signs = _signs(row for table in ("households", "residents") for row in held[table])
        leave_tombstone(workspace, household, {*signs, forms_of(household)[0]})
        forget(root_of(workspace))
        removed.update(_erase_records(workspace, household, own_texts(workspace, household)))
        removed[FOLDER] += sum(
            erase_rows(path, lambda row, household=household: _names(row[-1], household))  # type: ignore[misc]
            for path in sorted((workspace / FOLDER).glob("*.csv"))
        )
    return dict(removed)


def merged(workspace: Path, household_id: str) -> list[str]:
    """List a household and those that were merged into it."""
    with read_store(workspace) as connection:
        return same_as(read_changes(connection), "household", household_id)


def shown_pairs(workspace: Path) -> list[tuple[str, str]]:
    """List households with another one under whose number their rows count, or counted in some week.

    The first was merged into the second, even if that was undone since, or its residents moved there.
    """
    with read_store(workspace) as connection:
        changes = read_changes(connection)
        moved = connection.execute(
            f"""SELECT DISTINCT household_id, target FROM {TABLE} JOIN residents ON subject = resident_id
            WHERE kind = 'move'"""
        ).fetchall()
    return [(change.subject, change.target) for change in changes if change.kind == "household"] + moved


def shown_as(pairs: Collection[tuple[str, str]], households: Iterable[str]) -> list[str]:
    """List the other households under whose numbers rows of some count. ``pairs``: from ``shown_pairs``."""
    own = {*households}
    shown = {*own}
    while new := {target for subject, target in pairs if subject in shown} - shown:
        shown |= new
    return sorted(shown - own)


def _persons_of(connection: duckdb.DuckDBPyConnection, household_id: str) -> list[str]:
    """List who lives in a household, by the rows or by a move, with those who are the same person."""
    changes = read_changes(connection)
    rows = connection.execute("""
        SELECT resident_id, arg_max(household_id, valid_from) FROM residents WHERE superseded_at IS NULL GROUP BY ALL""")
    home = dict(rows.fetchall())
    home |= {
        change.subject: change.target for change in changes if change.kind == "move" and change.until is None
    }
    here = [person for person, household in home.items() if household == household_id]
    return [same for person in here for same in same_as(changes, "person", person)]


def _forget_changes(connection: duckdb.DuckDBPyConnection, household_id: str) -> None:
    """Remove what was decided about a household: links, and merges and moves of it and its residents."""
    connection.execute("DELETE FROM link_decisions WHERE household_id = ?", [household_id])
    own = forms_of(household_id)[0]
    for written, *_ in _waiting(connection, household_id):
        others = "、".join(other for other in ids_in(written) if forms_of(other)[0] != own)
        connection.execute(
            f"UPDATE {waiting_refusals.TABLE} SET household_id = nullif(?, '') WHERE household_id = ?",
            [others, written],
        )
    connection.execute(f"DELETE FROM {waiting_refusals.TABLE} WHERE household_id IS NULL")
    connection.execute(
        f"""DELETE FROM {TABLE} WHERE ? IN (subject, target) OR (kind <> 'household' AND subject IN (
            SELECT resident_id FROM residents WHERE household_id = ?))""",
        [household_id, household_id],
    )


def _erase_records(workspace: Path, household_id: str, texts: list[str]) -> dict[str, int]:
    if not (workspace / STORE).is_file():
        return {}
    removed: dict[str, int] = {}
    with scratch_directory(workspace) as place, open_store(workspace) as connection:
        fresh = place / STORE
        begin(connection)
        persons = _persons_of(connection, household_id)
        _forget_changes(connection, household_id)
        for table in household_tables():
            deleted = connection.execute(
                f"DELETE FROM {table} WHERE household_id = ? RETURNING 1", [household_id]
            )
            removed[table] = len(deleted.fetchall())
        elsewhere = connection.execute(
            "DELETE FROM residents WHERE list_contains(?, resident_id) RETURNING 1", [persons]
        )
        removed["residents"] += len(elsewhere.fetchall())
        if texts:  # what columns of past exports held most
            connection.execute("DELETE FROM export_columns WHERE list_contains(?, value)", [texts])
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")  # a log of the old file beside the new one would make it unreadable
        here = connection.execute("SELECT current_database()").fetchall()[0][0]
        connection.execute(f"ATTACH {text(str(fresh))} AS fresh")
        connection.execute(f"COPY FROM DATABASE {name(here)} TO fresh")
        connection.execute("DETACH fresh")
        os.replace(fresh, workspace / STORE)
    return removed


def erase_rows(path: Path, belongs: Callable[[list[str]], bool]) -> int:
    """Remove the rows of a CSV for which ``belongs`` holds, and return how many there were."""
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    kept = [row for row in rows if not (row and belongs(row))]
    if len(kept) < len(rows):
        content = io.StringIO(newline="")
        csv.writer(content).writerows(kept)
        write_atomically(path, content.getvalue().encode("utf-8-sig"))
    return len(rows) - len(kept)


def _names(row: str, household_id: str) -> bool:
    """Tell whether a set-aside row, as JSON or as in the file, names a household as ``ingest`` would read its id."""
    try:
        fields: Iterable[Any] = json.loads(row).values()
    except (ValueError, AttributeError):
        fields = row.split(",")
    plain = (str(field).strip().strip('" ') for field in fields)
    return any(
        household_id == text or (re.match(WHOLE_NUMBER, text) and household_id == text.split(".")[0])
        for text in plain
    )

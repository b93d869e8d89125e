"""Delete a household from everything that the workspace and the service hold."""

import csv
import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import delete, update

from features.atomic import forget_partials, open_atomically, scratch_directory, write_atomically
from features.ingest.erasure import (
    erase_household,
    erase_rows,
    merged,
    own_requests,
    own_texts,
    rows_of_household,
    shown_as,
    shown_pairs,
)
from features.language import joined_names, say, say_line
from features.mapping.kept_rows import FOLDER, PENDING, forget_waiting
from features.mapping.register import DOOR, HOUSEHOLDER, PHONE
from features.point_in_time.subset import without
from features.store.partitions import InMemory, open_copy
from features.store.tombstones import leave_tombstone
from models.dataset.out_of_time import erase_out_of_time, forget_earlier_files
from models.text.decisions import forget_decisions, key_of
from models.text.gate import forget_trained_on
from service.ledgers.accounts import HOUSEHOLDS_SHEET, NEEDS_SHEET
from service.ledgers.form import REPORTS
from service.lists.review_workbook import BETWEEN
from service.web.audit.log import enter
from service.web.database.engine import Database
from service.web.database.tables import OF_HOUSEHOLD, Deletion, now
from service.web.published.from_records import publish_from_records
from service.web.published.packing import link
from service.web.published.publish import settle, switching
from service.web.published.week_files import (
    AROUND,
    CONTENT,
    PLACES,
    RECORDS,
    SERVED,
    VISITS,
    read_pointer,
)
from service.web.rights.own_texts import forget_texts

SHEETS = NEEDS_SHEET.parent  # in which people decide
OPEN_IN_EXCEL = "~$"  # begins the name of a file that only says who has a workbook open


def delete_everywhere(workspace: Path, database: Database, household_id: str, who: str) -> list[str]:
    """Remove a household from records, weeks, lists, what is served and the database; lines on what was done.

    Households that were merged into it go first, each from the weeks in which it still had its own number. Before that,
    households under whose number its rows count leave the weeks, lists and scores, until these are made again; their
    records stay.

    A tombstone stays: the day and a hash made with the workspace's secret, so that a later export does not bring the
    household back. The audit log stays as it is. Killed in between it can be run again.
    """
    own = merged(workspace, household_id)
    bearers = shown_as(shown_pairs(workspace), own)
    taken_out = [take_out(workspace, bearer) for bearer in bearers]
    done = [_delete_one(workspace, database, household, who) for household in reversed(own)]
    removed: Counter[str] = Counter()
    for rows, _ in done:
        removed.update(rows)
    touched = [*taken_out, *(lists for _, lists in done)]
    files = {path for changed, _ in touched for path in changed}
    unreadable = {path for _, left in touched for path in left}
    names = joined_names(bearers)
    rows_told = say("，", ", ").join(f"{table} {count}" for table, count in removed.items() if count)
    return [
        say(f"已删除一户：{rows_told or '没有记录'}", f"deleted a household: {rows_told or 'no rows'}"),
        *([say(f"已从 {len(files)} 个文件中删去", f"taken out of {len(files)} files")] if files else []),
        *(
            say(
                f"{path}：读不了，请自己把这一户从里面删掉，或删除这个文件",
                f"{path}: cannot be read; take the household out of it by hand, or delete the file",
            )
            for path in sorted(unreadable)
        ),
        *(
            say_line(
                f"这一户的资料曾算在 {names} 名下，已把 {names} 也从各周的名单和评分里拿下；登记资料还在，重新运行"
                " xianying outreach 就回来",
                f"its rows counted for {names}, which left the weeks' lists and scores too; its records stay, and"
                " xianying outreach lists it again",
            )
            if bearers
            else []
        ),
        say(
            "启用的模型要到下次 xianying retrain 才不再受这一户影响；备份和来源系统里的资料请另行删除",
            "the model in force has learnt from it until the next xianying retrain; delete it from backups and from"
            " the source too",
        ),
    ]


def take_out(workspace: Path, household_id: str) -> tuple[list[Path], list[Path]]:
    """Take a household out of all that was made from the records; the files that changed, and the unreadable ones."""
    lists, unreadable = _rid(_week_files(workspace, household_id), household_id)
    changed = _week_tables(workspace, household_id) + lists
    _served(workspace, household_id)
    return changed, unreadable


def _delete_one(
    workspace: Path, database: Database, household_id: str, who: str
) -> tuple[dict[str, int], tuple[list[Path], list[Path]]]:
    """Remove one household; return rows by table, with the files that changed and those that cannot be read."""
    digest = leave_tombstone(workspace, household_id)
    forget_partials(workspace)
    # while the records still tell which
    changed = forget_texts(workspace, own_texts(workspace, household_id))
    requests = own_requests(workspace, household_id)
    lists, unreadable = _lists(workspace, household_id, _named(workspace, household_id, requests))
    forget_decisions(workspace, requests)
    forget_trained_on(workspace, requests)
    removed = erase_household(workspace, household_id)
    erase_out_of_time(workspace, household_id)
    forget_earlier_files(workspace)
    files = changed + _tables(workspace, household_id) + lists
    _served(workspace, household_id)
    publish_from_records(workspace)
    with database.writing() as session:
        for table in OF_HOUSEHOLD:
            session.execute(delete(table).where(table.household_id == household_id))
        noted = session.execute(
            update(Deletion)
            .where(Deletion.household_id == household_id)
            .values(household_id=None, household_hash=digest, drained_at=now())
        )
        if not noted.rowcount:  # type: ignore[attr-defined]
            session.add(Deletion(household_hash=digest, by=who, drained_at=now()))
        enter(session, who, "resident.delete", digest)
    database.forget_deleted_rows()
    return removed, (files, unreadable)


def _tables(workspace: Path, household_id: str) -> list[Path]:
    """Delete the household from all Parquet tables, and from rows that wait for people; return those changed."""
    changed = _week_tables(workspace, household_id)
    changed += [path for path in (workspace / FOLDER).glob("*.parquet") if _without_rows(path, household_id)]
    if forget_waiting(workspace, household_id):
        changed.append(workspace / FOLDER / PENDING)
        for sheet in (HOUSEHOLDS_SHEET, NEEDS_SHEET):  # the next ingest writes them anew
            (workspace / sheet).unlink(missing_ok=True)
    return changed


def _week_tables(workspace: Path, household_id: str) -> list[Path]:
    """Delete the household from the Parquet tables of the weeks and of the newest scores; return those changed."""
    tables = [*workspace.glob("*.parquet"), *(workspace / "weeks").glob("*/*.parquet")]
    return [path for path in tables if _without_rows(path, household_id)]


def _without_rows(path: Path, household_id: str) -> bool:
    """Delete a household from a Parquet table, one row group at a time, and tell whether it was there.

    The file keeps its time of change: scores older than the records are made anew before a list is.
    """
    with pq.ParquetFile(path) as file:
        groups, age = range(file.num_row_groups), path.stat()
        if "household_id" not in file.schema_arrow.names or not any(
            pc.any(_is(file.read_row_group(at, ["household_id"]), household_id)).as_py() for at in groups
        ):
            return False
        with open_atomically(path) as rest:
            with pq.ParquetWriter(rest, file.schema_arrow, write_page_checksum=True) as writer:
                for at in groups:
                    rows = file.read_row_group(at)
                    writer.write_table(rows.filter(pc.invert(_is(rows, household_id))))
            rest.flush()
            os.utime(rest.fileno(), ns=(age.st_atime_ns, age.st_mtime_ns))
    return True


def _is(rows: pa.Table, household_id: str) -> pa.ChunkedArray:
    """Tell which rows are this household's: bool [rows]."""
    return pc.fill_null(pc.equal(rows["household_id"], household_id), False)


def _named(workspace: Path, household_id: str, requests: Iterable[str]) -> frozenset[str]:
    """Return the cells by which a form or a sheet to decide in, neither of which need have its number, names a household.

    ``requests``: texts of requests that only it wrote; sheets ask about them by their keys.
    """
    contacts = own_texts(workspace, household_id, (DOOR, HOUSEHOLDER, PHONE))
    residents = [row["resident_id"] for row in rows_of_household(workspace, household_id)["residents"]]
    return frozenset([household_id, *contacts, *residents, *map(key_of, requests)])


def _lists(workspace: Path, household_id: str, named: frozenset[str]) -> tuple[list[Path], list[Path]]:
    """Workbooks and tables lose the household's rows, whatever was filled in on the others stays; its printed pages
    go. The files that changed, and those that cannot be read."""
    others = [
        (path, named) for folder in (REPORTS, SHEETS) for path in (workspace / folder).glob("*.xls[xm]")
    ]
    return _rid([*_week_files(workspace, household_id), *others], household_id)


def _week_files(workspace: Path, household_id: str) -> list[tuple[Path, frozenset[str]]]:
    """List the files of all weeks, with the cells by which a household is named there."""
    return [(path, frozenset([household_id])) for path in (workspace / "weeks").glob("*/*")]


def _rid(files: Iterable[tuple[Path, frozenset[str]]], household_id: str) -> tuple[list[Path], list[Path]]:
    """Take a household out of files; return those that changed, and those that cannot be read.

    ``files``: with the cells by which each names it.
    """
    changed, unreadable = [], []
    for path, names in sorted(files):
        if path.name.startswith(OPEN_IN_EXCEL):
            continue
        try:
            if _without_household(path, household_id, names):
                changed.append(path)
        except OSError:
            raise
        except Exception:  # a damaged workbook raises what its damage makes of it
            unreadable.append(path)
    return changed, unreadable


def _without_household(path: Path, household_id: str, named: frozenset[str]) -> bool:
    """Take a household out of a file of a kind that lists have, and tell whether it was there."""
    match path.suffix:
        case ".xlsx" | ".xlsm":
            return _blank_rows(path, household_id, named)
        case ".csv":
            return bool(_erase_rows(path, household_id))
        case ".html":
            return _remove_page(path, household_id)
    return False


def _remove_page(path: Path, household_id: str) -> bool:
    named = re.search(rf"(?<![\w-]){re.escape(household_id)}(?![\w-])", path.read_text("utf-8"))
    if named:
        path.unlink()
    return named is not None


def _erase_rows(path: Path, household_id: str) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if "household_id" not in header:
        return 0
    column = header.index("household_id")
    return erase_rows(path, lambda row: row[column] == household_id)


def _blank_rows(path: Path, household_id: str, named: frozenset[str]) -> bool:
    book = openpyxl.load_workbook(path, keep_vba=path.suffix == ".xlsm")
    blanked = False
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            texts = [cell.value for cell in row if isinstance(cell.value, str)]  # no id is a number
            if any(text in named or text.startswith(f"{household_id}{BETWEEN}") for text in texts):
                blanked = True
                for cell in row:
                    if not isinstance(cell, openpyxl.cell.cell.MergedCell):
                        cell.value = None
    if blanked:
        content = io.BytesIO()
        book.save(content)
        write_atomically(path, content.getvalue())
    return blanked


def _served(workspace: Path, household_id: str) -> None:
    """Publish every week again without the household."""
    with switching(workspace) as (served, pointer):
        for as_of, name in sorted(pointer["weeks"].items()):
            old = served / name
            if not old.is_dir():
                continue
            # places first: they are read at once, and the records of a large town are not
            if household_id not in orjson.loads((old / PLACES).read_bytes()) and household_id not in _held(
                old
            ):
                continue
            with scratch_directory(served) as place:
                shutil.copytree(old, place, dirs_exist_ok=True, copy_function=link)
                _without(old, place, household_id)
                pointer["weeks"][as_of] = settle(place, served, as_of)


def published_households(workspace: Path) -> set[str]:
    """Return the households of which a published week holds anything, even one not yet known at the week's date."""
    served = workspace / SERVED
    return {
        household
        for name in read_pointer(workspace)["weeks"].values()
        if (served / name).is_dir()
        for household in _held(served / name)
    }


def published_texts(workspace: Path, household_id: str) -> set[str]:
    """Return the texts of a household's attributes that nobody else has in the published weeks' records."""
    served = workspace / SERVED
    own: set[str] = set()
    common: set[str] = set()
    for name in read_pointer(workspace)["weeks"].values():
        if not (served / name / RECORDS).is_dir():
            continue
        town = open_copy(served / name / RECORDS)
        for number in range(len(town)):
            records = town.read([number])
            common |= {need.id for need in records.community.needs}
            common |= {*map(str, records.grid_ids), *map(str, records.microgrid_ids)}
            for rows in (records.households, records.residents):
                theirs = records.household_ids[rows.household] == household_id
                for column in rows.attributes.values():
                    own |= {*column[theirs].own().distinct}
                    common |= {*column[~theirs].own().distinct}
    return {text for text in own - common if len(text) > 1}


def _held(week: Path) -> set[str]:
    """Return the households of which a week's files hold anything."""
    held = set(orjson.loads((week / PLACES).read_bytes()))
    if (week / AROUND).is_file():
        around = orjson.loads((week / AROUND).read_bytes())
        lists = (feedback[name] for feedback in around["feedback"].values() for name in ("said", "agreed"))
        held |= {row["household_id"] for rows in lists for row in rows}
    if (week / RECORDS).is_dir():
        town = open_copy(week / RECORDS)
        held |= {
            str(identifier) for number in range(len(town)) for identifier in town.read([number]).household_ids
        }
    return held


def _without(old: Path, place: Path, household_id: str) -> None:
    places = orjson.loads((old / PLACES).read_bytes())
    content = (old / CONTENT).read_bytes()
    pieces, moved, offset = [], {}, 0
    for household, (grid, microgrid, begin, middle, end, *sums) in places.items():
        if household != household_id:
            pieces.append(content[begin:end])
            moved[household] = [grid, microgrid, offset, offset + middle - begin, offset + end - begin, *sums]
            offset += end - begin
    _write(place / CONTENT, b"".join(pieces))
    _write(place / PLACES, orjson.dumps(moved))
    rows = orjson.loads((old / VISITS).read_bytes())
    _write(place / VISITS, orjson.dumps([row for row in rows if row["household_id"] != household_id]))
    if (old / AROUND).is_file():
        _write(place / AROUND, _around_without(old / AROUND, household_id))
    if (old / RECORDS).is_dir():
        _records_without(place / RECORDS, household_id)


def _records_without(directory: Path, household_id: str) -> None:
    """Delete a household from a week's records, whose files may be links to those of the week before."""
    town = open_copy(directory)
    if isinstance(town, InMemory):
        shutil.rmtree(directory)
        InMemory(without(town.records, household_id)).copy_to(directory)
        return
    for path in directory.rglob("*.parquet"):
        _without_rows(path, household_id)


def _around_without(path: Path, household_id: str) -> bytes:
    around = orjson.loads(path.read_bytes())
    for feedback in around["feedback"].values():
        for name in ("said", "agreed"):
            feedback[name] = [row for row in feedback[name] if row["household_id"] != household_id]
    return orjson.dumps(around)


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)  # it may be a link to the file of the week before
    path.write_bytes(content)

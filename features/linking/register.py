"""Read a workspace's register as one table of doors, people and telephones, whatever its columns are called."""

import re
from pathlib import Path

import duckdb
import pandas as pd

from features.store.database import STORE, attribute_columns, has_tables, open_store
from features.store.register_changes import show_changes
from features.store.sql import held, name

COLUMNS = ("household_id", "address", "person", "phone", "valid_until")
_ADDRESS = re.compile(r"^(?:.*(?:地址|住址|门牌)(?:号|号码)?|address|addr|door)$", re.IGNORECASE)
_PERSON = re.compile(
    r"^(?:户主|居民|家庭成员|成员)?姓名$|^户主(?:名字?)?$|^姓氏$|^称呼$|^名字$|^(?:head_|full_|resident_)?name$|^surname$",
    re.IGNORECASE,
)
_PHONE = re.compile(r"电话|手机|联系方式|phone|mobile|^tel$|^contact$", re.IGNORECASE)
# a door in columns of its own, in the order in which it is written, with the word that follows a bare number
_DOOR_PARTS = (
    (re.compile(r"^(?:所在|所属)?(?:小区|小区名称|楼盘|村|村名|自然村|estate)$"), ""),
    (re.compile(r"^(?:村民)?(?:小组|组|组别)$"), "组"),
    (re.compile(r"^(?:楼栋|楼幢|幢|栋|楼号|幢号|栋号|楼栋号|building)$"), "幢"),
    (re.compile(r"^(?:单元|单元号|unit)$"), "单元"),
    (re.compile(r"^(?:室|室号|房号|房间号|户室|房间|room)$"), "室"),
)


def read_register(workspace: Path) -> pd.DataFrame:
    """Read the doors, people and telephones of a workspace's households as they stand now.

    Returns
    -------
    Columns household_id, address, person, phone (texts or missing) and valid_until (datetime or missing); one row for a
    household's own columns and one for each of its residents. No rows before the first ingest.
    """
    if not (workspace / STORE).is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    with open_store(workspace, read_only=True) as connection:
        if not has_tables(connection):
            return pd.DataFrame(columns=list(COLUMNS))
        show_changes(connection)
        parts = [
            _rows(connection, "households", "household_id"),
            _rows(connection, "residents", "resident_id"),
        ]
    register = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return register.drop_duplicates(ignore_index=True)


def read_residents(workspace: Path) -> pd.DataFrame:
    """Read the residents who are there: resident_id, household_id, person, phone (texts or missing) and born (date)."""
    with open_store(workspace, read_only=True) as connection:
        show_changes(connection)
        columns = attribute_columns(connection, "residents")
        person = _joined([column for column in columns if _PERSON.search(column)], "'、'")
        phone = _joined([column for column in columns if _PHONE.search(column)], "'/'")
        query = f"""
            SELECT resident_id, household_id, {person} AS person, {phone} AS phone,
                coalesce(birth_date, make_date(birth_year::INTEGER, 7, 1)) AS born
            FROM (SELECT * FROM {held("residents")}
                QUALIFY row_number() OVER (PARTITION BY resident_id ORDER BY valid_from DESC, known_from DESC) = 1)
            WHERE valid_until IS NULL ORDER BY resident_id"""
        return connection.sql(query).to_arrow_table().to_pandas()


def _rows(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> pd.DataFrame:
    """Read each household's or resident's latest row."""
    columns = attribute_columns(connection, table)
    address = _address(columns)
    person = _joined([column for column in columns if _PERSON.search(column)], "'、'")
    phone = _joined([column for column in columns if _PHONE.search(column)], "'/'")
    query = f"""
        SELECT household_id, {address} AS address, {person} AS person, {phone} AS phone, valid_until
        FROM {held(table)}
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC, known_from DESC) = 1
        ORDER BY household_id, {key}"""
    return connection.sql(query).to_arrow_table().to_pandas()


def _joined(columns: list[str], between: str) -> str:
    return (
        f"nullif(concat_ws({between}, {', '.join(map(name, columns))}), '')" if columns else "NULL::VARCHAR"
    )


def _address(columns: list[str]) -> str:
    """Return SQL of the door: of the address's column or, without one, of the columns of its parts."""
    whole = [column for column in columns if _ADDRESS.search(column)]
    if whole:
        return f"coalesce({', '.join(map(name, whole))})"
    parts = []
    for pattern, word in _DOOR_PARTS:
        for column in (column for column in columns if pattern.search(column)):
            bare = f"regexp_full_match(trim({name(column)}), '[A-Za-z]?\\d+[A-Za-z]?')"
            parts.append(f"CASE WHEN {bare} THEN trim({name(column)}) || '{word}' ELSE {name(column)} END")
    return f"nullif(concat({', '.join(parts)}), '')" if parts else "NULL::VARCHAR"

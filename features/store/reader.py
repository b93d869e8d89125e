"""Read a workspace: the settings in force, and its records as arrays."""

from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from features.contract.attribute_values import Texts, read_texts
from features.contract.community import Community
from features.contract.refusing_words import CALLS_OFF, wanted_part
from features.contract.settings_file import SETTINGS_FILE, read_community
from features.contract.tables import ARMS, FEEDBACK, OUTCOMES, TABLES
from features.language import UserError
from features.point_in_time.records import OF_GRID, Records
from features.rows.tables import (
    FeedbackRows,
    HouseholdRows,
    OptOutRows,
    OutreachRows,
    RequestRows,
    ResidentRows,
)
from features.store.database import (
    OWN_TIME,
    add_moves,
    attribute_columns,
    read_store,
)
from features.store.register_changes import show_changes
from features.store.sql import held, name, one_value, text

GIVES = {
    "model": ("出借模型", "lend its model"),
    "figures": ("给出合计", "give its sums"),
}


def read_settings(workspace: Path) -> Community:
    """Read the settings in force in a workspace. Raises UserError where there are none."""
    if not (workspace / SETTINGS_FILE).is_file():
        raise _empty(workspace)
    return read_community(workspace / SETTINGS_FILE).community


def read_records(workspace: Path, community: Community | None = None) -> Records:
    """Read all records of a workspace with their versions, each table sorted by ``visible_from``, then by key.

    ``community``: settings by which they are read, by default those in force. Raises UserError when nothing has been
    ingested yet.
    """
    community = community or read_settings(workspace)
    with read_store(workspace) as connection:
        show_changes(connection)
        add_moves(connection)
        records = records_in(connection, community)
        if not len(records.household_ids):
            raise _empty(workspace)
        return records


def records_in(connection: duckdb.DuckDBPyConnection, community: Community) -> Records:
    """Read the records in the tables of a connection (with ``add_moves``), of a whole town or some partitions of it."""
    ids = _number_ids(connection)
    _number_needs(connection, community)
    residents, outreach = _residents(connection), _outreach(connection)
    return Records(
        community=community,
        household_ids=ids["household_id"],
        grid_ids=ids["grid_id"],
        microgrid_ids=ids["microgrid_id"],
        households=_households(connection),
        residents=residents,
        requests=_requests(connection, community),
        outreach=outreach,
        opt_outs=_opt_outs(connection),
        feedback=_feedback(connection),
        workers=_workers(connection),
        has_residents=len(residents) > 0,
        has_outreach=len(outreach) > 0,
    )


def read_programme_history(workspace: Path, as_of: int) -> pd.DataFrame:
    """Read the contract's programme_history as known before day ``as_of``, oldest first; no rows where there is none.

    Beside ``opened_at`` it has ``opened``, the same time in days.
    """
    with read_store(workspace) as connection:
        rows = connection.sql(f"""
            SELECT {", ".join(TABLES["programme_history"].columns)}, {_days("opened_at")} AS opened
            FROM programme_history
            WHERE {_days("known_from")} < {as_of} AND {_end("superseded_at")} >= {as_of}
            ORDER BY opened_at, programme_id, need""")
        return rows.to_arrow_table().to_pandas()


def _empty(workspace: Path) -> UserError:
    return UserError(
        f"{workspace}：还没有数据，请先运行 xianying ingest 目录",
        f"{workspace}: no records yet; run xianying ingest DIR first",
    )


def _number_ids(connection: duckdb.DuckDBPyConnection) -> dict[str, np.ndarray]:
    """Number households, grids and micro-grids in the order of their ids, in temporary tables; return the ids."""
    ids = {}
    pair = f"grid_id || {text(OF_GRID)} || microgrid_id"  # numbers may begin anew in each grid
    for column, value in (("household_id", "household_id"), ("grid_id", "grid_id"), ("microgrid_id", pair)):
        connection.execute(f"""
            CREATE TEMP TABLE {column}s AS
            SELECT {column}, (row_number() OVER (ORDER BY {column}) - 1)::INTEGER AS number
            FROM (SELECT DISTINCT {value} AS {column} FROM households)""")
        ids[column] = _texts(
            connection.sql(f"SELECT {column} FROM {column}s ORDER BY number").to_arrow_table()[column]
        )
    return ids


def _number_needs(connection: duckdb.DuckDBPyConnection, community: Community) -> None:
    connection.execute("CREATE TEMP TABLE needs (need VARCHAR, need_index SMALLINT)")
    connection.executemany("INSERT INTO needs VALUES (?, ?)", list(community.need_index().items()))


def _days(column: str) -> str:
    return f"coalesce(epoch_us({column}) / 86400e6, 'nan'::DOUBLE)"


def _end(column: str) -> str:
    return f"coalesce(epoch_us({column}) / 86400e6, 'inf'::DOUBLE)"


VERSION = f"{_days('known_from')} AS visible_from, {_end('superseded_at')} AS visible_to"


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: str, joins: str = "") -> pa.Table:
    """Select columns of a table's rows with when they were visible, joined to their household's number."""
    if "household_id" in TABLES[table].columns:
        columns = f"household_ids.number AS household, {columns}"
        joins = f"JOIN household_ids USING (household_id) {joins}"
    keys = ", ".join(f"{table}.{name(key)}" for key in TABLES[table].key)
    return connection.sql(
        f"SELECT {VERSION}, {columns} FROM {table} {joins} ORDER BY known_from, {keys}, superseded_at"
    ).to_arrow_table()


def _numbers(rows: pa.Table, *columns: str) -> dict[str, np.ndarray]:
    return {column: rows[column].to_numpy() for column in ("visible_from", "visible_to", *columns)}


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    """Return an object array of str or None, in which equal texts share one object."""
    codes, distinct = _encoded(column)
    return np.array([*distinct, None], dtype=object)[codes]


def _encoded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return a code for each row, -1 where missing, and the distinct texts."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _ids(column: pa.ChunkedArray) -> np.ndarray:
    """Return texts that all differ in a quarter of the memory that as many objects take."""
    texts = np.empty(len(column), dtype=np.dtypes.StringDType(na_object=None))
    at = 0
    for part in column.chunks:
        texts[at : at + len(part)] = part.to_numpy(zero_copy_only=False)
        at += len(part)
    return texts


def _attributes(rows: pa.Table, names: list[str]) -> dict[str, Texts]:
    columns = {}
    for attribute in names:
        codes, distinct = _encoded(rows[f"attribute:{attribute}"])
        columns[attribute] = read_texts(distinct, codes)
    return columns


def _selected(table: str, names: list[str]) -> str:
    return "".join(f", {table}.{name(column)} AS {name(f'attribute:{column}')}" for column in names)


def _households(connection: duckdb.DuckDBPyConnection) -> HouseholdRows:
    names = attribute_columns(connection, "households")
    rows = _rows(
        connection,
        "households",
        f"""{_days("valid_from")} AS valid_from, {_end("valid_until")} AS valid_until, grid_ids.number AS grid,
        microgrid_ids.number AS microgrid{_selected("households", names)}""",
        f"""JOIN grid_ids USING (grid_id) JOIN microgrid_ids
        ON microgrid_ids.microgrid_id = households.grid_id || {text(OF_GRID)} || households.microgrid_id""",
    )
    return HouseholdRows(
        **_numbers(rows, "household", "valid_from", "valid_until", "grid", "microgrid"),
        attributes=_attributes(rows, names),
    )


def _residents(connection: duckdb.DuckDBPyConnection) -> ResidentRows:
    names = attribute_columns(connection, "residents")
    born = "CAST(coalesce(birth_date, make_date(birth_year::INTEGER, 7, 1)) AS TIMESTAMP)"
    rows = _rows(
        connection,
        "residents",
        f"""(dense_rank() OVER (ORDER BY resident_id) - 1)::INTEGER AS resident,
        {_days("valid_from")} AS valid_from, {_end("valid_until")} AS valid_until, {_days(born)} AS born,
        {_end("left_at")} AS "left"{_selected("residents", names)}""",
        "LEFT JOIN resident_moves USING (household_id, resident_id, valid_from, known_from)",
    )
    return ResidentRows(
        **_numbers(rows, "resident", "household", "valid_from", "valid_until", "born", "left"),
        attributes=_attributes(rows, names),
    )


def _requests(connection: duckdb.DuckDBPyConnection, community: Community) -> RequestRows:
    match_texts(connection, community, "SELECT DISTINCT text FROM requests WHERE need IS NULL")
    rows = _rows(
        connection,
        "requests",
        f"""request_id,
        coalesce(needs.need_index, CASE WHEN need IS NULL THEN text_needs.need_index END, -1) AS need,
        {_days("requested_at")} AS requested, {_days(OWN_TIME["requests"])} AS recorded,
        {_days("resolved_at")} AS resolved,
        coalesce(satisfaction, 'nan'::DOUBLE)::FLOAT AS satisfaction""",
        "LEFT JOIN needs USING (need) LEFT JOIN text_needs USING (text)",
    )
    return RequestRows(
        **_numbers(rows, "household", "need", "requested", "recorded", "resolved", "satisfaction"),
        request_id=_ids(rows["request_id"]),
    )


def _outreach(connection: duckdb.DuckDBPyConnection) -> OutreachRows:
    outcomes = " ".join(f"WHEN {text(outcome)} THEN {index}" for index, outcome in enumerate(OUTCOMES))
    rows = _rows(
        connection,
        "outreach",
        f"""outreach_id, coalesce(needs.need_index, -1)::SMALLINT AS need,
        {_days("contacted_at")} AS contacted, arm = {text(ARMS[1])} AS random,
        (CASE outcome {outcomes} ELSE -1 END)::TINYINT AS outcome,
        coalesce(propensity, 'nan'::DOUBLE) AS propensity""",
        "LEFT JOIN needs USING (need)",
    )
    return OutreachRows(
        **_numbers(rows, "household", "need", "contacted", "outcome", "propensity"),
        outreach_id=_ids(rows["outreach_id"]),
        random=rows["random"].to_numpy(),
    )


def _opt_outs(connection: duckdb.DuckDBPyConnection) -> OptOutRows:
    rows = _rows(
        connection,
        "opt_outs",
        f"""{_days('"from"')} AS begins, {_end('"until"')} AS until""",
    )
    return OptOutRows(**_numbers(rows, "household", "begins", "until"))


def _feedback(connection: duckdb.DuckDBPyConnection) -> FeedbackRows:
    kinds = " ".join(f"WHEN {text(kind)} THEN {index}" for index, kind in enumerate(FEEDBACK))
    rows = _rows(
        connection,
        "feedback",
        f"""feedback_id, outreach_id,
        (CASE WHEN need IS NULL THEN -1 ELSE coalesce(needs.need_index, -2) END)::SMALLINT AS need,
        {_days("recorded_at")} AS recorded, (CASE kind {kinds} ELSE -1 END)::TINYINT AS kind,
        coalesce(satisfaction, 'nan'::DOUBLE)::FLOAT AS satisfaction, reason_kind, note,
        {_days("CAST(next_visit AS TIMESTAMP)")} AS next_visit""",
        "LEFT JOIN needs USING (need)",
    )
    return FeedbackRows(
        **_numbers(rows, "household", "need", "recorded", "kind", "satisfaction", "next_visit"),
        **{column: _texts(rows[column]) for column in ("feedback_id", "outreach_id", "reason_kind", "note")},
    )


def _workers(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    columns = TABLES["workers"].columns
    names = ", ".join(columns)
    rows = connection.sql(f"SELECT {names} FROM {held('workers')} ORDER BY worker_id").to_arrow_table()
    return pd.DataFrame(
        {
            label: rows[label].to_numpy()
            if column.kind == "number"
            else pd.Series(_texts(rows[label]), dtype=object)
            for label, column in columns.items()
        }
    )


def count_households(workspace: Path) -> int:
    """Count the households that the records of a workspace hold. Raises UserError before the first ingest."""
    with read_store(workspace) as connection:
        count = int(one_value(connection, "SELECT count(DISTINCT household_id) FROM households"))
    if not count:
        raise _empty(workspace)
    return count


def sharing_community(workspace: Path, what: Literal["model", "figures"]) -> tuple[str, Community]:
    """Return a community's name and settings. Raises UserError where they do not say that it shares ``what``."""
    community = read_settings(workspace)
    name = community.community.name or workspace.name
    if not getattr(community.sharing, what):
        zh, en = GIVES[what]
        raise UserError(
            f"{name}（{workspace}）没有同意{zh}：要在它的 {SETTINGS_FILE} 写 sharing: {{{what}: true}} 再导入",
            f"{name} ({workspace}) has not agreed to {en}: it must write sharing: {{{what}: true}} into its"
            f" {SETTINGS_FILE} and ingest it",
        )
    return name, community


def match_texts(connection: duckdb.DuckDBPyConnection, community: Community, texts: str) -> None:
    """Make the temporary table ``text_needs`` (text, need_index), with a row for each text that matches a need.

    ``texts``: SQL of distinct texts in a column ``text``. The need with most keywords in the text wins, then the one with
    the longest keyword, then the order in community.yaml. Upper and lower case are alike. What a text calls off
    (不需要助餐了) does not count; such texts stand in the temporary table ``called_off`` (text, wanted: the rest).
    """
    keywords = sorted(
        {
            (keyword.strip().lower(), index)
            for index, need in enumerate(community.needs)
            for keyword in need.keywords
        }
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE keywords (keyword VARCHAR, need_index SMALLINT)")
    if words := [pair for pair in keywords if pair[0]]:
        connection.executemany("INSERT INTO keywords VALUES (?, ?)", words)
    connection.execute("CREATE OR REPLACE TEMP TABLE called_off (text VARCHAR, wanted VARCHAR)")
    said = connection.execute(f"FROM ({texts}) WHERE regexp_matches(text, {text(CALLS_OFF)})").fetchall()
    if off := [(said, wanted) for (said,) in said if (wanted := wanted_part(said)) != said]:
        connection.executemany("INSERT INTO called_off VALUES (?, ?)", off)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE text_needs AS
        SELECT text, need_index FROM (
            SELECT text, need_index, count(*) AS hits, max(length(keyword)) AS longest
            FROM ({texts}) LEFT JOIN called_off USING (text)
            JOIN keywords ON contains(lower(coalesce(wanted, text)), keyword)
            GROUP BY text, need_index)
        QUALIFY row_number() OVER (PARTITION BY text ORDER BY hits DESC, longest DESC, need_index) = 1""")

"""Warn, when records are read, of causes that show only later as too few requests or empty labels."""

import duckdb

from features.contract.community import Community
from features.exports.coverage import early_line, late_line
from features.language import joined_names, say
from features.store.sql import text

FEWEST_HOMES = 20
ONLY_BY_REQUESTS = 0.9  # of the households, known only since their first request


def causes(connection: duckdb.DuckDBPyConnection, community: Community) -> list[str]:
    """Write lines on the records as they stand: lost needs, households known too late, requests entered in bulk."""
    return [
        *_lost_needs(connection, community),
        *_known_too_late(connection),
        *_entered_late(connection),
        *_only_by_requests(connection, community),
    ]


def _lost_needs(connection: duckdb.DuckDBPyConnection, community: Community) -> list[str]:
    among = ", ".join(text(need.id) for need in community.needs)
    lost = connection.execute(f"""
        SELECT need, count(*) FROM requests WHERE superseded_at IS NULL AND need NOT IN ({among})
        GROUP BY need ORDER BY need""").fetchall()
    if not lost:
        return []
    count = sum(number for _, number in lost)
    names = joined_names(say(f"{need} {number} 条", f"{need}: {number}") for need, number in lost)
    zh = (
        f"{count} 条已入库的诉求，其需求在 community.yaml 里已经没有，不计入任何需求（{names}）；"
        "改了编号的请改回，或重新导出"
    )
    have = "1 stored request has a need" if count == 1 else f"{count} stored requests have a need"
    counts = "it counts for none" if count == 1 else "they count for none"
    en = f"{have} that community.yaml no longer has: {counts} ({names}); give the need its old id, or export them anew"
    return [say(zh, en)]


def _known_too_late(connection: duckdb.DuckDBPyConnection) -> list[str]:
    early, total, first, before_all = connection.execute("""
        WITH begun AS (SELECT household_id, min(valid_from) AS first FROM households GROUP BY household_id),
        start AS (SELECT min(first) AS day FROM begun)
        SELECT count(*) FILTER (requested_at < first), count(*), coalesce(any_value(day)::DATE::VARCHAR, ''),
            count(*) FILTER (requested_at < day)
        FROM requests JOIN begun USING (household_id), start WHERE superseded_at IS NULL""").fetchall()[0]
    return early_line(first, before_all, early, total)


def _only_by_requests(connection: duckdb.DuckDBPyConnection, community: Community) -> list[str]:
    if community.silent_after_weeks is not None:
        return []
    homes, asking = connection.execute("""
        WITH begun AS (
            SELECT household_id, min(valid_from)::DATE AS since, max(valid_until) AS ends FROM households
            WHERE superseded_at IS NULL GROUP BY household_id),
        asked AS (
            SELECT household_id, min(requested_at)::DATE AS first FROM requests
            WHERE superseded_at IS NULL GROUP BY household_id)
        SELECT count(*), count(*) FILTER (abs(date_diff('day', since, first)) <= 1 AND ends IS NULL)
        FROM begun LEFT JOIN asked USING (household_id)""").fetchall()[0]
    if homes < FEWEST_HOMES or asking < ONLY_BY_REQUESTS * homes:
        return []
    return [
        say(
            f"{homes} 户中 {asking} 户自首次诉求起才有记录：名册只随诉求增加，很久没消息的仍当作住着；"
            "请在 community.yaml 写 silent_after_weeks（如 104）",
            f"{asking} of {homes} households are known only since their first request: the register grows by requests,"
            " and who has long been silent still counts; set silent_after_weeks (104, say) in community.yaml",
        )
    ]


def _entered_late(connection: duckdb.DuckDBPyConnection) -> list[str]:
    count, median = connection.execute("""
        SELECT count(*), median(epoch(recorded_at - requested_at)) / 86400 FROM requests
        WHERE superseded_at IS NULL AND recorded_at IS NOT NULL""").fetchall()[0]
    return late_line(median, count)

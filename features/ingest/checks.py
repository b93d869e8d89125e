"""What makes a row unusable: one rule after another, as SQL over the table's read columns."""

from features.contract.tables import TABLES, Table
from features.language import say
from features.store.sql import name, text

EARLIEST, LATEST = "DATE '1900-01-01'", "DATE '2101-01-01'"
FORGIVING = {"outreach": ("propensity",)}  # unusable values of these are left out, not their rows

Rule = tuple[str, str, str]  # condition, problem in words, SQL of the value to show


def raw(column: str) -> str:
    """The column with the text that ``column`` was read from."""
    return name(f"raw:{column}")


def rules(table: str, columns: list[str], needs: list[str]) -> list[Rule]:
    """The rules of a table whose file has these columns of the contract; the first one broken counts.

    Read values stand under their names, the texts they come from under ``raw``; ``known_households`` is a
    table with the households that there are.
    """
    contract = TABLES[table]
    found = [rule for column in columns for rule in _column_rules(contract, column, table)]
    if "need" in columns:
        among = ", ".join(map(text, needs))
        unknown = f"need IS NOT NULL AND need NOT IN ({among})"
        found.append(
            (unknown, say("community.yaml 里没有这个需求", "no such need in community.yaml"), "need")
        )
    if table != "households" and "household_id" in contract.columns:
        unknown = "household_id NOT IN (SELECT household_id FROM known_households)"
        found.append((unknown, say("没有这一户", "no such household"), "household_id"))
    return found + _between_columns(table, set(columns))


def _column_rules(contract: Table, column: str, table: str) -> list[Rule]:
    kind, value = contract.columns[column], name(column)
    found: list[Rule] = []
    if column in FORGIVING.get(table, ()):
        return found
    if kind.required:
        found.append((f"{raw(column)} IS NULL", say(f"缺少 {column}", f"{column} is missing"), "NULL"))
    if kind.kind != "text":
        unreadable = f"{raw(column)} IS NOT NULL AND {value} IS NULL"
        found.append((unreadable, say(f"{column} 读不懂", f"{column} cannot be read"), raw(column)))
    if kind.kind in ("time", "day"):
        outside = f"{value} < {EARLIEST} OR {value} >= {LATEST}"
        found.append((outside, say(f"{column} 不可能是这一天", f"{column} cannot be that date"), raw(column)))
    if kind.allowed:
        among = ", ".join(map(text, kind.allowed))
        words = " / ".join(kind.allowed)
        outside = f"{value} NOT IN ({among})"
        found.append((outside, say(f"{column} 只能是 {words}", f"{column} must be {words}"), raw(column)))
    limits = [
        f"{value} {sign} {limit}" for sign, limit in (("<", kind.low), (">", kind.high)) if limit is not None
    ]
    if limits:
        found.append(
            (" OR ".join(limits), say(f"{column} 超出范围", f"{column} is out of range"), raw(column))
        )
    return found


def _between_columns(table: str, columns: set[str]) -> list[Rule]:
    """Rules that compare columns; times without a time of day are given the benefit of the doubt."""
    found: list[Rule] = []
    if table == "requests":
        parts = [one for one in ("need", "text") if one in columns]
        nothing = " AND ".join(f"{one} IS NULL" for one in parts)
        found.append((nothing, say("need 和 text 都是空的", "need and text are both empty"), "NULL"))
    if table == "feedback":
        said = [one for one in ("kind", "satisfaction", "note", "next_visit") if one in columns]
        nothing = " AND ".join(f"{one} IS NULL" for one in said) or "true"
        found.append((nothing, say("没有反馈内容", "says nothing"), "NULL"))
    if table == "requests" and "recorded_at" in columns:
        late = "requested_at > recorded_at + INTERVAL 1 DAY"
        words = say(
            "requested_at 比 recorded_at 晚一天以上", "requested_at is more than a day after recorded_at"
        )
        found.append((late, words, raw("requested_at")))
    if "resolved_at" in columns:
        early = "resolved_at < date_trunc('day', requested_at)"
        words = say("resolved_at 早于 requested_at", "resolved_at is before requested_at")
        found.append((early, words, raw("resolved_at")))
    if table == "opt_outs" and "until" in columns:
        words = say("until 早于 from", "until is before from")
        found.append(('"until" < "from"', words, raw("until")))
    return found

"""Say what is odd about rows of a ledger that are taken all the same, so that somebody checks them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from features.contract.refusing_words import still_refuses, withdrawn
from features.language import say
from features.mapping.moments import Period, period_in

EDGE = timedelta(days=10)  # by which a row may lie outside the month that its sheet is called after


def doubt_of_refusal(record: dict[str, Any], unread: str) -> str:
    """Say what is odd about a row of a list of refusals, which refuses all the same; "" where nothing is.

    record: the row's fields, and what nothing reads in ``attributes``. unread: the text of a time that cannot be read.
    """
    said = [record.get("status", ""), record.get("result", ""), record.get("text", "")]
    if void := next((text for text in [*said, *record["attributes"].values()] if withdrawn(text)), ""):
        return f"{still_refuses()}{say('：', ': ')}{void}"
    if unread:
        zh = f"从哪天起谢绝读不懂，按一直谢绝处理：{unread}"
        return say(
            zh, f"since when it refuses cannot be read, it holds from the earliest moment on: {unread}"
        )
    return ""


def with_doubts(sheet: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a sheet with what is odd about each in ``doubt``. ``sheet``: its name."""
    odd = doubts_of_days(sheet, [record.get("happened_at") for record in records])
    return [{**record, "doubt": record.get("doubt") or day} for record, day in zip(records, odd, strict=True)]


def doubts_of_days(sheet: str, moments: Sequence[datetime | None]) -> list[str]:
    """Say of each row whether its day lies outside the month or year after which the sheet is called.

    Where most rows do, the name does not tell from when they are, and nothing is said.

    sheet: its name. moments: when each row happened.

    >>> doubts_of_days("2024年3月", [datetime(2024, 3, 5), datetime(2023, 3, 6), datetime(2024, 4, 2), None])
    ['', '时间和工作表名 2024年3月 对不上，先照格里写的读：2023-03-06', '', '']
    """
    period = period_in(sheet)
    outside = [moment is not None and _outside(moment, period) for moment in moments]
    if 2 * sum(outside) > sum(moment is not None for moment in moments):
        return [""] * len(moments)
    zh, en = (
        f"时间和工作表名 {sheet} 对不上，先照格里写的读",
        f"lies outside {sheet}, and is read as it stands",
    )
    return [
        say(f"{zh}：{moment:%Y-%m-%d}", f"{en}: {moment:%Y-%m-%d}") if odd and moment else ""
        for moment, odd in zip(moments, outside, strict=True)
    ]


def _outside(moment: datetime, period: Period) -> bool:
    if period.year is None:
        return False
    first = datetime(period.year, period.month or 1, 1)
    last = Period(period.year, period.month or 12).last_day() or first.date()
    return not first - EDGE <= moment <= datetime(last.year, last.month, last.day) + EDGE + timedelta(days=1)

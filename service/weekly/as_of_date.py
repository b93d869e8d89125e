"""Choose the as-of date in force, and write what users must know about it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from features.language import UserError, say
from features.point_in_time.cohort import MONDAY
from features.point_in_time.records import Records, date_of, day_of
from features.store.partitions import Partitions

LATEST = timedelta(days=2 * 366)  # an as-of date later than this after the data is a slip of the pen,
AHEAD = timedelta(weeks=5)  # and so is one later than this after both the data and today
FRESH = timedelta(weeks=4)  # after the data's end: what happened since is missing


def choose_as_of(town: Partitions, given: date | None) -> tuple[date, list[str]]:
    """Return the as-of date in force, and lines about it.

    ``given`` is the date that a user asked for; without it ``default_as_of`` chooses, or the first Monday before which
    a household is known. Raises UserError when no household is known before a date that was given, or when the date
    lies years after the data or more than five weeks after both the data and today: its lists would stay the newest
    that the service shows.
    """
    _need_data(town)
    now = datetime.now(UTC)
    chosen, line = (given, "") if given else default_as_of(town, now)
    last = date_of(town.last_day)
    today = now.astimezone(ZoneInfo(town.community.community.timezone)).date()
    if given and chosen > max(today, last) + AHEAD:
        raise UserError(
            f"{given} 还早，最多到今天或数据结束后五周；请核对年份",
            f"{given} is too far ahead, more than five weeks after today and the data; check the year",
        )
    if chosen > last + LATEST and given:
        raise UserError(
            f"{given} 离数据结束的 {last} 太远，请换一个日期",
            f"{given} is too long after the data end ({last})",
        )
    if not given and not town.first_day < day_of(chosen):  # an office's first week
        chosen = date_of(MONDAY + 7 * (np.floor((town.first_day - MONDAY) / 7) + 1))
        line = say(
            f"以 {chosen} 为准：住户从 {date_of(town.first_day)} 起才有，取后面第一个周一",
            f"as of {chosen}: households are known from {date_of(town.first_day)}; this is the first Monday after",
        )
    if not town.first_day < day_of(chosen):
        raise UserError(
            f"{chosen} 之前没有任何住户资料，请换一个日期",
            f"no household is known before {chosen}; choose a later date",
        )
    if given and chosen > last + FRESH:
        line = say(
            f"以 {chosen} 为准：数据只到 {last}，后面 {(chosen - last).days} 天的情况不知道",
            f"as of {chosen}: the data end on {last}; what happened in the {(chosen - last).days} days since is missing",
        )
        return chosen, [line]
    return chosen, [] if given else [line]


def _need_data(town: Records | Partitions) -> None:
    if not np.isfinite(town.last_day):
        raise UserError(
            "还没有数据：请先运行 xianying ingest 目录", "no data yet: run xianying ingest DIR first"
        )


def default_as_of(records: Records | Partitions, now: datetime) -> tuple[date, str]:
    """Return the default as-of date, and the line that says which it is.

    The date is this week's Monday in the community's timezone or, where the data end more than four weeks earlier, the
    first Monday after their last row; a small office may be asked for nothing in a week. ``now`` is an
    instant with an offset. Raises UserError when there are no data, or when the clock is set so far
    back that the lists would be those of long ago.
    """
    _need_data(records)
    today = now.astimezone(ZoneInfo(records.community.community.timezone)).date()
    monday = today - timedelta(days=today.weekday())
    last = date_of(records.last_day)
    after_data = date_of(MONDAY + 7 * (np.floor((records.last_day - MONDAY) / 7) + 1))
    if last > today + AHEAD:
        raise UserError(
            f"数据到 {last}，比今天 {today} 晚得多：请核对这台电脑的时钟，或用 --as-of 给出日期",
            f"the data reach {last}, long after today, {today}: check this machine's clock, or give --as-of",
        )
    if after_data >= monday - FRESH:
        until = say(f"：数据只到 {last}", f": the data end on {last}") if after_data < monday else ""
        return monday, say(f"以 {monday}（本周一）为准{until}", f"as of {monday} (this week's Monday){until}")
    return after_data, say(
        f"以 {after_data} 为准：数据只到 {last}，取后面第一个周一",
        f"as of {after_data}: the data end on {last}; this is the first Monday after",
    )

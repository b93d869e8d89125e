"""The week's demand on a workspace: numbers by need, grid and month, as files and lines."""

from datetime import date, timedelta
from pathlib import Path

from features.atomic import write_atomically
from features.language import say
from features.records import Records, day_of, known_before
from models.demand import demand_ahead, own_windows
from models.programmes import against_seats
from service.pages import verdict
from service.week import Stage, current_scores, week_directory

DEMAND = "demand.csv"


def demand_week(workspace: Path, records: Records, as_of: date, stage: Stage) -> list[str]:
    """Expected demand against seats: kept as demand.csv in the week's directory; lines for the screen."""
    from models.registry import champion

    with stage(say("读取模型", "load the champion")):
        model = champion(workspace)
    scores, _ = current_scores(workspace, records, as_of, model, stage)
    with stage(say("测算", "sum")):
        known = known_before(records, day_of(as_of))
        demand = demand_ahead(scores, known, model.model.spread)
        seats = against_seats(own_windows(demand), records.community, known.as_of)
        path = week_directory(workspace, as_of) / DEMAND
        write_atomically(path, demand.round(2).to_csv(index=False).encode("utf-8-sig"))
    names = {need.id: need.name.here for need in records.community.needs}
    lines = []
    for row in seats.to_dict("records"):
        spread = f"{row['expected']:.0f} ({row['low_90']:.0f}–{row['high_90']:.0f})"
        when = f"{row['begins']}～{row['ends'] - timedelta(days=1)}"
        lines.append(f"{names[row['need']]}\t{spread}\t{when}\t{verdict(row, names)}".rstrip())
    return [*lines, say(f"各网格、各月见 {path}", f"by grid and month: {path}")]

"""What happened at each household in a period, as a form tells it to the level above."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from make_records import make_community, make_records

from features.mapping.kept_rows import WARNING_COLUMNS, WARNINGS, keep
from service.ledgers.period_rows import period_rows

BEGIN, END = date(2025, 6, 1), date(2025, 6, 30)
NEEDS = (
    {"id": "meals", "name": {"zh": "老年助餐"}, "horizon_weeks": 4},
    {"id": "refuge", "name": {"zh": "家暴求助"}, "horizon_weeks": 4, "sensitive": True},
)
PROGRAMMES = [
    {"id": "canteen", "name": {"zh": "幸福食堂"}, "needs": ["meals"]},
    {"id": "shelter", "name": {"zh": "庇护所"}, "needs": ["refuge"]},
]
COMMUNITY = make_community(NEEDS, programmes=PROGRAMMES)
AROUND = ("2025-05-31T23:59", "2025-06-01", "2025-06-30T23:59", "2025-07-01")


def told(place: Path, **rows: list[dict]) -> pd.DataFrame:
    homes = sorted(
        {row["household_id"] for table in rows.values() for row in table} | {"h0", "h1", "h2", "h3"}
    )
    households = [{"household_id": home} for home in homes]
    records = make_records(households=households, community=COMMUNITY, **rows)
    return period_rows(place, records, {}, BEGIN, END)


@pytest.mark.parametrize("table", ["outreach", "feedback", "warnings"])
def test_a_period_holds_its_first_and_its_last_day(tmp_path: Path, table: str) -> None:
    homes = list(zip(("h0", "h1", "h2", "h3"), AROUND, strict=True))
    if table == "warnings":
        rows = [
            {
                **dict.fromkeys(WARNING_COLUMNS),
                "household_id": home,
                "received_at": pd.Timestamp(when),
                "warned_of": "支出大",
            }
            for home, when in homes
        ]
        keep(tmp_path, WARNINGS, pd.DataFrame(rows))
        table_rows = {}
    elif table == "outreach":
        visit = {"need": "meals", "outcome": "needed"}
        table_rows = {table: [{**visit, "household_id": home, "contacted_at": when} for home, when in homes]}
    else:
        table_rows = {
            table: [{"household_id": home, "recorded_at": when, "note": "家里没人"} for home, when in homes]
        }
    assert told(tmp_path, **table_rows)["household_id"].tolist() == ["h1", "h2"]


def test_a_form_tells_nothing_of_a_sensitive_need(tmp_path: Path) -> None:
    visits = [
        {"household_id": "h0", "need": need, "contacted_at": "2025-06-03", "outcome": "needed"}
        for need in ("meals", "refuge")
    ]
    only_there = {**visits[1], "household_id": "h1"}
    asked = {"need": "refuge", "requested_at": "2025-06-04", "resolved_at": "2025-06-05"}
    requests = [{"household_id": home, **asked} for home in ("h0", "h1")]
    table = told(tmp_path, outreach=[*visits, only_there], requests=requests)
    assert table["household_id"].tolist() == ["h0"]
    assert table["need"].tolist() == ["老年助餐"] and table["found"].tolist() == ["老年助餐：需要"]
    words = table.astype(str).to_csv()
    assert "幸福食堂" in words and "求助" not in words and "庇护" not in words and "06-05" not in words

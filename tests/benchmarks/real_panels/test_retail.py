"""Customers of a shop in the contract's form."""

import pandas as pd

from benchmarks.real_panels import retail
from features.ingest.ingest import ingest
from features.store.reader import read_records

COLUMNS = ["CustomerID", "Country", "InvoiceDate", "Description", "Quantity"]
LINES = pd.DataFrame(
    [
        (17850.0, "United Kingdom", "2010-12-01 08:26:00", "WHITE HANGING HEART T-LIGHT HOLDER", 6.0),
        (17850.0, "United Kingdom", "2010-12-01 08:28:00", "CHRISTMAS LIGHTS 10 REINDEER", 6.0),
        (17850.0, "United Kingdom", "2010-12-03 08:28:00", "CHRISTMAS LIGHTS 10 REINDEER", -6.0),
        (12583.0, "France", "2010-12-02 09:00:00", None, 1.0),
        (None, "United Kingdom", "2010-12-02 09:00:00", "WOODEN CLOCK", 1.0),
    ],
    columns=COLUMNS,
)


def test_kinds_of_goods_bought_on_a_day_and_returns_become_requests():
    tables = retail.panel_tables(LINES)
    rows = tables["requests"]
    assert list(zip(rows["household_id"], rows["need"], rows["requested_at"], strict=True)) == [
        ("C17850", "christmas", "2010-12-01 12:00"),
        ("C17850", "light", "2010-12-01 12:00"),
        ("C17850", "returned", "2010-12-03 12:00"),
    ]
    homes = tables["households"]
    assert list(zip(homes["household_id"], homes["grid_id"], homes["valid_from"], strict=True)) == [
        ("C12583", "France", "2010-12-02"),
        ("C17850", "United Kingdom", "2010-12-01"),
    ]


def test_what_is_written_can_be_ingested_without_a_row_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(retail, "read_downloaded", lambda *_: LINES)
    retail.write_contract(tmp_path / "onlineretail.rda", tmp_path / "data")
    assert not ingest(tmp_path / "data", tmp_path / "workspace").problems
    assert len(read_records(tmp_path / "workspace").requests) == 3

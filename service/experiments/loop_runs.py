"""Run a closed-loop simulation. Each run is kept when it finishes, so that an interrupted simulation can continue."""

import io
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.contract.settings_file import parse_community
from features.language import UserError, say
from features.simulation.simulate import xishan
from service.experiments.closed_loop import Lived, Run, Setting, live
from service.experiments.loop_policies import PRODUCT, TWIN, UNCORRECTED

RUNS, WORK, SETTING = "runs", "work", "setting.json"
COMPARED = (PRODUCT, UNCORRECTED)  # with a twin whose lists are not visited, where the lot is the usual one


def run_all(
    out: Path,
    setting: Setting,
    policies: Iterable[str],
    seeds: Iterable[int],
    lots: Iterable[tuple[float, str]],
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Live every combination of seed, share of random visits and policy that ``out`` does not hold yet.

    out: directory of the simulation.
    setting: the town and the work.
    policies, seeds: as in ``Run``.
    lots: pairs of the share of random visits, in [0, 1], and how they are drawn (``uniform``, ``weighted``).
    tell: called with one line as each run is done.

    Raises UserError: ``out`` holds runs of another setting.
    """
    _claim(out, setting)
    usual = usual_lot()
    for seed in seeds:
        for lot in lots:
            wanted = [Run(seed, policy, *lot) for policy in policies]
            missing = [run for run in wanted if not _kept(out, run).exists()]
            twin = Run(seed, TWIN, *lot)
            compared = [run for run in missing if run.policy in COMPARED and lot == usual]
            for run in [twin, *missing] if compared else missing:
                beside = _work(out, twin) if run in compared else None
                if run != twin or not (_kept(out, twin).exists() and _work(out, twin).exists()):
                    _keep(out, run, live(setting, run, _work(out, run), beside))
                    tell(say(f"完成 {run.name}", f"done: {run.name}"))
                if run != twin:
                    shutil.rmtree(_work(out, run))
            if compared:
                shutil.rmtree(_work(out, twin))


def usual_lot() -> tuple[float, str]:
    """Read the example community's share of random visits, and how they are drawn."""
    outreach = parse_community(xishan(), "xishan.yaml").outreach
    return outreach.explore_share, outreach.explore


def read_runs(out: Path) -> Lived:
    """Read all runs in ``out``, with the columns seed, policy, share and explore beside those of ``Lived``."""
    paths = sorted(path for path in (out / RUNS).glob("*.parquet") if not path.name.startswith("lists-"))
    lists = [path.with_name(f"lists-{path.name}") for path in paths]
    return Lived(
        pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True),
        pd.concat([pd.read_parquet(path) for path in lists], ignore_index=True),
    )


def _kept(out: Path, run: Run) -> Path:
    return out / RUNS / f"{run.name}.parquet"


def _work(out: Path, run: Run) -> Path:
    return out / WORK / run.name


def _keep(out: Path, run: Run, lived: Lived) -> None:
    """Write the lists, then the weeks: a run counts as done once its weeks are there."""
    path = _kept(out, run)
    for frame, target in ((lived.lists, path.with_name(f"lists-{path.name}")), (lived.weeks, path)):
        content = io.BytesIO()
        frame.assign(**asdict(run)).to_parquet(content, index=False)
        write_atomically(target, content.getvalue())


def _claim(out: Path, setting: Setting) -> None:
    """Write the setting to ``out``; raise UserError if another one is there."""
    path = out / SETTING
    text = json.dumps(asdict(setting), default=str, indent=1)
    if path.exists() and path.read_text("utf-8") != text:
        raise UserError(
            f"{out}：这里是另一种设定的模拟，请换一个目录",
            f"{out}: runs of another setting are here; choose another place",
        )
    write_atomically(path, text.encode())

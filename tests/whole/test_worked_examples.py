"""The worked examples of docs/architecture.md do what they say."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from make_records import make_records
from scipy.special import expit
from served_town import As, copy_workspace, served
from source_tree import PAGE
from tiny_town import SETTINGS, TinyTown

from features.blocks import build
from features.blocks.catalogue import with_role
from features.point_in_time.cohort import cohort
from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema
from models.underreporting.comparison import held_out, household_folds
from models.underreporting.design import DesignMatrix
from models.underreporting.estimators import VisitSample
from service.cli.commands import commands
from service.console.terminal import run


def example(title: str) -> str:
    """The code below a heading of the page."""
    section = PAGE.read_text("utf-8").split(f"### {title}\n")[1].split("\n### ")[0]
    found = re.search(r"```(?:python|yaml)\n(.*?)```", section, re.S)
    assert found, title
    return found[1]


def module(title: str) -> ModuleType:
    """The example as a module that somebody has written."""
    made = ModuleType(title.rpartition(" ")[2])
    exec(compile(example(title), f"docs/architecture.md: {title}", "exec"), made.__dict__)
    return made


def test_a_need_is_an_entry_of_the_settings(tiny_town: TinyTown) -> None:
    need = yaml.safe_load(example("Add a need"))
    tiny_town.write_settings(needs=[*SETTINGS["needs"], need])
    request = {"request_id": "R9", "household_id": "H05", "requested_at": "2024-06-03 09:00"}
    tiny_town.write("requests", [{**request, "text": "老人听不清，想配助听器"}])
    tiny_town.ingest()
    records = tiny_town.records()
    position = records.community.need_index()["hearing_aid"]
    assert records.requests.need.tolist() == [position]


def test_a_feature_is_a_row_of_the_catalogue_and_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BLOCKS", (*build.BLOCKS, module("Add a feature")))
    day = 19000
    asked = [("a", day - 3 + hour / 24) for hour in (9, 19, 21)] + [("b", day + 0.9)]
    requests = [{"household_id": home, "need": "meals", "requested_at": at} for home, at in asked]
    known = known_before(make_records([{"household_id": "a"}, {"household_id": "b"}], requests), day)
    schema = fit_schema(known)
    made = build.build(known, cohort(known), schema)
    column = made.matrix[:, made.names.index("evening_requests")]
    assert column.tolist() == [2, 2, 0, 0], (
        "two needs of each household; an evening after the date is not known"
    )
    assert build.facts(schema)["evenings"](known, schema, 0, 0) == "晚上申请过2次"
    assert "evening_requests" in with_role(build.catalogue(schema), "own_requests")


def test_an_estimator_is_compared_on_visits_that_it_has_not_seen() -> None:
    fit_need_rate = module("Add an estimator").fit_need_rate
    draw, count = np.random.default_rng(0), 4000
    need = draw.integers(0, 2, count).astype(np.int16)
    household, nothing = np.arange(count, dtype=np.int32), np.zeros((count, 3))
    silent, asked = np.ones(count, dtype=bool), np.full(count, 3, dtype=np.int8)
    design = DesignMatrix(household, need, nothing[:, 0], nothing, nothing, nothing, asked, silent, ~silent)
    found = (draw.random(count) < np.array([0.1, 0.4])[need]).astype(np.float64)
    sample = VisitSample(design, found, np.ones(count), household, nothing[:, 0], needs=2)
    odds = held_out(
        sample,
        household_folds(household),
        lambda apart: {"need_rate": fit_need_rate(apart.design, apart.found, apart.weight, apart.needs)},
    )
    shares = [expit(odds["need_rate"][need == one]).mean() for one in (0, 1)]
    assert shares == pytest.approx([0.1, 0.4], abs=0.03)


def test_an_endpoint_is_a_module_with_a_router(tmp_path: Path) -> None:
    with served(copy_workspace(tmp_path / "workspace")) as client:
        client.app.include_router(module("Add an endpoint").router)
        assert client.get("/v1/programmes").status_code == 401
        answer = As(client, "wang").get("/v1/programmes")
    assert answer.json() == [{"id": "canteen", "name": "幸福食堂", "seats": 40}]


def test_a_command_is_a_module_with_a_click_command(
    tiny_town: TinyTown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_town.ingest()
    monkeypatch.setitem(commands.commands, "windows", module("Add a command").group.commands["windows"])
    call = ["--workspace", str(tiny_town.workspace), "windows"]
    assert run(lambda: commands(call, standalone_mode=False)) == 0
    assert capsys.readouterr().out.splitlines() == ["暑期托管：0 周后起，8 周", "老年助餐：0 周后起，4 周"]

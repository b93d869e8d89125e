"""The commands as a user meets them: data to lists and back, one line for every mistake, kill and rerun."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from ready_process import COMMAND, ReadyProcess, begin, run_to_end
from tiny_town import SETTINGS, Row, TinyTown, households, make_tiny_town
from week_lists import change, fill

from features.contract.settings_file import read_community
from features.store.reader import read_records
from models.registry.registry import champion
from service.cli.commands import commands
from service.cli.model_commands import in_force_line
from service.console.terminal import run
from service.web.base.settings import command_settings
from service.web.database.engine import open_database
from service.web.published.provenance import MADE

AS_OF = "2024-06-10"


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    error: str


Xianying = Callable[..., Result]


@pytest.fixture
def xianying(capsys: pytest.CaptureFixture[str]) -> Xianying:
    """Run a command in this process."""

    def call(workspace: Path, *args: object) -> Result:
        arguments = ["--workspace", str(workspace), *map(str, args)]
        code = run(lambda: commands(arguments, standalone_mode=False))
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> TinyTown:
    """A town that was ingested and has a champion; not to be changed."""
    home = tmp_path_factory.mktemp("town")
    town = make_tiny_town(home / "export", home / "work space")
    for args in (["ingest", str(town.directory)], ["retrain"]):
        assert (
            run(
                lambda args=args: commands(["--workspace", str(town.workspace), *args], standalone_mode=False)
            )
            == 0
        )
    return town


@pytest.fixture
def town(scored: TinyTown, tmp_path: Path) -> TinyTown:
    """A copy of that town, its export included: tests change both."""
    shutil.copytree(scored.directory, tmp_path / "export")
    shutil.copytree(scored.workspace, tmp_path / "workspace")
    return TinyTown(tmp_path / "export", tmp_path / "workspace")


def test_from_data_to_lists_and_back(town: TinyTown, xianying: Xianying) -> None:
    assert "scores.parquet" in xianying(town.workspace, "score").out
    scores = pd.read_parquet(town.workspace / "scores.parquet")
    assert list(scores.columns) == [
        "household_id",
        "need",
        "as_of",
        "p_request",
        "p_need",
        "rank",
        "model_version",
    ]
    assert scores["as_of"].astype(str).unique().tolist() == [AS_OF]
    risk = pd.read_parquet(town.workspace / "risk.parquet")
    assert len(risk) == 12 and set(risk["tier"]) <= {"red", "yellow", "green"}

    result = xianying(town.workspace, "outreach")
    assert result.code == 0 and " s\n" in result.out
    week = town.workspace / "weeks" / AS_OF
    visits = pd.read_parquet(week / "outreach.parquet")
    assert not visits["household_id"].isin(["H11"]).any()  # refuses
    assert visits["reason"].str.len().gt(0).all()
    for grid in ("G1", "G2", "G3"):
        assert (week / f"grid-{grid}.xlsx").is_file() and (week / f"grid-{grid}.html").is_file()
    assert "西山社区" in (week / "overview.html").read_text("utf-8")
    assert "暑期托管" in xianying(town.workspace, "demand").out

    change(week / "grid-G1.xlsx", lambda sheet: fill(sheet, ["需要", "不需要"]))
    first = xianying(town.workspace, "record", week / "grid-G1.xlsx", week / "grid-G2.xlsx")
    assert first.code == 0 and "记录 2 条结果" in first.out
    again = xianying(town.workspace, "record", week / "grid-G1.xlsx")
    assert again.code == 0 and "记录 0 条结果，2 条以前记过" in again.out
    held = read_records(town.workspace).outreach
    listed = visits.set_index("outreach_id")
    back = [row for row in range(len(held)) if held.outreach_id[row] in listed.index]
    assert sorted(held.outcome[back].tolist()) == [0, 1]
    assert "按名单走访：需要 2" in xianying(town.workspace, "monitor", "--as-of", "2024-07-01").out


def test_the_same_week_gives_the_same_lists(town: TinyTown, xianying: Xianying) -> None:
    week = town.workspace / "weeks" / AS_OF
    xianying(town.workspace, "outreach")
    before = {path.name: path.read_bytes() for path in week.iterdir() if path.name != MADE}
    xianying(town.workspace, "weekly", town.directory)
    after = {path.name: path.read_bytes() for path in week.iterdir()}
    assert {name: after[name] == content for name, content in before.items()} == dict.fromkeys(before, True)


def test_weekly_does_everything_in_one_go(town: TinyTown, xianying: Xianying) -> None:
    result = xianying(town.workspace, "weekly", town.directory)
    assert result.code == 0
    week = town.workspace / "weeks" / AS_OF
    for name in ("scores.parquet", "risk.parquet", "outreach.parquet", "overview.html", "demand.csv"):
        assert (week / name).is_file()
    assert "诉求：最后一行 2024-06-04" in (week / "data-staff.html").read_text("utf-8")
    said = [
        line for line in result.out.splitlines() if not line.startswith("  ")
    ]  # all but the time of each stage
    assert said[-1].endswith("summary.html") and len(said) <= 14


@pytest.mark.parametrize(
    ("table", "rows", "words"),
    [
        (
            "households",
            [row for row in households() if row["household_id"] <= "H06"],
            "12 户中有 6 户不在这批导出里",
        ),
        (
            "opt_outs",
            [{"household_id": "", "from": "2024-05-01", "name": "张三"}],
            "第 2 行的谢绝看不出是哪一户",
        ),
    ],
)
def test_weekly_stops_before_lists_from_an_odd_export_unless_it_is_accepted(
    table: str, rows: list[Row], words: str, town: TinyTown, xianying: Xianying
) -> None:
    town.write(table, rows)
    stopped = xianying(town.workspace, "weekly", town.directory)
    assert stopped.code == 1 and words in stopped.error and "--accept" in stopped.error
    assert "Traceback" not in stopped.error
    listed = town.workspace / "weeks" / AS_OF / "outreach.parquet"
    assert not listed.exists()
    accepted = xianying(town.workspace, "weekly", town.directory, "--accept")
    assert accepted.code == 3 and listed.is_file()


def test_outputs_go_where_they_are_wanted(town: TinyTown, xianying: Xianying, tmp_path: Path) -> None:
    xianying(town.workspace, "score", "--output", tmp_path / "out" / "s.parquet", "--as-of", "2024-03-04")
    assert (tmp_path / "out" / "s.parquet").is_file() and (tmp_path / "out" / "risk.parquet").is_file()
    xianying(town.workspace, "outreach", "--output", tmp_path / "lists", "--as-of", "2024-03-04")
    assert (tmp_path / "lists" / "outreach.parquet").is_file() and (
        tmp_path / "lists" / "overview.html"
    ).is_file()
    book = change(tmp_path / "lists" / "grid-G1.xlsx", lambda sheet: fill(sheet, ["婉拒"]))
    assert "记录 1 条结果" in xianying(town.workspace, "record", book).out


def test_a_later_week_checks_an_earlier_one(town: TinyTown, xianying: Xianying) -> None:
    xianying(town.workspace, "outreach", "--as-of", "2024-01-01")
    result = xianying(town.workspace, "monitor")
    assert "核对前几周（1 周）" in result.out and "老年助餐：预计" in result.out
    assert "其中 1 周用的是后来训练的模型" in result.out
    assert (
        "注意：模型是用 2024-06-10 以前的数据训练"
        in xianying(town.workspace, "score", "--as-of", "2024-01-01").out
    )


def test_a_week_scored_before_its_answers_were_known_is_checked_without_reserve(
    town: TinyTown, xianying: Xianying
) -> None:
    xianying(town.workspace, "retrain", "--as-of", "2024-01-01")
    xianying(town.workspace, "promote", "2")
    assert "注意：" not in xianying(town.workspace, "score", "--as-of", "2024-01-01").out
    assert "后来训练的模型" not in xianying(town.workspace, "monitor").out


def test_a_date_after_the_data_says_what_is_missing_and_one_that_is_yet_to_come_is_refused(
    town: TinyTown, xianying: Xianying
) -> None:
    assert "数据只到" not in xianying(town.workspace, "score", "--as-of", AS_OF).out
    later = xianying(town.workspace, "score", "--as-of", "2024-09-02")
    assert later.code == 0 and "的情况不知道" in later.out
    ahead = (date.today() + timedelta(weeks=20)).isoformat()
    one_line(xianying(town.workspace, "outreach", "--as-of", ahead), ahead)
    assert not (town.workspace / "weeks" / ahead).exists()


def test_a_model_of_other_needs_or_windows_scores_nothing_until_it_is_trained_anew(
    town: TinyTown, xianying: Xianying
) -> None:
    needs = [*SETTINGS["needs"]]
    for said, changed in (
        ("去掉 meals", [one for one in needs if one["id"] != "meals"]),
        ("顺序变了", needs[::-1]),
        ("meals", [one | ({"horizon_weeks": 5} if one["id"] == "meals" else {}) for one in needs]),
        ("meals", [one | ({"lead_weeks": 2} if one["id"] == "meals" else {}) for one in needs]),
        ("新增 shopping", [{"id": "shopping", "name": "代购"}, *needs]),
    ):
        town.write_settings(needs=changed)
        assert "请先运行 xianying retrain" in xianying(town.workspace, "ingest", town.directory).out
        one_line(xianying(town.workspace, "score"), said, "retrain")
    for command in ("outreach", "demand"):
        one_line(xianying(town.workspace, command), "新增 shopping", "retrain")
    assert "已启用" in xianying(town.workspace, "retrain").out
    assert xianying(town.workspace, "score").code == 0
    scores = pd.read_parquet(town.workspace / "scores.parquet")
    assert set(scores["need"]) == {"shopping", "childcare", "meals"}


def test_every_run_says_that_a_need_has_other_households_than_the_model_was_trained_on(
    town: TinyTown, xianying: Xianying
) -> None:
    needs = [one | ({"who": "children > 1"} if one["id"] == "childcare" else {}) for one in SETTINGS["needs"]]
    town.write_settings(needs=needs)
    xianying(town.workspace, "ingest", town.directory)
    for command in ("score", "outreach", "demand"):
        assert "childcare 的 who 改过" in xianying(town.workspace, command).out
    xianying(town.workspace, "retrain")
    assert xianying(town.workspace, "promote", "2").code == 0
    assert "who 改过" not in xianying(town.workspace, "score").out


def test_the_command_line_as_a_module_is_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.cli", "--workspace", str(tmp_path / "new"), "init"]
    assert "community.yaml" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_lists_follow_changed_settings_without_new_records(town: TinyTown, xianying: Xianying) -> None:
    xianying(town.workspace, "outreach", "--as-of", AS_OF)
    needs = [
        one | ({"who": "children > 90"} if one["id"] == "childcare" else {}) for one in SETTINGS["needs"]
    ]
    town.write_settings(needs=needs)
    week = town.workspace / "weeks" / AS_OF
    for table in ("scores", "risk"):  # made while the clock was years ahead
        os.utime(week / f"{table}.parquet", (4e9, 4e9))
    xianying(town.workspace, "ingest", town.directory)
    xianying(town.workspace, "outreach", "--as-of", AS_OF)
    assert "childcare" not in set(pd.read_parquet(week / "outreach.parquet")["need"])
    assert "childcare" not in set(pd.read_parquet(week / "scores.parquet")["need"])


def test_a_version_that_the_gate_refused_asks_nobody_to_put_it_in_force() -> None:
    line = in_force_line(3, promoted=False)
    assert "在用的模型照用，周一名单照出，不用做什么" in line
    assert line.index("不用做什么") < line.index("xianying promote 3")


def test_versions_are_promoted_and_rolled_back_by_hand(town: TinyTown, xianying: Xianying) -> None:
    assert "没有更早" in xianying(town.workspace, "rollback").error
    told = xianying(town.workspace, "retrain")
    assert told.code == 0
    notes = (town.workspace / "retrain-notes.txt").read_text("utf-8").splitlines()
    assert len(told.out.splitlines()) <= 12 and str(town.workspace / "retrain-notes.txt") in told.out
    assert any(line.startswith("诉求太少") for line in notes) and "诉求太少" in told.out
    assert notes[-1].startswith("用时：算特征 ") and "算特征" not in told.out
    assert "版本 2" in xianying(town.workspace, "promote", 2).out
    assert "版本 1" in xianying(town.workspace, "rollback").out
    xianying(town.workspace, "score")
    assert set(pd.read_parquet(town.workspace / "scores.parquet")["model_version"]) == {"1"}


def test_the_language_is_the_communitys_unless_the_environment_says_otherwise(
    town: TinyTown, xianying: Xianying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XIANYING_LANGUAGE", "en")
    assert "households" in xianying(town.workspace, "outreach").out
    week = town.workspace / "weeks" / AS_OF
    assert "Meals" in (week / "overview.html").read_text("utf-8")
    assert "outcome" in [
        cell.value for cell in openpyxl.load_workbook(week / "grid-G1.xlsx").worksheets[0][4]
    ]


def test_init_leaves_what_is_there(xianying: Xianying, tmp_path: Path) -> None:
    assert xianying(tmp_path / "new", "init", "--example").code == 0
    settings = tmp_path / "new" / "community.yaml"
    settings.write_text(settings.read_text("utf-8").replace("西山社区", "东山社区"), "utf-8")
    assert xianying(tmp_path / "new", "init").code == 0
    assert "东山社区" in settings.read_text("utf-8")


def test_an_office_begins_with_its_own_name_needs_and_grids(xianying: Xianying, tmp_path: Path) -> None:
    options = (
        "--name",
        "东山社区",
        "--need",
        "助餐送餐",
        "--need",
        "tutoring",
        "--grid",
        "一网格",
        "--grid",
        "二网格",
    )
    told = xianying(tmp_path, "init", *options)
    assert told.code == 0 and "xianying ingest" in told.out
    text = (tmp_path / "community.yaml").read_text("utf-8")
    found = read_community(tmp_path / "community.yaml").community
    assert found.community.name == "东山社区" and not found.programmes and not found.funds
    assert [need.id for need in found.needs] == ["canteen_meal", "tutoring"]
    assert not {"西山", "爱心", "乡贤"} & {word for word in ("西山", "爱心", "乡贤") if word in text}
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert names == {"住户.xlsx", "诉求.xlsx", "工作人员.xlsx"}
    book = openpyxl.load_workbook(tmp_path / "tables" / "诉求.xlsx")
    assert [cell.value for cell in book["诉求"][1]][:4] == ["诉求编号", "户号", "诉求时间", "需求"]
    one_line(xianying(tmp_path / "other", "init", "--need", "开飞机"), "开飞机", "助餐送餐")


def test_the_office_fills_in_its_tables_and_they_are_read(xianying: Xianying, tmp_path: Path) -> None:
    xianying(tmp_path, "init", "--name", "东山社区", "--need", "助餐送餐", "--grid", "一网格")
    households, requests = (tmp_path / "tables" / name for name in ("住户.xlsx", "诉求.xlsx"))
    book = openpyxl.load_workbook(households)
    for number in range(30):
        row = [
            f"D{number:03}",
            "一网格",
            "1",
            datetime(2025, 1, 6),
            f"东山路{number}号",
            "王",
            "",
            number % 3,
            number % 2,
        ]
        book["住户"].append(row)
    book.save(households)
    book = openpyxl.load_workbook(requests)
    for number in range(12):
        when = datetime(2025, 3, 3) + timedelta(weeks=number)
        book["诉求"].append([f"R{number}", f"D{number:03}", when, "助餐送餐", "", None])
    book.save(requests)
    told = xianying(tmp_path, "ingest", tmp_path / "tables")
    assert told.code == 0, told.out + told.error
    records = read_records(tmp_path)
    assert len(records.household_ids) == 30 and len(records.requests) == 12


def one_line(result: Result, *words: str) -> None:
    assert result.code in (1, 2)
    assert len(result.error.strip().splitlines()) == 1
    assert "Traceback" not in result.error
    for word in words:
        assert word in result.error


MISTAKES = (
    (["ingest", "nowhere"], "nowhere"),
    (["score", "--as-of", "2024-13-01"], "2024-13-01"),
    (["score", "--as-of", "next week"], "next week"),
    (["score", "--as-of", "1990-01-01"], "1990-01-01"),
    (["outreach", "--as-of", "1990-01-01"], "1990-01-01"),
    (["retrain", "--as-of", "9999-12-31"], "9999-12-31"),
    (["score", "--output", "."], "."),
    (["record", "nothing.xlsx"], "outreach"),
    (["record"], "FILES"),
    (["promote", "99"], "99"),
    (["promote", "best"], "best"),
    (["rollback"], ""),
    (["nonsense"], "nonsense"),
    (["score", "--nonsense"], "--nonsense"),
    (["weekly", "nowhere"], "nowhere"),
    (["scor"], "没有命令 scor，是不是 "),
    (["retrain", "--tune", "lang"], "--tune：lang 不是数字"),
    (["retrain", "--tune", "-1"], "--tune：超出范围，最小 0"),
    (["simulate"], "缺少 OUT"),
    (["simulate", "out", "--seeds", "2"], "--seeds 只与 --weeks-ahead 一起用"),
    (["simulate", "out", "--weeks-ahead", "2", "--dirty", "0.1"], "--dirty 不能与 --weeks-ahead 一起用"),
    (
        ["users", "add", "li", "--role", "boss"],
        "--role：只能是 grid_worker、coordinator、data_staff、auditor",
    ),
    (["record", "."], "FILES：. 是目录，请给一个文件"),
    (["users", "lost"], "没有命令 lost"),
    (["score", "--nonsense"], "没有选项 --nonsense，用法见 --help"),
)


@pytest.mark.parametrize(("args", "word"), MISTAKES, ids=[" ".join(args) for args, _ in MISTAKES])
def test_a_mistake_ends_in_one_line(args: list[str], word: str, scored: TinyTown, xianying: Xianying) -> None:
    one_line(xianying(scored.workspace, *args), word)


def test_the_workspace_may_be_named_after_the_command(scored: TinyTown, xianying: Xianying) -> None:
    elsewhere = scored.workspace.parent / "nowhere"
    for named in (["--workspace", scored.workspace], [f"--workspace={scored.workspace}"]):
        result = xianying(elsewhere, "monitor", *named)
        assert (result.code, elsewhere.exists()) == (0, False)
        assert xianying(elsewhere, "users", *named, "list").code == 0


@pytest.mark.parametrize(
    "command", ["retrain", "score", "outreach", "demand", "monitor", "promote", "rollback"]
)
def test_an_empty_workspace_says_what_to_do_first(command: str, xianying: Xianying, tmp_path: Path) -> None:
    one_line(xianying(tmp_path / "none", command), "ingest")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["score", "outreach", "demand"])
def test_without_a_model_retrain_comes_first(command: str, tiny_town: TinyTown, xianying: Xianying) -> None:
    xianying(tiny_town.workspace, "ingest", tiny_town.directory)
    one_line(xianying(tiny_town.workspace, command), "retrain")


def test_a_damaged_file_of_scores_is_made_again(town: TinyTown, xianying: Xianying) -> None:
    xianying(town.workspace, "score")
    path = town.workspace / "weeks" / AS_OF / "scores.parquet"
    path.write_bytes(b"PAR1")
    assert xianying(town.workspace, "outreach").code == 0
    assert len(pd.read_parquet(path))


def test_a_place_that_cannot_be_written_is_named(town: TinyTown, xianying: Xianying, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    one_line(xianying(town.workspace, "outreach", "--output", tmp_path / "file" / "lists"), "file")
    one_line(xianying(town.workspace, "score", "--output", tmp_path / "file" / "s.parquet"), "file")


def start(workspace: Path, *args: object) -> ReadyProcess:
    """A command in a process of its own."""
    return begin(COMMAND, "--workspace", workspace, *args)


def stop_after(process: ReadyProcess, lines: int, how: signal.Signals) -> str:
    """Stop a process once it has printed so many lines; what it said as an error."""
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(how)
    return process.communicate()[1]


@pytest.mark.parametrize(("command", "lines"), [("retrain", 2), ("weekly", 1), ("weekly", 9)])
def test_killed_and_run_again(command: str, lines: int, town: TinyTown, xianying: Xianying) -> None:
    args = [command, town.directory] if command == "weekly" else [command]
    stop_after(start(town.workspace, *args), lines, signal.SIGKILL)
    assert xianying(town.workspace, *args).code == 0
    if command != "weekly":
        assert xianying(town.workspace, "weekly", town.directory).code == 0
    leftover = [path for path in town.workspace.rglob(".*") if path.name not in (".", "..")]
    visits = pd.read_parquet(town.workspace / "weeks" / AS_OF / "outreach.parquet")
    assert len(visits) and all(path.parent.name != AS_OF or path.stat().st_size < 10**7 for path in leftover)


def test_interrupted_says_so_in_one_line(town: TinyTown) -> None:
    process = start(town.workspace, "weekly", town.directory)
    error = stop_after(process, 1, signal.SIGINT)
    assert process.wait() == 130
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error


ONE_PIECE_OF_WORK = """
import sys
from pathlib import Path
from features.store.database import open_store
from service.console.terminal import run

def count():
    with open_store(Path(sys.argv[1])) as connection:
        print("begun", flush=True)
        connection.execute("SELECT sum(one.range * two.range) FROM range(1000000) one, range(1000000) two").fetchall()

sys.exit(run(count))
"""


def test_interrupted_in_a_query_says_so_in_one_line(tmp_path: Path) -> None:
    process = begin(ONE_PIECE_OF_WORK, tmp_path)
    error = stop_after(process, 1, signal.SIGINT)  # before the query, while it is planned or within it
    assert process.wait() == 130
    assert len(error.strip().splitlines()) == 1


def test_a_reader_that_goes_away_does_no_harm(town: TinyTown) -> None:
    process = start(town.workspace, "weekly", town.directory)
    process.stdout.close()
    assert "Traceback" not in process.communicate()[1]
    assert process.wait() == 1


def test_help_comes_at_once_and_without_heavy_imports() -> None:
    heavy = "{'pandas', 'mlflow', 'lightgbm', 'duckdb'}"
    program = f"import sys; from service.cli.commands import commands; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def last_line_on_loaded(libraries: set[str], *arguments: object) -> str:
    """Run a command in a fresh process, which says at its end which of these libraries it has loaded."""
    program = (
        "import sys; from service.cli.commands import commands; "
        f"commands({[*map(str, arguments)]!r}, standalone_mode=False); print('loaded', {libraries!r} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()[-1]


def test_tables_of_the_contract_are_taken_in_without_what_only_ledgers_need(
    town: TinyTown, tmp_path: Path
) -> None:
    heavy = {"sklearn", "scipy.stats", "lightgbm", "pypinyin", "mlflow", "matplotlib"}
    said = last_line_on_loaded(heavy, "--workspace", tmp_path / "workspace", "ingest", town.directory)
    assert said == "loaded set()"


def test_a_monday_loads_nothing_that_only_ledgers_texts_and_deletions_need(
    scored: TinyTown, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(scored.workspace, workspace)
    open_database(command_settings(workspace)).engine.dispose()  # an office that runs the service
    champion(workspace)  # other tests may have ended commands before the workspace had its copy
    heavy = {"sklearn", "scipy.stats", "rjieba", "openpyxl", "pypinyin", "mlflow", "matplotlib"}
    assert last_line_on_loaded(heavy, "--workspace", workspace, "outreach") == "loaded set()"


def test_what_is_written_is_its_owners_only(tmp_path: Path, scored: TinyTown) -> None:
    workspace = tmp_path / "workspace"
    lenient = f"import os; os.umask(0); {COMMAND}"
    for command in (["init"], ["ingest", scored.directory], ["users", "list"]):
        assert run_to_end(lenient, "--workspace", workspace, *command)[0] == 0
    paths = [workspace, *workspace.rglob("*")]
    assert len(paths) > 3
    assert not [path for path in paths if path.stat().st_mode & 0o077]

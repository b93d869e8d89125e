"""A household that was deleted leaves no byte: not its number, not a text that only it had, not a note."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import served_town
import yaml
from hand_made import hand_made_model
from served_town import NEWEST, As, make_workspace, put_champion, served
from service_database import database_url  # noqa: F401
from sqlalchemy import select

from features.atomic import PARTIAL
from features.ingest.erasure import rows_of_household, shown_pairs
from features.point_in_time import schema_fit
from features.store.partitions import open_copy
from features.store.reader import read_settings
from features.store.tombstones import TOMBSTONES, read_tombstones
from models.text.decisions import keep_decisions, read_decisions
from models.text.gate import keep_trained_on, read_trained_on
from service.cli.commands import commands
from service.texts.review_sheet import write_text_review
from service.web.database.tables import Entry, Outcome
from service.web.intake.handover import delete_again
from service.web.published.from_records import refusing_on
from service.web.published.week_files import read_pointer
from service.web.rights.deletion import published_households
from service.web.rights.own_texts import forget_texts

MARKED = [f"h{number:02d}" for number in range(12)]


def marked_rows(town_rows):
    """Households of which each has a word and a rare word that no other has."""

    def rows(**given):
        found = town_rows(**given)
        for at, row in enumerate(found["households"]):
            own = row["household_id"] in MARKED
            row["住址"] = f"door-{row['household_id']}-word" if own else "西山路"
            row["housing"] = f"own-{row['household_id']}-word" if own else ("租房", "自有")[at % 2]
        for at, row in enumerate(found["residents"]):
            own = row["household_id"] in MARKED
            row["tongue"] = f"rare. {row['household_id']} word" if own else f"t{at % 3}"
        for row in found["requests"]:
            row["text"] = f"said-{row['household_id']}-word" if row["household_id"] in MARKED else "漏水"
        return found

    return rows


def holding(workspace: Path, words: list[str]) -> list[str]:
    """Every file that holds one of the words, in whichever way texts are kept."""
    found = []
    for path in sorted(one for one in workspace.rglob("*") if one.is_file()):
        content = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += [archive.read(name) for name in archive.namelist()]
        wanted = [word.encode(code) for word in words for code in ("utf-8", "utf-16-le", "utf-32-le")]
        if any(one in piece for one in wanted for piece in content):
            found.append(path.relative_to(workspace).as_posix())
    return found


def holding_others(*given, **named):
    """A model with those that it holds: of a neighbour, and for a beginner."""
    model = hand_made_model(*given, **named)
    return replace(model, young=model, companions=(model,))


@pytest.fixture(scope="module")
def marked_town(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served_town, "town_rows", marked_rows(served_town.town_rows))
        patch.setattr(served_town, "hand_made_model", holding_others)
        patch.setattr(schema_fit, "FEWEST_TOLD", 1)  # as in a model of an earlier version
        return make_workspace(tmp_path_factory.mktemp("marked"))


@pytest.fixture
def workspace(marked_town, tmp_path):
    return shutil.copytree(marked_town, tmp_path / "workspace")


def test_a_deleted_household_leaves_no_byte(workspace, database_url, monkeypatch):  # noqa: F811
    monkeypatch.setenv("XIANYING_DATABASE_URL", database_url)
    with served(workspace, database_url=database_url) as client:
        wang = As(client, "wang")
        listed = wang.get("/v1/visits?limit=500").json()["visits"]
        visit = next(one for one in listed if one["household_id"] in MARKED)
        household = visit["household_id"]
        outcome = {"outreach_id": visit["outreach_id"], "outcome": "needed", "note": "own-note-word"}
        assert wang.post("/v1/outcomes", outcome).status_code == 201
        said = f"said-{household}-word"
        keep_decisions(workspace, pd.DataFrame({"text": [said, "漏水"], "need": ["meals", "meals"]}))
        keep_trained_on(workspace, [said, "漏水"])
        words = [
            said,
            f"own-{household}-word",
            f"rare. {household} word",
            f"rare_{household}_word",
            "own-note-word",
        ]
        left = workspace / "weeks" / f".grid-1.xlsx{PARTIAL}"  # of a command that was killed
        left.write_text(f"own-{household}-word")
        before = holding(workspace, words)
        assert left.relative_to(workspace).as_posix() in before
        assert {"records.duckdb"} < set(before) and any(path.endswith("model.json") for path in before)
        assert any(path.endswith("town.npz") for path in before)
        assert wang.delete(f"/v1/residents/{household}").status_code == 202
        commands(["--workspace", str(workspace), "drain"], standalone_mode=False)
        assert holding(workspace, words) == []  # the service still runs
        assert read_decisions(workspace)["text"].tolist() == ["漏水"]
        assert len(read_trained_on(workspace)) == 1
        named = {
            path for path in holding(workspace, [household]) if not path.startswith(("service.db", "audit/"))
        }
        assert named == set()
        with client.app.state.database.reading() as session:
            assert household not in list(session.scalars(select(Outcome.household_id)))
            assert household in set(session.scalars(select(Entry.subject)))  # who looked at it stays
        refusing = refusing_on(workspace, date.today())
        other = next(one for one in MARKED if one != household and one not in refusing)
        client.app.state.shelf.refresh()
        assert wang.get(f"/v1/households/{other}/scores").status_code == 200
        explained = wang.get(f"/v1/households/{other}/explanation?need={visit['need']}")
        assert explained.status_code in (200, 404), explained.text
    if not database_url:
        assert holding(workspace, words) == []


def test_a_household_goes_with_those_that_were_merged_into_it(workspace):
    """Lists, scores and answers of the weeks before the merge hold the other under its own number."""
    with served(workspace) as client:
        wang = As(client, "wang")
        listed = wang.get("/v1/visits?limit=500").json()["visits"]
        visit = next(one for one in listed if one["household_id"] in MARKED)
        merged, kept = visit["household_id"], next(one for one in MARKED if one != visit["household_id"])
        outcome = {"outreach_id": visit["outreach_id"], "outcome": "needed", "note": "own-note-word"}
        assert wang.post("/v1/outcomes", outcome).status_code == 201
    write_book(workspace / "reports" / "form.xlsx", [["住址"], [f"door-{merged}-word"]])
    for call in (["drain"], ["households", "merge", kept, merged], ["resident", "delete", kept, "--yes"]):
        commands(["--workspace", str(workspace), *call], standalone_mode=False)
    words = [f"{word}-{one}-word" for word in ("own", "said", "door") for one in (merged, kept)]
    assert holding(workspace, [*words, "own-note-word"]) == []
    named = holding(workspace, [merged, kept])
    assert [path for path in named if not path.startswith(("service.db", "audit/"))] == []


def test_a_household_goes_from_the_one_that_it_was_merged_into(workspace):
    """Of the other one, which holds its past in the weeks after the merge, only the own records stay."""
    gone, kept = MARKED[3], MARKED[5]
    merge = ["households", "merge", kept, gone, "--as-of", NEWEST]
    before = shown_requests(workspace, kept)
    for call in (["drain"], merge, ["score", "--as-of", NEWEST], ["outreach", "--as-of", NEWEST]):
        commands(["--workspace", str(workspace), *call], standalone_mode=False)
    words = [f"{word}-{gone}-word" for word in ("own", "said", "door")]
    assert shown_requests(workspace, kept) > before and holding(workspace, words)
    undo = ["households", "undo", "1", "--as-of", NEWEST]  # the week that was published before stays
    commands(["--workspace", str(workspace), *undo], standalone_mode=False)
    commands(["--workspace", str(workspace), "resident", "delete", gone, "--yes"], standalone_mode=False)
    assert holding(workspace, words) == []
    assert kept not in published_households(workspace)
    assert rows_of_household(workspace, kept)["households"]  # its own rows stay, and list it again
    put_champion(workspace)  # the deletion has taken its copy away, as it may hold texts
    commands(["--workspace", str(workspace), "outreach", "--as-of", NEWEST], standalone_mode=False)
    assert kept in published_households(workspace)
    assert holding(workspace, words) == []


def test_a_week_that_was_published_after_a_deletion_loses_the_household(workspace):
    """As where a command had read the records before, and publishes its week when the deletion has ended."""
    household, before = MARKED[0], read_tombstones(workspace / TOMBSTONES)
    shutil.copytree(workspace / "served", workspace.parent / "served")
    commands(["--workspace", str(workspace), "resident", "delete", household, "--yes"], standalone_mode=False)
    shutil.copytree(workspace.parent / "served", workspace / "served", dirs_exist_ok=True)
    words = [f"own-{household}-word", f"said-{household}-word", f"door-{household}-word"]
    assert holding(workspace, words)
    delete_again(workspace, before)
    assert holding(workspace, words) == []
    named = holding(workspace, [household])
    assert [path for path in named if not path.startswith(("service.db", "audit/"))] == []


def test_a_week_that_was_published_after_a_deletion_loses_the_one_that_it_was_merged_into(workspace):
    gone, kept = MARKED[3], MARKED[5]
    merge = ["households", "merge", kept, gone, "--as-of", NEWEST]
    for call in (["drain"], merge, ["score", "--as-of", NEWEST]):
        commands(["--workspace", str(workspace), *call], standalone_mode=False)
    before, pairs = read_tombstones(workspace / TOMBSTONES), shown_pairs(workspace)
    assert pairs == [(gone, kept)]
    shutil.copytree(workspace / "served", workspace.parent / "served")
    commands(["--workspace", str(workspace), "resident", "delete", gone, "--yes"], standalone_mode=False)
    shutil.copytree(workspace.parent / "served", workspace / "served", dirs_exist_ok=True)
    assert holding(workspace, [f"said-{gone}-word"]) or kept in published_households(workspace)
    delete_again(workspace, before, pairs)
    assert holding(workspace, [f"said-{gone}-word"]) == [] and kept not in published_households(workspace)


def shown_requests(workspace: Path, household: str) -> int:
    """How many requests the newest week's records show under a household's number."""
    week = workspace / "served" / read_pointer(workspace)["weeks"][NEWEST]
    records = open_copy(week / "records").read([0])
    return int((records.household_ids[records.requests.household] == household).sum())


def write_book(path: Path, rows: list[list[str]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path.parent.mkdir(exist_ok=True)
    book.save(path)


def test_forms_and_sheets_lose_a_deleted_household_and_keep_the_others(workspace):
    households = MARKED[:2]
    write_book(
        workspace / "reports" / "form.xlsx",
        [
            ["住址", "走访情况"],
            *([f"door-{household}-word", f"found-{household}-word"] for household in households),
        ],
    )
    write_book(
        workspace / "review" / "households.xlsx",
        [["张三", "", f"{household}｜door-{household}-word"] for household in households],
    )
    texts = pd.DataFrame({"text": [f"said-{household}-word" for household in households]})
    texts = texts.assign(candidates=[[]] * len(texts), why="")
    write_text_review(workspace / "review" / "needs.xlsx", texts, read_settings(workspace))
    commands(
        ["--workspace", str(workspace), "resident", "delete", households[0], "--yes"], standalone_mode=False
    )
    folders = ("reports", "review")
    words = [[f"{kind}-{one}-word" for kind in ("door", "found", "said")] for one in households]
    assert [path for path in holding(workspace, words[0]) if path.startswith(folders)] == []
    assert len([path for path in holding(workspace, words[1]) if path.startswith(folders)]) == 3


def test_what_mlflow_keeps_names_no_deleted_text(tmp_path):
    texts = ("极少见", 'two  words, "quoted"', "it's", "a.b")
    names = [f"household.kind={text}" for text in (*texts, "极少见的", "axb")]
    files = {
        "mlartifacts/1/artifacts/importance.csv": pd.DataFrame({"name": names}).to_csv(index=False),
        "mlartifacts/models/m/artifacts/input_example.json": json.dumps({"columns": names}),
        "mlartifacts/models/m/artifacts/MLmodel": yaml.safe_dump({"inputs": json.dumps(names)}, width=40),
        "served/reports/1/importance.csv": pd.DataFrame({"name": names}).to_csv(index=False),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    words = [["种类为极少见", "kind is 极少见", "种类为极少见的居民数", "residents with kind 极少见"]]
    meaning = tmp_path / "mlartifacts" / "models" / "m" / "artifacts" / "features.csv"
    pd.DataFrame(words).to_csv(meaning, index=False)
    forget_texts(tmp_path, texts)
    assert "极少见" not in meaning.read_text("utf-8")
    read = {
        "csv": lambda text: list(pd.read_csv(io.StringIO(text))["name"]),
        "json": lambda text: json.loads(text)["columns"],
        "MLmodel": lambda text: json.loads(yaml.safe_load(text)["inputs"]),
    }
    for name in files:
        kept = read[name.split("/")[-1].split(".")[-1]]((tmp_path / name).read_text("utf-8"))
        assert all(one.startswith("household.kind=deleted-") for one in kept[: len(texts)]), name
        assert kept[len(texts) :] == names[len(texts) :]

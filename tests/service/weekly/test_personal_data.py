"""Names, telephones and numbers in residents' words stand nowhere but in records, quarantine and household pages."""

import zipfile
from pathlib import Path

import pytest
from tiny_town import TinyTown, make_tiny_town, requests

from service.cli.commands import commands
from service.console.terminal import run

NAMES = ("王小明", "李桂芳")
NUMBERS = ("13812345678", "110101194912310025", "6222021234567890123")
SAID = f"我叫{NAMES[0]}，电话{NUMBERS[0]}，身份证{NUMBERS[1]}，卡号{NUMBERS[2]}，想订助餐"
KEEPING = ("records", "quarantine/", "partitions/")


def town_with_personal_data(place: Path) -> TinyTown:
    """Requests of which texts, times, marks and columns that nothing reads hold personal data."""
    town = make_tiny_town(place / "export", place / "space")
    rows = [{**row, "text": SAID if not row["need"] else "", "": SAID} for row in requests()]
    rows[3] |= {"resolved_at": f"找{NAMES[1]}", "satisfaction": f"问{NUMBERS[0]}"}
    rows[4] |= {"satisfaction": SAID}
    bad = {**rows[0], "request_id": "R9", "requested_at": SAID}
    town.write("requests", [*rows, bad, {**rows[0], "request_id": "R10", "household_id": "", "text": SAID}])
    return town


def pieces(path: Path) -> list[bytes]:
    content = [path.read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            content += [archive.read(name) for name in archive.namelist()]
    return content


def test_personal_data_in_texts_are_neither_printed_nor_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    town = town_with_personal_data(tmp_path)
    as_of = ["--as-of", "2024-06-10"]
    for arguments in (
        ["check", str(town.directory)],
        ["ingest", str(town.directory)],
        ["retrain"],
        ["score", *as_of],
        ["outreach", *as_of],
        ["weekly", str(town.directory), *as_of],
    ):
        command = ["--workspace", str(town.workspace), *arguments]
        assert run(lambda command=command: commands(command, standalone_mode=False)) in (0, 3), arguments
    said = capfd.readouterr()
    printed = said.out + said.err + caplog.text
    assert "［电话］" in printed and "［姓名］" in printed  # examples are shown, masked
    words = [word.encode() for word in (*NAMES, *NUMBERS)]
    assert not [word for word in words if word in printed.encode()]
    holding = {
        path.relative_to(town.workspace).as_posix()
        for path in town.workspace.rglob("*")
        if path.is_file() and any(word in piece for word in words for piece in pieces(path))
    }
    assert any(path.startswith("quarantine/") for path in holding)
    assert {path for path in holding if not path.startswith(KEEPING)} == set()

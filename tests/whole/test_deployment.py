"""What docs/deployment holds is what its own tools call right, and starts the commands that the program has."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from called import called
from click.testing import CliRunner
from served_town import copy_workspace, served

from features.language import UserError
from service.cli.commands import commands
from service.web.base.settings import Settings
from service.web.database.engine import migrations

HERE = Path(__file__).parents[2] / "docs" / "deployment"
UNITS = sorted((HERE / "systemd").glob("*.service"))
INSTALLED = "/srv/xianying/current/bin/xianying"


def tool(name: str) -> str:
    """A program that was installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def service_of(unit: Path) -> dict[str, str]:
    """The lines of a unit's [Service]; of a line that stands twice the last one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit, "utf-8")
    return dict(parser["Service"])


def test_the_linter_of_containerfiles_finds_nothing() -> None:
    found = subprocess.run(
        [tool("hadolint"), str(HERE / "Containerfile")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


def test_compose_keeps_to_the_published_schema_and_starts_commands_of_the_program() -> None:
    file = HERE / "compose.yaml"
    options = ["--builtin-schema", "vendor.compose-spec", "--output-format", "json"]
    found = subprocess.run(
        [tool("check-jsonschema"), *options, str(file)], capture_output=True, text=True, check=False
    )
    assert json.loads(found.stdout)["status"] == "ok", found.stdout
    services = yaml.safe_load(file.read_text("utf-8"))["services"]
    own = {name: one for name, one in services.items() if one.get("image") == "xianying"}
    assert {called(one["command"]).command.name for name, one in own.items() if name != "command"} == {
        "serve",
        "weekly",
        "retrain",
    }
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in own.values())
    assert services["database"]["networks"] == ["inside"], "the database cannot be reached from outside"


def test_the_example_of_the_environment_names_settings_that_there_are() -> None:
    names = re.findall(r"^XIANYING_(\w+)=", (HERE / "xianying.env.example").read_text("utf-8"), re.M)
    assert set(names) == {"SECRET", "DATABASE_URL"}
    assert {name.lower() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_of_the_program(unit: Path) -> None:
    line = service_of(unit)["ExecStart"]
    inner = re.fullmatch(r"/bin/sh -c '(.*)'", line)
    words = shlex.split((inner[1] if inner else line).removeprefix("exec "))
    assert words[0] == INSTALLED
    called(words[1:])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("runuser"), reason="needs root and runuser")
def test_the_script_for_root_runs_commands_as_the_service_user_with_its_settings() -> None:
    with tempfile.TemporaryDirectory() as home:
        settings, script = Path(home, "settings"), Path(home, "xianying")
        settings.write_text(
            "# note\nXIANYING_DATABASE_URL=postgresql://a:b@c/d?e=1&f='2'\nXIANYING_SECRET=\"s t\"\n"
        )
        text = (HERE / "xianying").read_text("utf-8").replace(INSTALLED, "/usr/bin/env")
        text = text.replace("/etc/xianying/xianying.env", str(settings)).replace("-u xianying", "-u nobody")
        script.write_text(text)

        def said(*words: str) -> str:
            command = ["/bin/sh", str(script), *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        assert said("id", "-un") == "nobody"
        assert said("printenv", "XIANYING_DATABASE_URL") == "postgresql://a:b@c/d?e=1&f='2'"
        assert said("printenv", "XIANYING_SECRET") == "s t" and said("sh", "-c", "umask") == "0077"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    for file in (HERE / "systemd").iterdir():
        (tmp_path / file.name).write_text(file.read_text("utf-8").replace(INSTALLED, sys.executable), "utf-8")
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert found.returncode == 0 and str(tmp_path) not in found.stderr, found.stderr
    for unit in (unit for unit in units if unit.endswith(".service")):
        # an exposure of at most 2.0 of 10
        command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


def test_the_wheelhouse_asks_for_wheels_of_the_other_machine_only() -> None:
    command = ["make", "-n", "-o", ".venv/.ready", "wheelhouse", "PLATFORM=aarch64"]
    planned = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=True).stdout
    assert "--only-binary=:all:" in planned and "--platform manylinux_2_28_aarch64" in planned
    assert "x86_64" not in planned


def test_an_upgrade_goes_back_by_one_command(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    with served(workspace):
        pass
    before, newest = migrations()[-2:]

    def migrate(*words: str) -> str:
        found = CliRunner().invoke(commands, ["--workspace", str(workspace), "migrate", *words])
        if isinstance(found.exception, UserError):
            return str(found.exception)
        assert found.exit_code == 0, found.output
        return found.output

    assert f"服务数据库在 {before}" in migrate("--to", before)
    assert f"服务数据库在 {newest}" in migrate()
    assert newest in migrate("--to", "9999")

"""A community.yaml that is made to do harm, or that loses something in silence, ends in one line."""

import os
from pathlib import Path

import pytest
from tiny_town import TinyTown

from features.contract.settings_text import read_yaml
from features.ingest.ingest import check, ingest
from features.language import UserError

LEVELS = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10))
HOSTILE = {
    "aliases that grow ninefold at each level": ("x0: &x0 [a, a]\n" + LEVELS, "展开后太大"),
    "an alias within itself": ("a: &a {b: *a}\n", "展开后太大"),
    "deep brackets": ("a: " + "[" * 30_000, "嵌套太深"),
    "deep lists": ("a:\n  " + "- " * 30_000 + "x\n", "嵌套太深"),
    "a file of two megabytes": ("#" + " " * 2_000_000, "超过 1 MB"),
    "an object": ("a: !!python/object/apply:os.getcwd []\n", "不是有效的 YAML"),
    "a zero": ("a: 'x\0'\n", r"community\.yaml:\d+：有看不见的字符"),
    "writing turned round": ("a: 'x\u202ey'\n", r"community\.yaml:\d+：有看不见的字符"),
    "a key twice": ("features: {}\nfeatures: {}\n", r"community\.yaml:\d+：features 出现了两次"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_settings_end_in_one_line(tiny_town: TinyTown, kind: str) -> None:
    more, match = HOSTILE[kind]
    path = tiny_town.directory / "community.yaml"
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    for read in (check, ingest):
        with pytest.raises(UserError, match=match) as caught:
            read(tiny_town.directory, tiny_town.workspace)
        assert "\n" not in str(caught.value)
    assert not tiny_town.workspace.exists()


def test_aliases_that_stay_small_are_fine(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("a: &a {b: 1}\nc: [*a, *a]\n", "utf-8")
    assert read_yaml(tmp_path / "some.yaml") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5"])
def test_settings_come_in_many_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "some.yaml").write_text("name: 東區文化路\n", encoding)
    assert read_yaml(tmp_path / "some.yaml") == {"name": "東區文化路"}


def test_a_pipe_in_the_place_of_settings_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "走访.mapping.yaml")
    with pytest.raises(UserError, match="读不到，请放入 走访"):
        read_yaml(tmp_path / "走访.mapping.yaml")

"""A file is written whole or not at all, and what a killed process left of it goes."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from features.atomic import forget_partials, open_atomically, scratch_directory, write_atomically


def killed_while_writing(path: Path) -> None:
    """Let a process die in the middle of a file."""
    if not (child := os.fork()):
        with open_atomically(path) as file:
            file.write(b"household H000001, which is longer than what follows")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    killed_while_writing(path)
    assert not path.exists() and list(tmp_path.iterdir())
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_only_what_nobody_writes_is_forgotten(tmp_path: Path) -> None:
    killed_while_writing(tmp_path / "weeks" / "left.csv")
    with open_atomically(tmp_path / "weeks" / "under way.csv") as file:
        forget_partials(tmp_path)
        file.write(b"whole")
    assert [path.name for path in (tmp_path / "weeks").iterdir()] == ["under way.csv"]


def test_a_scratch_directory_goes_with_its_block_or_where_its_process_was_killed(tmp_path: Path) -> None:
    if not (child := os.fork()):
        with scratch_directory(tmp_path) as place:
            (place / "households.csv").write_text("H000001")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert list(tmp_path.rglob("households.csv"))
    with scratch_directory(tmp_path) as place:
        (place / "requests.csv").write_text("R1")
        with scratch_directory(tmp_path):
            forget_partials(tmp_path)
        assert [path.name for path in tmp_path.rglob("*.csv")] == ["requests.csv"]
    assert not list(tmp_path.iterdir())


def test_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    contents = [bytes([97 + number]) * (1 << 16) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(path, content), contents * 4))
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]

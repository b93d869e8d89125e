"""A process that ends at once, as if its machine did, when the records have been replaced."""

import subprocess
import sys

_UP_TO_THEN = """
import os, sys
replace = os.replace

def replace_and_end(*given):
    replace(*given)
    if str(given[1]).endswith("records.duckdb"):
        os._exit(9)

os.replace = replace_and_end
"""


def killed_with_records_replaced(code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python code with ``sys.argv[1:]``; the exit code is 9 where it came to replace the records."""
    command = [sys.executable, "-c", _UP_TO_THEN + code, *arguments]
    return subprocess.run(command, capture_output=True, check=False)

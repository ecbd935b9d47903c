"""Runs a fine-tuning job as Snakemake would, up to its first batch, and prints the seconds since CARRYOVER_BENCH_STARTED.

python -m benchmarks.start SCRIPT ARGUMENTS...
"""

import os
import runpy
import sys
import time

from carryover.answers import choice


def first_batch(*arguments: object) -> None:
    """Stands in for the first loss of the job."""
    print(time.time() - float(os.environ["CARRYOVER_BENCH_STARTED"]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    choice.loss = first_batch
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")

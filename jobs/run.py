"""A file to start any command of ours with, where a scheduler wants one: `spark-submit jobs/run.py jobs.day --ds D`.

It is `python -m lake.run jobs.day --ds D`, from wherever the file lies.
"""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
# As a file, this one's own folder comes first, where `events` or `features` could be taken for somebody else's module.
sys.path[:] = [str(HOME), *(each for each in sys.path if Path(each or ".").resolve() not in (HOME, HOME / "jobs"))]

from lake.run import main  # noqa: E402

if __name__ == "__main__":
    main()

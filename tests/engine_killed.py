"""Let steps be run by Daft in Pythons of their own, one of which dies: `python engine_killed.py TOMB`.

It is a process of its own because Daft leaves pipes of its processes open, which is a warning, and warnings are errors.
"""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tuneset import step
from tuneset.clean import EmptyText
from tuneset.dedupe import ExactDuplicate
from tuneset.engines import cluster, engine
from tuneset.testing import examples


@dataclass(frozen=True)
class DiesOnce:
    """Say what EmptyText says, and die with the process that it is in, once."""

    rule = "dies-once"
    scope = "example"
    tomb: str

    def __call__(self, rows):
        try:
            Path(self.tomb).touch(exist_ok=False)
        except FileExistsError:
            return EmptyText()(rows)
        return os.kill(os.getpid(), signal.SIGKILL)


def main(tomb):
    cluster.SMALL, cluster.PIECE, cluster.PROCESSES = 0, 3, 0
    rows, told = examples(["hi", "", "hi", "ho"] * 3), []
    native = engine("native")
    for asked, same in ((ExactDuplicate(), ExactDuplicate()), (DiesOnce(tomb), EmptyText())):
        assert native.run(asked, rows, told.append).equals(step.run(same, rows))
    sys.stdout.write("\n".join(told))


if __name__ == "__main__":
    import engine_killed  # so that the step's class is not one of __main__, which another Python does not know

    engine_killed.main(*sys.argv[1:])

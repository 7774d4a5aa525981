"""Prepare a file with an engine in a process of its own: `python engine_run.py FILE OUT ENGINE [ROWS]`.

With ROWS, parts are so small that a small file has many of them, and near-duplicates are searched for by bands, which a
small file does not need. What is watched is printed.
"""

import sys

import tuneset
from tuneset.engines import cluster
from tuneset.near import bands


def main(file, out, engine, rows=None):
    if rows is not None:
        cluster.SMALL, cluster.PIECE, bands.SMALL = 0, int(rows), 0
    sys.stdout.reconfigure(line_buffering=True)  # whoever kills a worker has to know how far it is
    tuneset.prepare(file, out=out, engine=engine, watch=lambda event: sys.stdout.write(f"{event}\n"))


if __name__ == "__main__":
    main(*sys.argv[1:])

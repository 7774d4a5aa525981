"""One who labels, as a process of its own: says `ready`, begins at a line from outside, prints each answer that is taken.

The answer's id is printed after `submit` has returned, so whatever stands in the output was promised.
"""

import sys

from tuneset.people import work
from tuneset.people.database import open_database
from tuneset.people.projects import Person

if __name__ == "__main__":
    address, project, contributor = sys.argv[1:]
    db, person = open_database(address), Person(project, contributor)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    while (served := work.next_item(db, person)) is not None:
        print(work.submit(db, person, served.token, {"category": "orders"}).annotation, flush=True)  # noqa: T201

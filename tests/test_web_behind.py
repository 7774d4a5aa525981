"""The thread behind the pages: jobs are done again and again, one that fails does not stop the others, and it ends."""

import threading
import time

from tuneset.web.behind import Behind, Job


def test_jobs_are_done_again_and_again_and_end(monkeypatch):
    done, enough, failures = [], threading.Event(), []
    monkeypatch.setattr(threading, "excepthook", failures.append)

    def good():
        done.append("good")
        if done.count("good") == 50:
            enough.set()

    def bad():
        done.append("bad")
        raise ValueError("no such thing")

    with Behind([Job("good", good, 0.01), Job("bad", bad, 0.01)]):
        assert enough.wait(10)
    assert "bad" in done
    assert {str(each.exc_value) for each in failures} == {"no such thing"}
    assert 1 < len(failures) < done.count("good")  # less and less often
    count = len(done)
    time.sleep(0.05)
    assert len(done) == count


def test_no_job_no_thread():
    before = threading.active_count()
    with Behind([]):
        assert threading.active_count() == before

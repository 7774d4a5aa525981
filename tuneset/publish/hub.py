"""Share an export on the Hugging Face Hub: one dataset, made private where there is none yet, by the Hub's own client."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tuneset.errors import RunError, need
from tuneset.publish.http import AGAIN, PAUSE, Event, hidden, hint
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

EXTRA = "hub"
TRIES = 3  # of the whole; the client itself tries again to send files, not to make the dataset


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Send files as one commit to `datasets/ORG/NAME`; a dataset that is not there is made, private.

    Whoever wants it public makes it so on the Hub. Large files and resume are the client's (huggingface_hub 2.4.0:
    create_repo, upload_folder); files that the Hub has are not sent again. The id is the commit's hash.
    """
    bars = need("huggingface_hub.utils", EXTRA)
    for item in items:
        watch(Event(item.file, "start", 0, item.bytes))
    shown = bars.are_progress_bars_disabled()
    bars.disable_progress_bars()
    try:
        commit = _committed(plan, items, watch)
    finally:
        if not shown:
            bars.enable_progress_bars()
    for item in items:
        yield item, commit, 200


def _committed(plan: Plan, items: Sequence[Item], watch: Watch) -> str:
    """Make the dataset and the commit, again where the Hub stumbles; both take up what an earlier try left."""
    hub, errors = need("huggingface_hub", EXTRA), need("huggingface_hub.errors", EXTRA)
    network, key = need("httpx2", EXTRA), secret(plan.where.place)[1]
    api = hub.HfApi(endpoint=plan.where.address, token=key, library_name="tuneset")
    for attempt in range(1, TRIES + 1):
        try:
            api.create_repo(plan.where.name, repo_type="dataset", private=True, exist_ok=True)
            commit = api.upload_folder(
                repo_id=plan.where.name,
                repo_type="dataset",
                folder_path=items[0].path.parent,
                allow_patterns=[item.file for item in items],
                commit_message=f"tuneset: {plan.target}",
            )
            return str(commit.oid)
        except (OSError, ValueError, network.HTTPError, errors.HFValidationError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 0)
            said = re.sub(r"\s+", " ", hidden(str(error), [key]))[:300] or type(error).__name__
        if attempt == TRIES or (status and status not in AGAIN):
            break
        watch(Event("", "wait", says=said))
        time.sleep(PAUSE * 2**attempt)
    raise RunError(f"the Hub did not take it: {said}", plan.where.url, hint(status))

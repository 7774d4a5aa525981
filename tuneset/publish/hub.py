"""Share an export on the Hugging Face Hub: one dataset, made private where there is none yet, by the Hub's own client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuneset.errors import RunError, need
from tuneset.publish.http import Event, hidden, hint
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

EXTRA = "hub"


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Send files as one commit to `datasets/ORG/NAME`; a dataset that is not there is made, private.

    Whoever wants it public makes it so on the Hub. Retries, large files and resume are the client's (huggingface_hub
    2.4.0: create_repo, upload_folder); files that the Hub has are not sent again. The id is the commit's hash.
    """
    hub, errors, http = (need(each, EXTRA) for each in ("huggingface_hub", "huggingface_hub.errors", "httpx2"))
    key = secret(plan.where.place)[1]
    for item in items:
        watch(Event(item.file, "start", 0, item.bytes))
    shown = hub.utils.are_progress_bars_disabled()
    hub.utils.disable_progress_bars()
    try:
        api = hub.HfApi(endpoint=plan.where.address, token=key, library_name="tuneset")
        api.create_repo(plan.where.name, repo_type="dataset", private=True, exist_ok=True)
        commit = api.upload_folder(
            repo_id=plan.where.name,
            repo_type="dataset",
            folder_path=items[0].path.parent,
            allow_patterns=[item.file for item in items],
            commit_message=f"tuneset: {plan.target}",
        )
    except (OSError, ValueError, http.HTTPError, errors.HFValidationError) as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        said = re.sub(r"\s+", " ", hidden(str(error), [key]))[:300] or type(error).__name__
        raise RunError(f"the Hub did not take it: {said}", plan.where.url, hint(status)) from None
    finally:
        if not shown:
            hub.utils.enable_progress_bars()
    for item in items:
        yield item, str(commit.oid), 200

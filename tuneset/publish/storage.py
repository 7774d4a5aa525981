"""Put an export into a bucket of Amazon's or Google's storage, where Bedrock and Gemini read it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from tuneset.errors import RunError, need
from tuneset.publish.http import Event, hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

EXTRA = "storage"


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Put files under `s3://BUCKET/FOLDER` or `gs://BUCKET/FOLDER`, over what has the same name there.

    The bucket must be there. Retries and parts are those of s3fs and gcsfs (read: 2026.9.0 and 2026.10.1), which begin a
    file anew after a kill. The id is the object's tag (S3) or generation (Google), read back with its size.
    """
    store, errors = (_amazon if plan.where.kind == "s3" else _google)(plan)
    for item in items:
        watch(Event(item.file, "start", 0, item.bytes))
        path = f"{plan.where.name}/{item.file}"
        try:
            store.put_file(str(item.path), path)
            store.invalidate_cache()
            found = store.info(path)
        except errors as error:
            said = re.sub(r"\s+", " ", hidden(str(error), _secrets()))[:300] or type(error).__name__
            way = "check the bucket's name, and what these credentials may do"
            raise RunError(f"the storage did not take it: {said}", f"{plan.where.kind}://{path}", way) from None
        if found["size"] != item.bytes:
            what = f"{found['size']:,} of {item.bytes:,} bytes arrived"
            raise RunError(what, f"{plan.where.kind}://{path}", "run the same command again")
        yield item, str(found.get("generation") or found.get("ETag") or "").strip('"'), 200


def _amazon(plan: Plan) -> tuple[Any, tuple[type[BaseException], ...]]:
    fs, wrong = need("s3fs", EXTRA), need("botocore.exceptions", EXTRA)
    own = any(os.environ.get(name) for name in plan.where.place.variables)
    store = fs.S3FileSystem(endpoint_url=plan.where.address if own else None, skip_instance_cache=True)
    return store, (OSError, wrong.BotoCoreError, wrong.ClientError)


def _google(plan: Plan) -> tuple[Any, tuple[type[BaseException], ...]]:
    # The plain class, not the one that asks Google's control plane what kind of bucket it is, over a line of its own.
    fs, wrong = need("gcsfs.core", EXTRA), need("google.auth.exceptions", EXTRA)
    network, refused = need("aiohttp", EXTRA), need("gcsfs.retry", EXTRA)
    own = any(os.environ.get(name) for name in plan.where.place.variables)
    address = plan.where.address if own else None
    store = fs.GCSFileSystem(token="google_default", endpoint_url=address, skip_instance_cache=True)  # noqa: S106
    return store, (OSError, wrong.GoogleAuthError, network.ClientError, refused.HttpError)


def _secrets() -> list[str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return [os.environ[name] for name in names if os.environ.get(name)]

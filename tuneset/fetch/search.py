"""Look for datasets on the Hub, on Kaggle and on pages that describe some, before anything is downloaded."""

from __future__ import annotations

import math
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.errors import TunesetError, need, unknown
from tuneset.fetch import hub, kaggle
from tuneset.fetch.licences import forbids
from tuneset.fetch.unreachable import unreachable
from tuneset.publish.http import hidden, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PLACES = ("hub", "kaggle", "pages")
_SIZE_TAG = re.compile(r"size_categories:(?:n)?[<>]?([\d.]+)([KMBT]?)(?:<n<([\d.]+)([KMBT]?))?")
_TIMES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


class Candidate(NamedTuple):
    """A dataset that may fit; 0 and "" stand for what its place does not say."""

    address: str  # what `tuneset prepare` takes; "" where a page names no file that is read
    title: str
    where: str  # hub, kaggle, or the page's address
    licence: str
    rows: int
    bytes: int
    columns: tuple[str, ...]
    downloads: int
    updated: str  # a day, 2026-11-23
    url: str  # its page
    says: str  # a few words of its description
    warns: str  # why its licence forbids training for commercial use, or that it is gated; "" where nothing does
    score: float


class Searched(NamedTuple):
    """Candidates, best first, and one sentence for each place that did not answer."""

    candidates: tuple[Candidate, ...]
    says: tuple[str, ...]


def search(words: str, *, site: str | Sequence[str] = (), place: str | Sequence[str] = (), limit: int = 10) -> Searched:
    """Find datasets by words of their names and descriptions.

    `site`: addresses of pages, such as catalogues, whose schema.org `Dataset` records are read; only these pages are asked.
    `place`: where to look, of "hub", "kaggle" and "pages"; everywhere where none is named. `limit`: so many of each place,
    and in all. Ranked by how many of the words stand in the name (worth 3), the description or the columns (1), then by a
    table that can be read, rows said and downloads (logarithm); a licence that forbids commercial use stands lower. Nothing
    is downloaded. A place that does not answer is named, and the others are shown. Errors: RecipeError for an unknown
    place; TunesetError where pages are given, and the extra `scrape` is not there.

    >>> search("bank", place="huggingface")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: unknown place 'huggingface'
      at   search
      try  there are: hub, kaggle, pages
    """
    sites, places = ([each] if isinstance(each, str) else list(each) for each in (site, place))
    for each in places:
        if each not in PLACES:
            raise unknown("place", each, PLACES, "search")
    asked: list[tuple[str, Callable[[], Iterable[Candidate]]]] = []
    if "hub" in (places or PLACES):
        asked.append(("the Hub", lambda: _hub(words, limit)))
    if "kaggle" in (places or PLACES):
        asked.append(("Kaggle", lambda: _kaggle(words, limit)))
    if "pages" in (places or PLACES) and sites:
        for package in ("lxml", "urllib3"):
            need(package, "scrape")
        asked += [(each, lambda each=each: _pages(each)) for each in sites]  # type: ignore[misc]
    with quiet():
        answers = [(name, *_answered(look)) for name, look in asked]
    found = [each for _, candidates, _ in answers for each in candidates]
    says = [f"{name} did not answer: {silent}" for name, _, silent in answers if silent]
    ranked = sorted((_scored(each, words) for each in found), key=lambda each: (-each.score, each.address, each.url))
    fits = [each for each in ranked if each.score >= 1 or not words.strip()]
    return Searched(tuple({(each.address or each.url): each for each in fits}.values())[:limit], tuple(says))


def _answered(look: Callable[[], Iterable[Candidate]]) -> tuple[list[Candidate], str]:
    try:
        return list(look()), ""
    except TunesetError as error:
        return [], error.what


def _scored(candidate: Candidate, words: str) -> Candidate:
    asked = set(re.findall(r"\w{2,}", words.lower()))
    name = f"{candidate.title} {candidate.address}".lower()
    rest = f"{candidate.says} {' '.join(candidate.columns)}".lower()
    fit = sum(3.0 if word in name else 1.0 if word in rest else 0.0 for word in asked) / max(1, len(asked))
    if not fit and asked:
        return candidate._replace(score=0.0)
    known = 0.3 * bool(candidate.address) + 0.2 * bool(candidate.rows) + 0.2 * bool(candidate.columns)
    popular = min(math.log10(candidate.downloads + 1), 6) / 6
    return candidate._replace(score=round(1 + fit + known + popular - 0.5 * ("forbids" in candidate.warns), 3))


def _hub(words: str, limit: int) -> Iterable[Candidate]:
    api, token = hub.client()
    network, errors = need("httpx2", hub.EXTRA), need("huggingface_hub.errors", hub.EXTRA)
    expand = ["cardData", "description", "downloads", "gated", "lastModified", "mainSize", "tags"]
    try:
        for found in api.list_datasets(search=words, sort="downloads", limit=limit, expand=expand):
            yield _of_hub(found, api.endpoint)
    except errors.HfHubHTTPError as error:
        said = " ".join(hidden(str(error), [token]).split())[:120] or type(error).__name__
        raise TunesetError(said, api.endpoint, "try again later") from error
    except errors.OfflineModeIsEnabled as error:
        raise TunesetError("HF_HUB_OFFLINE is set", api.endpoint, "unset HF_HUB_OFFLINE") from error
    except (network.HTTPError, OSError) as error:
        raise unreachable(urlsplit(api.endpoint).hostname or hub.ADDRESS, api.endpoint, error) from error


def _of_hub(found: Any, endpoint: str) -> Candidate:
    card = found.card_data.to_dict() if found.card_data else {}
    tags = found.tags or []
    infos = card.get("dataset_info") or {}
    infos = infos if isinstance(infos, list) else [infos]
    first = next((each for each in infos if isinstance(each, dict)), {})
    columns = [str(each.get("name")) for each in first.get("features") or () if isinstance(each, dict)]
    rows = sum(
        int(split.get("num_examples") or 0)
        for info in infos
        if isinstance(info, dict)
        for split in info.get("splits") or ()
    )
    given = card.get("license") or next(
        (tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), ""
    )
    licence = ", ".join(map(str, given)) if isinstance(given, list) else str(given)
    gated = "only for those who agree to its terms" if found.gated else ""
    return Candidate(
        f"hf:{found.id}",
        str(card.get("pretty_name") or found.id),
        "hub",
        licence,
        rows or _by_tag(tags),
        int(found.main_size or first.get("dataset_size") or 0),
        tuple(columns),
        int(found.downloads or 0),
        found.last_modified.date().isoformat() if found.last_modified else "",
        f"{endpoint}/datasets/{found.id}",
        _short(found.description or ""),
        "; ".join(filter(None, (forbids(licence), gated))),
        0.0,
    )


def _by_tag(tags: Iterable[str]) -> int:
    """Read the lower bound of rows out of the Hub's tag.

    >>> _by_tag(["size_categories:10K<n<100K"])
    10000
    """
    found = next((match for tag in tags if (match := _SIZE_TAG.fullmatch(tag))), None)
    return int(float(found[1]) * _TIMES[found[2]]) if found and found[3] else 0


def _kaggle(words: str, limit: int) -> Iterable[Candidate]:
    network = need("requests.exceptions", kaggle.EXTRA)
    with tempfile.TemporaryDirectory() as folder, kaggle.client(Path(folder)) as (api, types, _):
        request = types.ApiListDatasetsRequest()
        request.search, request.page = words, 1
        try:
            with kaggle.quietly():
                answer = api.list_datasets(request)
        except (network.HTTPError, ValueError) as error:
            said = hidden(str(error), [os.environ.get(name, "") for name in kaggle.SECRETS])
            raise TunesetError(
                " ".join(said.split())[:120] or type(error).__name__, kaggle.PLACE, "try again later"
            ) from error
        except (network.RequestException, OSError) as error:
            raise unreachable(kaggle.PLACE, kaggle.PLACE, error) from error
        return [_of_kaggle(each) for each in answer.datasets[:limit]]


def _of_kaggle(found: Any) -> Candidate:
    columns = tuple(str(column.name) for file in found.files[:1] for column in file.columns)
    return Candidate(
        f"kaggle:{found.ref}",
        found.title or found.ref,
        "kaggle",
        found.license_name or "",
        0,
        int(found.total_bytes or 0),
        columns,
        int(found.download_count or 0),
        found.last_updated.date().isoformat() if found.last_updated else "",
        found.url or f"https://www.kaggle.com/datasets/{found.ref}",
        _short(found.subtitle or found.description or ""),
        forbids(found.license_name or "") or "",
        0.0,
    )


def _pages(site: str) -> Iterable[Candidate]:
    from tuneset.fetch import pages  # noqa: PLC0415  with lxml, which the other places do without

    for found in pages.datasets(site):
        files = [file for file in found["files"] if pages.is_readable(file)]
        yield Candidate(
            files[0]["address"] if files else "",
            found["name"],
            site,
            found["licence"],
            found["rows"],
            sum(file["bytes"] for file in files),
            tuple(found["columns"]),
            0,
            found["updated"],
            found["url"],
            _short(found["description"]),
            forbids(found["licence"]) or "",
            0.0,
        )


def _short(text: str) -> str:
    words = " ".join(re.sub(r"[#*_`\t\n]+", " ", text).split())
    return words if len(words) <= 200 else f"{words[:199]}…"

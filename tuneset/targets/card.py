"""The card of a dataset and its Croissant description, from what the run knows: where from, how much, how split, what limits."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tuneset.targets.export import About

Files = dict[str, dict[str, Any]]
LOOKED_AT = 2_000  # examples whose language is looked at


def facts(examples: pl.DataFrame) -> dict[str, Any]:
    """Find what the card says of the rows themselves: languages, licences, and which share was generated.

    >>> from tuneset.testing import examples
    >>> facts(examples(["Where is my parcel, please?"] * 3))["languages"]
    ['en']
    """
    from tuneset.clean.language import Language  # noqa: PLC0415  its model takes .2 s

    origins = (json.loads(origin) for origin in examples["origin"].drop_nulls().unique().sort().to_list())
    return {
        "languages": list(Language().fit(examples.sort("id").head(LOOKED_AT)).own),
        "licences": sorted({str(origin["licence"]) for origin in origins if origin.get("licence")}),
        "generated": examples.filter(
            pl.col("groups").list.eval(pl.element().str.starts_with("seed:")).list.any()
        ).height,
    }


def card(about: About, files: Files, known: Mapping[str, Any]) -> str:
    """Write the card of a dataset for the Hub: the head that its loader reads, then what people ask of a dataset.

    Source: Hugging Face, "Dataset cards", and Mitchell et al., "Model cards" for what belongs into one.
    """
    summary = about.summary
    rows = sum(file["rows"] for file in files.values())
    head = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(line for name in files for line in (f"  - split: {name.partition('.')[0]}", f"    path: {name}")),
        *_list("language", known["languages"]),
        *_list("license", _licence(known["licences"])),
        f"size_categories:\n- {_size(rows)}",
        f"task_categories:\n- {'text-classification' if about.labels else 'text-generation'}",
        "---",
    ]
    body = [
        f"# {about.name}",
        *_sources(summary, known),
        "## Size and splits",
        _table(files),
        _counts(summary["balance"], summary["versions"]["tuneset"]),
        _certified(summary["certificate"]),
        *_labels(about, summary),
        *_instruction(about),
        "## Known limits",
        "\n".join(f"- {line}" for line in _limits(summary)),
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n"


def croissant(about: About, files: Files, known: Mapping[str, Any]) -> str:
    """Describe the files as Croissant 1.0 (MLCommons), which dataset search engines and loaders read."""
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": _counts(about.summary["balance"], about.summary["versions"]["tuneset"]),
        "inLanguage": known["languages"],
        **({"license": known["licences"]} if known["licences"] else {}),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{file['bytes']} B",
                "encodingFormat": "application/jsonlines",
                "sha256": file["sha256"],
            }
            for name, file in files.items()
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": name.partition(".")[0],
                "name": name.partition(".")[0],
                "description": f"{file['rows']:,} conversations",
                "field": [_field(name, key, words) for key, words in _FIELDS.items()],
            }
            for name, file in files.items()
        ],
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _field(file: str, key: str, words: str) -> dict[str, Any]:
    side = file.partition(".")[0]
    return {
        "@type": "cr:Field",
        "@id": f"{side}/{key}",
        "name": key,
        "description": words,
        "dataType": "sc:Text",
        "repeated": True,
        "source": {
            "fileObject": {"@id": file},
            "extract": {"column": "messages"},
            "transform": {"jsonPath": f"[*].{key}"},
        },
    }


def _list(key: str, values: Iterable[str]) -> list[str]:
    values = list(values)
    return [f"{key}:", *(f"- {value}" for value in values)] if values else []


def _licence(licences: list[str]) -> list[str]:
    """Name the licence in the card's head where there is one and it looks like a licence's name: it is text from a source."""
    one = len(licences) == 1 and re.fullmatch(r"[A-Za-z0-9.+-]{2,40}", licences[0])
    return [licences[0].lower() if one else "other"] if licences else []


def _sources(summary: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    lines = [*summary["said"]]
    lines.append(f"licences: {', '.join(known['licences'])}" if known["licences"] else "the sources state no licence")
    if known["generated"]:
        lines.append(f"{known['generated']:,} rows were written by a model; all of them are in train")
    return ["## Where it comes from", "\n".join(f"- {line}" for line in lines)]


def _table(files: Files) -> str:
    rows = [
        f"| {name} | {file['rows']:,} | {file['bytes']:,} | `{file['sha256'][:16]}…` |" for name, file in files.items()
    ]
    return "\n".join(["| file | rows | bytes | sha256 |", "| --- | ---: | ---: | --- |", *rows])


def _counts(balance: Mapping[str, int], version: str) -> str:
    gone = f"{balance['dropped']:,} dropped and {balance['merged']:,} merged into a twin"
    return f"{balance['in']:,} rows came in, {balance['kept']:,} were kept, {gone}. Prepared with tuneset {version}."


def _certified(proof: Mapping[str, Any]) -> str:
    found = f"{proof['pairs_across']:,} near-duplicates stand on both sides of the split"
    return (
        f"{found}, by an {proof['method']}." if proof["method"].startswith("exact") else f"{found} ({proof['method']})."
    )


def _labels(about: About, summary: Mapping[str, Any]) -> list[str]:
    if not about.labels:
        return []
    many = {each["column"]: len(each["values"]) + each["hidden"] for each in summary["labels"]}
    told = ", ".join(f"{name} ({many[name]:,} values)" if name in many else name for name in about.labels)
    return ["## Labels", f"{told}. Ids and labels of each line are in `rows.jsonl`."]


def _instruction(about: About) -> list[str]:
    if not about.system:
        return []
    quoted = about.system.replace("\n", "\n> ")
    return ["## The instruction", "Every row begins with it; ask the trained model with the same words:", f"> {quoted}"]


def _limits(summary: Mapping[str, Any]) -> list[str]:
    lines = [*summary["verdict"]["reasons"], summary["certificate"]["words"]]
    lines += [f"not judged: {each['what']}. {each['why']}" for each in summary["not_judged"]]
    waiting = {each["rule"]: each["waiting"] for each in summary["rules"] if each["waiting"]}
    if waiting:
        lines.append("not settled by a person: " + ", ".join(f"{rows:,} {rule}" for rule, rows in waiting.items()))
    return lines


def _size(rows: int) -> str:
    """Name the Hub's size category."""
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((name for most, name in steps if rows < most), "1M<n<10M")


_FIELDS = {"role": "who speaks, of each message in order", "content": "what is said, of each message in order"}
# The words of Croissant 1.0's own context, which every description carries.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

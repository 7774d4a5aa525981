"""Class labels by name: the numbers in a dataset's columns become what its card or its own files call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset.errors import InputError
from tuneset.fetch.fetched import finished
from tuneset.folder import ROW_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Names = dict[str, list[str]]


def of_card(card: Mapping[str, Any], config: str) -> Names:
    """Return the names of each label column that a card's `dataset_info` tells.

    >>> of_card({"dataset_info": {"features": [{"name": "y", "dtype": {"class_label": {"names": {"0": "no"}}}}]}}, "default")
    {'y': ['no']}
    """
    infos = card.get("dataset_info") or {}
    infos = infos if isinstance(infos, list) else [infos]
    of_config = [each for each in infos if isinstance(each, dict) and each.get("config_name", "default") == config]
    features = of_config[0].get("features") if of_config else None
    found = {str(each.get("name")): _yaml_names(each) for each in features or () if isinstance(each, dict)}
    return {column: names for column, names in found.items() if names}


def of_parquet(path: Path) -> Names:
    """Return the names that a Parquet file written by `datasets` tells of its own label columns."""
    try:
        told = orjson.loads(pl.read_parquet_metadata(path).get("huggingface") or "{}")
        features = told.get("info", {}).get("features", {})
    except (orjson.JSONDecodeError, AttributeError):
        return {}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError("this Parquet file is cut off or damaged", path.name, "fetch it again") from error
    found = {column: _arrow_names(each) for column, each in features.items()} if isinstance(features, dict) else {}
    return {column: names for column, names in found.items() if names}


def _yaml_names(feature: Mapping[str, Any]) -> list[str]:
    kind = feature.get("dtype") or feature.get("sequence") or feature.get("list")
    label = (kind.get("class_label") or kind.get("dtype", {})) if isinstance(kind, dict) else feature.get("class_label")
    label = label.get("class_label", label) if isinstance(label, dict) else {}
    names = label.get("names")
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=int)]
    return [str(each) for each in names] if isinstance(names, list) else []


def _arrow_names(feature: Any) -> list[str]:
    if isinstance(feature, list):
        feature = feature[0] if feature else {}
    if not isinstance(feature, dict):
        return []
    if feature.get("_type") == "ClassLabel" or ("names" in feature and "_type" not in feature):
        return [str(each) for each in feature.get("names") or ()]
    return _arrow_names(feature.get("feature")) if feature.get("feature") else []


def join(parts: Sequence[Path], final: Path, names: Names) -> None:
    """Write Parquet files as one, with names in the place of label numbers; in constant memory.

    A number without a name stays as it is, as text; -1, which means that there is no label, becomes empty.
    Memory (bench/fetch.py): 231 MB for 1,000,000 rows in 20 parts, 308 for 4,000,000, 330 for 16,000,000 in 320.
    """
    try:
        scans = [pl.scan_parquet(part) for part in parts]
        rows = scans[0] if len(scans) == 1 else pl.concat(scans, how="diagonal_relaxed")
        with finished(final) as passing:
            rows.with_columns(_named(rows.collect_schema(), names)).sink_parquet(
                passing, compression="zstd", compression_level=1, row_group_size=ROW_GROUP, maintain_order=True
            )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"the parts of a split do not fit together: {said}", final.name, "fetch one part by its https address"
        ) from error


def rename_text(path: Path, final: Path, names: Names) -> None:
    """Write delimited text or JSON lines again with names in the place of label numbers; in constant memory."""
    try:
        if ".csv" in path.name or ".tsv" in path.name:
            separator = "\t" if ".tsv" in path.name else ","
            rows = pl.scan_csv(path, separator=separator, infer_schema=False)
            with finished(final) as passing:
                rows.with_columns(_named(rows.collect_schema(), names)).sink_csv(passing, separator=separator)
        else:
            rows = pl.scan_ndjson(path, infer_schema_length=None)
            with finished(final) as passing:
                rows.with_columns(_named(rows.collect_schema(), names)).sink_ndjson(passing)
    except pl.exceptions.PolarsError as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"its labels cannot be named: {said}", path.name, "fetch the file by its https address"
        ) from error


def _named(schema: Mapping[str, pl.DataType], names: Names) -> list[pl.Expr]:
    return [
        pl.col(column).list.eval(_name(pl.element(), words))
        if isinstance(schema[column], pl.List)
        else _name(pl.col(column), words)
        for column, words in names.items()
        if column in schema and not _is_text(schema[column], words)
    ]


def _is_text(kind: pl.DataType, words: Sequence[str]) -> bool:
    """Leave alone what is no number, or could be a name already: names such as "5" in a column of text."""
    inner = kind.inner if isinstance(kind, pl.List) else kind
    return not (inner.is_integer() or (inner == pl.String and not any(word.isdigit() for word in words)))


def _name(column: pl.Expr, words: Sequence[str]) -> pl.Expr:
    numbers: dict[str, str | None] = {str(number): word for number, word in enumerate(words)}

    def named(values: pl.Series) -> pl.Series:
        return values.cast(pl.String).replace(numbers | {"-1": None})

    # As an expression of Polars' own, replace() keeps all rows: 771 MB for 4,000,000, so 308.
    return column.map_batches(named, return_dtype=pl.String, is_elementwise=True)

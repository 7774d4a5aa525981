"""Amazon's validator of Nova's training files, from its SDK, whose package imports far more than the validator needs."""

from __future__ import annotations

import io
import logging
import os
import re
from typing import TYPE_CHECKING, Any

from lines import REFUSALS, Problem, alone, main, rows, words

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # boto3 makes a client that asks nothing of anyone
alone("amzn_nova_forge", "dataset")
logging.disable(logging.WARNING)

from amzn_nova_forge.core.enums import Model, Platform, TrainingMethod  # noqa: E402  # only now can it be imported
from amzn_nova_forge.dataset.dataset_validator import SFTDatasetValidator, dataset_validator  # noqa: E402  # the same

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# What stands in a bucket is not fetched: a stand-in gives a small image of the kind that its name says.
HEADS = {"png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF\0\0\0\0WEBP", "gif": b"GIF89a"}
dataset_validator._EXECUTORS.pop("image_dimensions")  # noqa: SLF001  it opens the image by a library of the system


class Bucket:
    """What the validator asks of S3."""

    def head_object(self, **_: str) -> dict[str, int]:
        """Say how large an object is."""
        return {"ContentLength": 1}

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803  the name that it asks by
        """Give the first bytes of an object."""
        return {"Body": io.BytesIO(HEADS.get(Key.rpartition(".")[2], b"\xff\xd8\xff"))}


dataset_validator.boto3.client = lambda *_, **__: Bucket()
SETTINGS = {"platform": Platform.BEDROCK, "training_method": TrainingMethod.SFT_LORA}


def check(path: Path) -> Iterator[Problem]:
    """Validate the file as Nova Lite's, on Bedrock; where its rows differ in kind, also each row alone."""
    try:
        numbers, read = zip(*rows(path), strict=True)
    except ValueError as error:  # not UTF-8, not JSON, or no rows
        yield Problem(None, words(error))
        return
    found = list(_problems(read, numbers))
    yield from found
    if any(each.line is None for each in found):  # it stops at the first row that has what others lack
        for number, row in zip(numbers, read, strict=True):
            yield from _problems((row,), (number,))


def _problems(read: tuple[Any, ...], numbers: tuple[int, ...]) -> Iterator[Problem]:
    """Validate rows together; what is said of samples, which are counted from 0, is said of lines."""
    try:
        SFTDatasetValidator().validate(iter(read), Model.NOVA_LITE, **SETTINGS)
    except REFUSALS as error:
        parts = re.split(r"\n?Sample (\d+):\n", str(error))
        for number, says in zip(parts[1::2], parts[2::2], strict=True):
            yield Problem(numbers[int(number)], " ".join(says.split())[:400])
        if len(parts) == 1:
            yield Problem(None, words(error))


main(check)

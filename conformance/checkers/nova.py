"""Amazon's validator of Nova's training files, from its SDK, whose package imports far more than the validator needs."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

from lines import REFUSALS, Problem, alone, main, rows, words

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # boto3 makes a client that asks nothing of anyone
alone("amzn_nova_forge", "dataset")
logging.disable(logging.WARNING)

from amzn_nova_forge.core.enums import Model, Platform, TrainingMethod  # noqa: E402  # only now can it be imported
from amzn_nova_forge.dataset.dataset_validator import SFTDatasetValidator  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(path: Path) -> Iterator[Problem]:
    """Validate the file as Nova Lite's, on Bedrock; its samples are counted from 0."""
    try:
        numbers, read = zip(*rows(path), strict=True)
    except ValueError as error:  # not UTF-8, not JSON, or no rows
        yield Problem(None, words(error))
        return
    settings = {"platform": Platform.BEDROCK, "training_method": TrainingMethod.SFT_LORA}
    try:
        SFTDatasetValidator().validate(iter(read), Model.NOVA_LITE, **settings)
    except REFUSALS as error:
        parts = re.split(r"\n?Sample (\d+):\n", str(error))
        for number, says in zip(parts[1::2], parts[2::2], strict=True):
            yield Problem(numbers[int(number)], " ".join(says.split())[:400])
        if len(parts) == 1:
            yield Problem(None, words(error))


main(check)

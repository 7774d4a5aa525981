"""torchtune's reading of a row of chat, and its check of the messages, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lines import alone, main
from loaded import each_loaded

NEEDLESS = {"format_content_with_images": None, "load_image": str}
alone("torchtune", "data", "modules", data___utils=NEEDLESS, modules__transforms={"Transform": object})

from torchtune.data._messages import OpenAIToMessages, validate_messages  # noqa: E402  # only now can it be imported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

READ = OpenAIToMessages()


def check_row(row: Any) -> None:
    """Raise where the messages are refused."""
    validate_messages(READ(row)["messages"])


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_loaded(path, check_row)


main(check)

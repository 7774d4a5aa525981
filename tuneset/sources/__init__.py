"""Get: files, folders, standard input and tables in memory become examples; what cannot be read becomes findings."""

from __future__ import annotations

from tuneset.sources.columns import Columns
from tuneset.sources.files import expand
from tuneset.sources.rows import Ours, Read, read

__all__ = ["Columns", "Ours", "Read", "expand", "read"]

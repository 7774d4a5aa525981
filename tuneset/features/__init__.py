"""Texts as vectors: by their n-grams, or by an embedding model where the user names one."""

from tuneset.features.embed import cache_folder, embeddings, model_checksum
from tuneset.features.vectors import vectors

__all__ = ["cache_folder", "embeddings", "model_checksum", "vectors"]

"""Texts as vectors: embeddings, where the user names a model."""

from tuneset.features.embed import cache_folder, embeddings, model_checksum

__all__ = ["cache_folder", "embeddings", "model_checksum"]

"""Texts as vectors: hashed n-grams by default, embeddings where the user names a model."""

from tuneset.features.embed import cache_folder, embeddings, model_checksum
from tuneset.features.grams import counts, ngrams, rarity, weighted

__all__ = ["cache_folder", "counts", "embeddings", "model_checksum", "ngrams", "rarity", "weighted"]

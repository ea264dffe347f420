"""Short documents about Beijing for the tests, and an embedder that counts what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memory.embed import Vectors
from memory.hashing_embedder import HashingEmbedder

PALACE = """# 故宫博物院

## 开放时间

旺季 8:30 开门，17:00 闭馆。除法定节假日外，每周一全天闭馆。

## 门票与预约

旺季成人票 60 元，须提前七天在网上实名预约，现场不售票。

## 带孩子游览

游客服务中心可以租借婴儿车，午门内有母婴室。
"""
PARKS = """# 公园

## 颐和园

旺季六点半开放，全年不休息。身高一米二以下的儿童免票。

## 北海公园

白塔和九龙壁适合散步，可以租鸭子船，全年开放。
"""
TRANSPORT = """# 市内交通

地铁首班车大约五点，末班车大约二十三点。身高一米三以下的儿童免费乘车。

出租车起步价十三元，故宫周边不易打车，建议走到地铁站。
"""


def write_documents(folder: Path) -> Path:
    """A folder with the three documents, one of them in a sub-folder."""
    (folder / "parks").mkdir(parents=True)
    (folder / "palace.md").write_text(PALACE, encoding="utf-8")
    (folder / "parks" / "parks.md").write_text(PARKS, encoding="utf-8")
    (folder / "transport.md").write_text(TRANSPORT, encoding="utf-8")
    return folder


class CountingEmbedder(HashingEmbedder):
    """Keeps the passages that it was asked to embed."""

    def __init__(self, dimension: int = 512) -> None:
        super().__init__(dimension)
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return super().embed_passages(texts)

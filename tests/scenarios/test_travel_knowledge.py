"""The scenario's knowledge: Chinese documents that can be chunked by heading and that agree with the data."""

import csv
import re
from pathlib import Path

import pytest

TRAVEL = Path(__file__).parents[2] / "scenarios" / "travel"
TOPICS = (
    "故宫博物院",
    "预约",
    "周一闭馆",
    "地铁",
    "首都国际机场",
    "十二月",
    "慕田峪",
    "科学技术馆",
    "烤鸭",
    "东城区",
    "预算",
    "急救",
    "公园",
    "环球",
    "法定节假日",
)


def documents() -> list[Path]:
    return sorted((TRAVEL / "knowledge").glob("*.md"))


def attraction(name: str) -> dict[str, str]:
    path = TRAVEL / "data" / "beijing" / "attractions.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return next(row for row in csv.DictReader(stream) if row["name"] == name)


def test_there_are_a_dozen_knowledge_documents() -> None:
    assert len(documents()) >= 12


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_knowledge_document_is_chinese_with_headings_and_short_paragraphs(path: Path) -> None:
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    paragraphs = [block for block in blocks if not block.startswith("#")]
    assert blocks[0].startswith("# ")
    assert len([block for block in blocks if block.startswith("## ")]) >= 5
    assert [block for block in paragraphs if len(block) > 300] == []
    assert len(re.findall(r"[\u4e00-\u9fff]", "".join(paragraphs))) >= 300


@pytest.mark.parametrize("topic", TOPICS)
def test_knowledge_covers_the_topic(topic: str) -> None:
    assert any(topic in path.read_text(encoding="utf-8") for path in documents())


def test_knowledge_and_data_agree_on_ticket_prices() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in documents())
    palace = attraction("故宫博物院")
    assert f"旺季（4 月至 10 月）{palace['price_adult_cny']} 元" in text
    assert f"淡季（11 月至次年 3 月）{palace['price_adult_winter_cny']} 元" in text
    science = attraction("中国科学技术馆")
    assert f"主展厅 {science['price_adult_cny']} 元，未成年人半价 {science['price_child_cny']} 元" in text

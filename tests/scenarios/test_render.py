"""The plan as pages for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from scenarios.travel.booking import BookingTravelDomain
from scenarios.travel.checks import criticise
from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.compose import compose
from scenarios.travel.domain import TravelDomain
from scenarios.travel.itinerary import Check, Item, Party, TripPlan, TripResult, TripTask, Usage
from scenarios.travel.render import markdown_text, render_html, render_markdown
from tests.scenarios.trip import CHOICES, INN, PALACE, SATURDAY, SCIENCE, TASK, ZOO, facts

Render = Callable[..., str]
FACTS = facts()
EVIL = '</title><script>alert("x")</script><img src=x onerror=alert(1)> | [a](javascript:alert(1)) `*_'


def result(task: TripTask = TASK, choices: Choices = CHOICES) -> TripResult:
    plan = compose(task, choices, FACTS, ("带上孩子的证件",))
    checks = criticise(task, choices, FACTS, plan).checks
    usage = Usage(model_calls=17, input_tokens=12345, output_tokens=678, tool_calls=21, wall_s=83.21)
    return TripResult(run="r1", status="done", task=task, plan=plan, checks=checks, usage=usage)


class Tags(HTMLParser):
    """Collects what a browser would see: tags, attributes, and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in {"meta", "br", "img", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def evil_result() -> TripResult:
    good = result()
    day = good.plan.days[0]
    hotel = good.plan.hotel
    assert hotel is not None
    item = Item(kind="visit", name=EVIL, start="08:30", end="09:30", evidence=(EVIL,))
    plan = good.plan.model_copy(
        update={
            "days": (day.model_copy(update={"items": (item,)}),),
            "hotel": good.plan.hotel
            and good.plan.hotel.model_copy(update={"name": EVIL, "evidence": ('"onclick="x',)}),
            "notes": (EVIL,),
        }
    )
    task = TASK.model_copy(update={"destination": EVIL, "must_visit": (EVIL,)})
    check = Check(name=EVIL, passed=False, detail=EVIL)
    return good.model_copy(update={"run": EVIL, "task": task, "plan": plan, "checks": (check,)})


@pytest.mark.parametrize("render", [render_markdown, render_html])
def test_a_page_shows_every_item_price_check_note_and_sum(render: Render) -> None:
    trip = result()
    page = render(trip, FACTS.sources)
    shown = page.replace("\\", "")
    for day in trip.plan.days:
        for item in day.items:
            assert item.name in shown
            assert item.start in shown
    assert "1,392 元" in shown
    assert all(check.detail in shown for check in trip.checks)
    assert "带上孩子的证件" in shown
    assert "模型调用 17 次（12,345 + 678 个 token），工具调用 21 次，用时 83.2 秒" in shown
    assert f"{PALACE} {SATURDAY}：有票，共 80 元" in shown


def test_every_reference_leads_to_its_evidence() -> None:
    trip = result()
    page = render_html(trip, FACTS.sources)
    links = set(re.findall(r'href="#(e\d+)"', page))
    assert links == set(re.findall(r'id="(e\d+)"', page))
    text = render_markdown(trip, FACTS.sources)
    uses = set(re.findall(r"(\[\^\d+\])(?!:)", text))
    assert uses == set(re.findall(r"^(\[\^\d+\]):", text, re.MULTILINE))
    steps = {step for day in trip.plan.days for item in day.items for step in item.evidence}
    assert all(f"<code>{step}</code>" in page for step in steps)


def test_html_is_well_formed_and_asks_for_nothing_from_elsewhere() -> None:
    page = render_html(result(), FACTS.sources)
    tags = Tags(page)
    assert not tags.open
    assert not {"script", "link", "img", "iframe"} & set(tags.tags)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)


def test_names_with_markup_stay_text_in_html() -> None:
    tags = Tags(render_html(evil_result(), {}))
    assert not tags.open
    assert not {"script", "img"} & set(tags.tags)
    assert not any(name.startswith("on") for name, _ in tags.attributes)
    assert all(value.startswith("#") for name, value in tags.attributes if name == "href")
    assert EVIL in "".join(tags.texts)


def test_names_with_markup_stay_text_in_markdown() -> None:
    text = render_markdown(evil_result(), {})
    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    rows = [line for line in text.splitlines() if line.startswith("|") and "08:30" in line]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [6]


def test_markdown_text_is_one_line() -> None:
    assert markdown_text("a\n# b | c") == r"a \# b \| c"


@pytest.mark.parametrize("render", [render_markdown, render_html])
def test_what_failed_is_said_openly_and_first(render: Render) -> None:
    choices = Choices(days=(DayChoice(date=SATURDAY, visits=(ZOO,)),), hotel=INN)
    page = render(result(TASK, choices))
    assert "项检查未通过" in page
    missing = f"行程中没有“{PALACE}”"
    assert page.index(missing) < page.index("第 1 天")
    assert f"行程中没有“{SCIENCE}”" in page


@pytest.mark.parametrize("render", [render_markdown, render_html])
def test_a_plan_over_budget_says_by_how_much(render: Render) -> None:
    page = render(result(TASK.model_copy(update={"budget_cny": 1000})))
    assert re.search(r"超出(预算)? 392 元", page)


@pytest.mark.parametrize("render", [render_markdown, render_html])
def test_an_empty_plan_is_a_page_too(render: Render) -> None:
    nothing = TripPlan.model_validate({"budget": {"total_cny": 0}})
    task = TripTask(destination="北京", days=1, budget_cny=0, party=Party(adults=1), start_date=SATURDAY)
    page = render(TripResult(run="r", status="failed", task=task, plan=nothing))
    assert "北京 1 日行程" in page
    assert "没有安排景点" in page


def test_bars_stay_inside_of_their_day() -> None:
    page = render_html(result())
    for left, width in re.findall(r'class="bar \w+" style="left:([\d.]+)%;width:([\d.]+)%"', page):
        assert 0 <= float(left) <= float(left) + float(width) <= 100.1


def test_what_is_no_trip_has_no_page() -> None:
    assert TravelDomain().pages({"status": "done", "rooms": []}, {}) == {}
    assert BookingTravelDomain().pages({"bookings": []}, {}) == {}

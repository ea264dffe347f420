"""Which subtasks a trip may be divided into: what a model chooses from when it plans.

The schema lets a subtask need only earlier ones, pairs each tool with what it can be about, and offers alternatives
that are near in kind; which subtasks there are, in which order, with which alternatives, is the model's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogen_core.tools import ToolSchema
from pydantic import BaseModel

from agents.domain import Decision
from agents.messages import Amendment, Fact, Failure, JsonObject, Scene, Subtask
from scenarios.travel import schemas
from scenarios.travel.facts import Facts
from scenarios.travel.learn import learn
from scenarios.travel.view import View
from scenarios.travel.wording import brief, known
from tools.travel.catalogue import Catalogue
from tools.travel.places import Attraction

SUBTASKS = "subtasks"
"""The key of the planning decision, and of the amendments that ask for more subtasks."""

SIGHTS, LODGING, FOOD, WAYS = "亲子景点", "酒店", "餐厅", "交通"
"""What a subtask may be about beside the must-visits."""

ARITHMETIC = "budget_sum"
"""A tool that finds nothing out; it is not planned."""

LEAST = 3
"""How many subtasks a plan has at least: something to see, somewhere to sleep, and one thing more."""

ALTERNATIVES = 5
"""How many alternatives a place is offered."""


@dataclass(frozen=True)
class Kind:
    """What the model may say about a subtask that uses a tool."""

    label: str
    """What it does, for the prompt and for the goal."""
    about: str | None
    """What it is about; None: a must-visit."""
    success: tuple[str, ...]
    alternatives: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "ticket_availability": Kind("查某天的门票", None, ("有票", "有票且开放")),
    "recommend_attractions": Kind("推荐亲子景点", SIGHTS, ("至少3个", "至少5个"), ("不限城区", "不限类别")),
    "hotel_search": Kind("找酒店", LODGING, ("至少1家", "至少3家"), ("不限价格", "不限城区")),
    "restaurant_search": Kind("找餐厅", FOOD, ("至少1家", "至少3家"), ("不限价格", "不限菜系")),
    "opening_calendar": Kind("查开放日", None, ("至少一天开放", "每天都开放")),
    "attraction_lookup": Kind("查景点资料", None, ("查到资料",)),
    "transfer_estimate": Kind("估算两地交通", WAYS, ("查到时间",)),
}
"""By tool; a tool of the person's own is about whatever its description says."""


KIN = (
    frozenset({"palace", "museum", "temple", "landmark"}),
    frozenset({"science", "museum"}),
    frozenset({"park", "garden", "nature", "great_wall"}),
    frozenset({"zoo", "theme_park", "show"}),
)
"""Categories of places that can stand in for one another."""


class _Planned(BaseModel):
    tool: str
    about: str
    needs: list[str]
    success: str
    alternative: str


class _Plan(BaseModel):
    subtasks: list[_Planned]


@dataclass(frozen=True)
class SubtaskPlanner:
    """Offers subtasks on the places of one city."""

    catalogue: Catalogue

    def planning(self, scene: Scene, tools: Sequence[ToolSchema], limit: int) -> Decision:
        """The decision on the subtasks: on all of them, or on those that the amendments ask for."""
        view = View(scene)
        tools = sorted((tool for tool in tools if tool["name"] != ARITHMETIC), key=_rank)
        asked = [one for one in scene.amendments if one.decision == SUBTASKS][:limit]
        offered = [_required(one, tools) for one in asked] or [tools] * limit
        return Decision(
            key=SUBTASKS,
            prompt="plan",
            values={
                "tools": "\n".join(f"{tool['name']}：{_label(tool)}" for tool in tools),
                "task": brief(view.task),
                "known": known(view, failures=True),
                "amendments": "".join(f"\n还缺：{one.text}" for one in asked),
                "limit": str(len(offered)),
            },
            schema=self._schema(view, offered, len(asked) or min(LEAST, limit)),
            max_tokens=90 * limit,
        )

    def subtasks(self, answer: JsonObject) -> tuple[Subtask, ...]:
        """The subtasks of an answer, named s1, s2, … in its order; what is planned twice is done once."""
        planned = _Plan.model_validate(answer).subtasks
        same = _merged(planned)
        return tuple(
            _subtask(number, row, same) for number, row in enumerate(planned, start=1) if same[number] == number
        )

    def _schema(self, view: View, offered: Sequence[Sequence[ToolSchema]], least: int) -> JsonObject:
        """The subtasks one after the other, each with the tools that it may use."""
        heads = [self._subtask_schema(view, tools, number) for number, tools in enumerate(offered, start=1)]
        return schemas.closed({"subtasks": schemas.headed(heads, {}, 0, least)})

    def _subtask_schema(self, view: View, tools: Sequence[ToolSchema], number: int) -> JsonObject:
        earlier = [f"s{before}" for before in range(1, number)]
        needs = schemas.listed(schemas.one_of(earlier), 0, 2) if earlier else schemas.listed({"type": "string"}, 0, 0)
        return schemas.any_of(*(option for tool in tools for option in self._options(view, tool, needs)))

    def _options(self, view: View, tool: ToolSchema, needs: JsonObject) -> list[JsonObject]:
        name = tool["name"]
        kind = KINDS.get(name, Kind(_label(tool), name, ("查到结果",)))
        if kind.about is not None:
            return [_option(name, kind.about, needs, kind.success, kind.alternatives)]
        return [
            _option(name, place, needs, kind.success, self._alternatives(view, place)) for place in view.task.must_visit
        ]

    def _alternatives(self, view: View, name: str) -> tuple[str, ...]:
        """Places that could stand in for this one and suit the party: of its kind first, then the nearest."""
        youngest = view.task.party.youngest
        match = self.catalogue.match_attraction(name)
        if match.used is None:
            return ()
        place = self.catalogue.attraction(match.used)
        others = [row for row in self.catalogue.attractions if row.name not in view.task.must_visit]
        fitting = [row for row in others if youngest is None or row.min_age is None or row.min_age <= youngest]
        ranked = sorted(fitting, key=lambda row: (_unlike(row, place), row.name))
        return tuple(row.name for row in ranked[:ALTERNATIVES])

    def gaps(self, scene: Scene) -> tuple[Amendment, ...]:
        """What the facts do not yet allow to choose: a hotel for the nights, and something to see on each day."""
        view = View(scene)
        gaps: list[Amendment] = []
        if view.task.nights and not view.facts.hotels:
            gaps.append(Amendment(decision=SUBTASKS, text="没有酒店候选，请用 hotel_search", require=("hotel_search",)))
        sights = [fact for fact in view.facts.attractions.values() if view.suits(fact)]
        if len(sights) < view.task.days + 1:
            text = f"只有{len(sights)}个景点候选，请用 recommend_attractions"
            gaps.append(Amendment(decision=SUBTASKS, text=text, require=("recommend_attractions",)))
        return tuple(gaps)

    def shortfall(self, subtask: Subtask, fact: Fact) -> Failure | None:
        """What a result lacks for the success criterion of its subtask."""
        lack = _lack(subtask, fact)
        if lack is None:
            return None
        code, message = lack
        return Failure(tool=fact.tool, arguments=fact.arguments, code=code, message=message, evidence=fact.evidence)

    def alternative(self, subtask: Subtask) -> Subtask | None:
        """The subtask with its alternative: another place, or a wider search."""
        if not subtask.alternative:
            return None
        kind = KINDS.get(subtask.tool)
        if kind is not None and kind.about is None:
            goal = _goal(subtask.tool, subtask.alternative)
            return subtask.model_copy(update={"about": subtask.alternative, "goal": goal, "alternative": ""})
        goal = f"{subtask.goal}（{subtask.alternative}）"
        return subtask.model_copy(update={"goal": goal, "alternative": ""})


def _required(asked: Amendment, tools: Sequence[ToolSchema]) -> Sequence[ToolSchema]:
    """The tools that an amendment asks for; all when it names none that there is."""
    return [tool for tool in tools if tool["name"] in asked.require] or tools


def _rank(tool: ToolSchema) -> int:
    """The place of a tool in the prompt: a model takes the first ones more readily."""
    order = [*KINDS]
    return order.index(tool["name"]) if tool["name"] in order else len(order)


def _option(
    tool: str, about: str, needs: JsonObject, success: Sequence[str], alternatives: Sequence[str]
) -> JsonObject:
    return schemas.closed(
        {
            "tool": schemas.one_of([tool]),
            "about": schemas.one_of([about]),
            "needs": needs,
            "success": schemas.one_of([*success]),
            "alternative": schemas.one_of([*alternatives] or [""]),
        }
    )


def _unlike(row: Attraction, place: Attraction) -> float:
    """How far a place is from being a stand-in for another: kind counts most, then distance in degrees."""
    is_akin = any(row.category in kin and place.category in kin for kin in KIN)
    return 2.0 * (not is_akin) + abs(row.lat - place.lat) + abs(row.lon - place.lon)


def _merged(planned: Sequence[_Planned]) -> dict[int, int]:
    """By number: the first subtask that does the same; what is asked for twice is done once."""
    first: dict[tuple[str, str], int] = {}
    return {number: first.setdefault((row.tool, row.about), number) for number, row in enumerate(planned, start=1)}


def _subtask(number: int, row: _Planned, same: Mapping[int, int]) -> Subtask:
    needs = (same.get(int(need[1:]), 0) if need[1:].isdigit() else 0 for need in row.needs)
    return Subtask(
        id=f"s{number}",
        goal=_goal(row.tool, row.about),
        about=row.about,
        tool=row.tool,
        needs=tuple(dict.fromkeys(f"s{need}" for need in needs if need != number)),
        success=row.success,
        alternative=row.alternative,
    )


def _goal(tool: str, about: str) -> str:
    return f"{KINDS[tool].label}：{about}" if tool in KINDS else f"{tool}：{about}"


def _label(tool: ToolSchema) -> str:
    name = tool["name"]
    return KINDS[name].label if name in KINDS else tool.get("description", name)


def _lack(subtask: Subtask, fact: Fact) -> tuple[str, str] | None:
    """The error code and what is lacking; None when the criterion is met."""
    value = fact.value if isinstance(fact.value, dict) else {}
    if fact.tool == "ticket_availability" and value.get("available") is False:
        return "closed", f"{subtask.about}没有票"
    days = value.get("days")
    if fact.tool == "opening_calendar" and isinstance(days, list):
        is_open = [day.get("open") is True for day in days if isinstance(day, dict)]
        if not any(is_open) or (subtask.success == "每天都开放" and not all(is_open)):
            return "closed", f"{subtask.about}：{subtask.success}不成立"
    found = learn(Facts(), fact.tool, fact.arguments, fact.value, fact.evidence)
    rows = len(found.attractions) + len(found.hotels) + len(found.restaurants)
    least = [int(char) for char in subtask.success if char.isdigit()]
    return ("not_found", f"{subtask.about}只有{rows}个") if least and rows < least[0] else None

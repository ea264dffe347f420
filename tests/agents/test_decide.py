from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agents.decide import Asking, Decider, create_args
from agents.domain import Decision
from agents.messages import JsonObject
from agents.prompts import Prompts
from runtime.errors import StepFailed, UsageError
from tests.agents.team import PolicyModel, scripted

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"name": {"enum": ["故宫", "天坛"]}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    (tmp_path / "pick.md").write_text("Pick one.\n---\nOf ${places}", encoding="utf-8")
    return Prompts(tmp_path)


def decision() -> Decision:
    return Decision(key="pick", prompt="pick", values={"places": "两个"}, schema=SCHEMA)


async def test_a_valid_answer_is_taken_at_once(prompts: Prompts) -> None:
    model = scripted([{"name": "天坛"}])
    dialogue = Decider(model, Asking(prompts)).dialogue(decision())
    assert await dialogue.answer() == {"name": "天坛"}
    assert dialogue.spent.model_calls == 1
    assert dialogue.spent.output_tokens > 0


async def test_the_schema_and_the_filled_prompt_reach_the_model(prompts: Prompts) -> None:
    model = scripted([{"name": "天坛"}])
    await Decider(model, Asking(prompts)).dialogue(decision()).answer()
    prompt, schema, _ = model.calls[0]
    assert prompt == "Pick one.\nOf 两个"
    assert schema == SCHEMA


async def test_an_answer_outside_the_schema_gets_a_repair_turn_that_names_the_fault(prompts: Prompts) -> None:
    model = scripted([{"name": "月坛"}, {"name": "天坛"}])
    dialogue = Decider(model, Asking(prompts)).dialogue(decision())
    assert await dialogue.answer() == {"name": "天坛"}
    assert "月坛" in model.calls[1][0]
    assert "只能取：故宫、天坛" in model.calls[1][0]
    assert dialogue.spent.model_calls == 2


async def test_what_is_no_json_gets_a_repair_turn(prompts: Prompts) -> None:
    model = scripted(['{"name": "故', {"name": "故宫"}])
    assert await Decider(model, Asking(prompts)).dialogue(decision()).answer() == {"name": "故宫"}


async def test_the_faults_of_the_domain_are_repaired_too(prompts: Prompts) -> None:
    model = scripted([{"name": "故宫"}, {"name": "天坛"}])

    def closed(answer: JsonObject) -> list[str]:
        return ["故宫闭馆"] if answer["name"] == "故宫" else []

    assert await Decider(model, Asking(prompts)).dialogue(replace(decision(), faults=closed)).answer() == {
        "name": "天坛"
    }
    assert "故宫闭馆" in model.calls[1][0]


async def test_an_answer_that_stays_invalid_fails_the_step(prompts: Prompts) -> None:
    model = PolicyModel(lambda _prompt, _schema: {"name": "月坛"})
    with pytest.raises(StepFailed, match="pick") as failed:
        await Decider(model, Asking(prompts), repair_turns=2).dialogue(decision()).answer()
    assert failed.value.code == "invalid_answer"
    assert len(model.calls) == 3


async def test_somebody_else_may_object_to_a_valid_answer(prompts: Prompts) -> None:
    model = scripted([{"name": "故宫"}, {"name": "天坛"}])
    dialogue = Decider(model, Asking(prompts)).dialogue(decision())
    await dialogue.answer()
    dialogue.object_to("故宫没有票")
    assert await dialogue.answer() == {"name": "天坛"}
    assert "故宫没有票" in model.calls[1][0]


async def test_a_placeholder_without_a_value_is_refused(prompts: Prompts) -> None:
    with pytest.raises(UsageError, match="places"):
        Decider(scripted([]), Asking(prompts)).dialogue(replace(decision(), values={}))


def test_the_server_is_told_how_to_decode_and_repair_turns_are_warmer(prompts: Prompts) -> None:
    asking = Asking(prompts, temperature=0.1, seed=3, max_tokens=100)
    args = create_args(decision(), asking, repairs=0)
    assert (args["temperature"], args["seed"], args["max_tokens"]) == (0.1, 3, 100)
    assert json.loads(json.dumps(args["response_format"]))["json_schema"]["schema"] == SCHEMA
    again = create_args(decision(), asking, repairs=1)
    assert (again["temperature"], again["seed"]) == (0.4, 4)


def test_what_is_read_out_of_a_text_is_read_at_its_own_temperature(prompts: Prompts) -> None:
    reading = replace(decision(), temperature=0.0)
    assert create_args(reading, Asking(prompts, temperature=0.7, seed=None), repairs=0)["temperature"] == 0.0
    assert "seed" not in create_args(reading, Asking(prompts, seed=None), repairs=0)

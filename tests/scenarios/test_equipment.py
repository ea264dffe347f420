"""What agents are given lasts longer than they: one that sleeps and is made anew finds its model where it was."""

from __future__ import annotations

from pathlib import Path

from autogen_core import AgentId, AgentInstantiationContext, SingleThreadedAgentRuntime
from autogen_core.models import ChatCompletionClient, UserMessage

from runtime.team import Resources
from scenarios.equipment import Equipment
from scenarios.scenario import Scenario
from scenarios.team_config import TeamConfig
from serving.source import ModelSource


def equipment(source: ModelSource, folder: Path) -> Equipment:
    scenario = Scenario(name="small", domain="tests.repertory.small:SmallDomain", request="go")
    return Equipment(TeamConfig(scenario=scenario, folder=str(folder), model=source, memory=None), Resources("run"))


def client_of(found: Equipment, key: str) -> ChatCompletionClient:
    """The model behind the client of an agent that is made now."""
    made = (SingleThreadedAgentRuntime(), AgentId("judge", key))
    with AgentInstantiationContext.populate_context(made):
        return found.model()._inner  # type: ignore[attr-defined, no-any-return]  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]  # what the wrapper hides


async def said(client: ChatCompletionClient) -> str:
    return str((await client.create([UserMessage(content="?", source="me")])).content)


async def test_an_agent_that_is_made_anew_goes_on_in_its_own_script(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"answer": "one"}\n{"answer": "two"}\n')
    found = equipment(ModelSource(kind="scripted", name="script", file=str(script)), tmp_path)
    assert await said(client_of(found, "1")) == "one"
    assert await said(client_of(found, "2")) == "one"
    assert await said(client_of(found, "1")) == "two"


def test_agents_that_ask_a_server_share_its_client(tmp_path: Path) -> None:
    found = equipment(ModelSource(kind="endpoint", name="m", url="http://127.0.0.1:1/v1"), tmp_path)
    assert client_of(found, "1") is client_of(found, "2")

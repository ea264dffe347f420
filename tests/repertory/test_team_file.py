"""Teams of AutoGen's own from component JSON: run, replayed, forked; what is not to be trusted is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.conditions import FunctionalTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient

from runtime.autogen_teams.component import dumped
from runtime.durable import durable
from tests.repertory.commands import Terminal
from tests.runtime.chats import INFO, call, double, says

pytestmark = pytest.mark.slow


def team_json(**options: Any) -> dict[str, Any]:
    """A team of two as AutoGen dumps it."""
    team = RoundRobinGroupChat([says("a", "one"), says("b", "two")], termination_condition=MaxMessageTermination(3))
    return {**json.loads(team.dump_component().model_dump_json()), **options}


def written(data: object, name: str = "team.json") -> str:
    """The path of a file with this in it."""
    Path(name).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return name


def test_a_dumped_team_works_on_a_task(terminal: Terminal) -> None:
    ended = terminal.type("run", written(team_json()), "--task", "count", "--engine", "local")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == ["user: count", "a: one", "b: two"]
    result = json.loads(Path("out/RoundRobinGroupChat/result.json").read_text(encoding="utf-8"))
    assert result["status"] == "done"
    assert result["stop_reason"].startswith("Maximum number of messages 3 reached")

    replayed = terminal.type("replay", "last")
    assert replayed.code == 0, replayed.err
    assert "identical" in replayed.out
    shown = terminal.type("runs", "show", "last")
    assert "a" in shown.out
    assert "GroupChatStart" in shown.out
    assert terminal.type("runs", "verify", "last").code == 0


@pytest.mark.parametrize("wrapped", ["component", "config"])
def test_what_autogen_studio_exports_is_the_same_in_a_wrapper(terminal: Terminal, wrapped: str) -> None:
    export = {"id": 1, "user_id": "guest", wrapped: team_json()}
    ended = terminal.type("run", written(export), "--task", "count", "--engine", "local", "--json")
    assert ended.code == 0, ended.err
    assert [message["content"] for message in json.loads(ended.out)["messages"]] == ["count", "one", "two"]


def test_a_fork_gives_the_team_another_task_and_pays_for_what_changes(terminal: Terminal) -> None:
    terminal.type("run", written(team_json()), "--task", "count", "--engine", "local")
    forked = terminal.type("rerun", "last", "--set", "task=sing", "--engine", "local", "--out", "there")
    assert forked.code == 0, forked.err
    assert forked.out.splitlines() == ["user: sing", "a: one", "b: two"]
    assert "spent: 2 model calls" in forked.err
    assert terminal.type("replay", "last").code == 0

    again = terminal.type("rerun", "last", "--engine", "local", "--out", "there")
    assert again.code == 0, again.err
    assert "spent: 0 model calls" in again.err


def test_a_fork_changes_a_part_of_the_team(terminal: Terminal) -> None:
    terminal.type("run", written(team_json()), "--task", "count", "--engine", "local")
    path = "config.participants.1.config.system_message"
    forked = terminal.type("rerun", "last", "--set", f"{path}=be brief", "--engine", "local", "--out", "there")
    assert forked.code == 0, forked.err
    assert "spent: 1 model calls" in forked.err
    wrong = terminal.type("rerun", "last", "--set", "config.participant=x", "--engine", "local")
    assert wrong.code == 2
    assert "did you mean team.config.participants?" in wrong.err


def test_runs_of_a_team_are_compared(terminal: Terminal) -> None:
    terminal.type("run", written(team_json()), "--task", "count", "--engine", "local")
    first = terminal.type("runs", "list", "--json").out
    terminal.type("run", written(team_json()), "--task", "sing", "--engine", "local")
    ended = terminal.type("diff", json.loads(first)[0]["run"], "last")
    assert ended.code == 0, ended.err
    assert "sing" in ended.out
    second = json.loads(terminal.type("runs", "list", "--json").out)[0]["run"]
    terminal.type("run", written(team_json()), "--task", "sing", "--engine", "local")
    same = terminal.type("diff", second, "last")
    assert same.code == 0, same.err
    assert "they part" not in same.out


def test_validate_says_what_a_team_is_made_of_and_what_it_lacks(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    client = OpenAIChatCompletionClient(model="m", api_key="sk-secret", model_info=INFO)
    team = RoundRobinGroupChat([AssistantAgent("a", model_client=client)], max_turns=1)
    name = written(team.dump_component().model_dump_json())
    ended = terminal.type("validate", name)
    assert ended.code == 0, ended.err
    assert ended.out == "team.json: right (RoundRobinGroupChat: a); it needs OPENAI_API_KEY in the environment\n"
    refused = terminal.type("run", name, "--task", "x", "--engine", "local")
    assert refused.code == 2
    assert "OPENAI_API_KEY" in refused.err


HOSTILE: dict[str, tuple[Any, str]] = {
    "a module of the system": (
        {"provider": "subprocess.Popen", "component_type": "team", "config": {}},
        "found 'subprocess.Popen', expected one of autogen_agentchat",
    ),
    "a class that is near": (
        {"provider": "autogen_core_evil.Team", "component_type": "team", "config": {}},
        "found 'autogen_core_evil.Team'",
    ),
    "something in the depth": (
        team_json(config={"participants": [{"provider": "os.system", "config": {}}]}),
        "config.participants.0.provider: found 'os.system'",
    ),
    "source code": (
        team_json(
            config={
                "participants": [
                    {"provider": "autogen_core.tools.FunctionTool", "config": {"source_code": "open('/tmp/x', 'w')"}}
                ]
            }
        ),
        "Python source code",
    ),
    "a function of the system": (
        team_json(
            config={
                "participants": [
                    {
                        "provider": "runtime.autogen_teams.function.NamedFunctionTool",
                        "config": {"function": "os:system", "name": "x", "description": "y"},
                    }
                ]
            }
        ),
        "found 'os'",
    ),
    "a server to be started": (
        team_json(config={"participants": [{"provider": "autogen_ext.tools.mcp.McpWorkbench", "config": {}}]}),
        "`--allow-provider autogen_ext.tools.mcp`",
    ),
    "an agent": ({**team_json(), "component_type": "agent"}, "expected 'team'"),
    "no team": ({"provider": 3}, "expected the component JSON of a team"),
    "a part that is missing": (team_json(config={}), "the team cannot be loaded"),
    "no such class": (
        {"provider": "autogen_agentchat.teams.Nothing", "component_type": "team", "config": {}},
        "the team cannot be loaded",
    ),
    "no component class": (
        {"provider": "autogen_agentchat.teams.DiGraphBuilder", "component_type": "team", "config": {}},
        "the team cannot be loaded",
    ),
    "too deep": ('{"provider": ' * 100_000, "found no JSON that can be read"),
    "half a file": ('{"provider": "autogen_agentchat.teams', "found no JSON that can be read"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_bad_team_file_is_refused_with_its_place(terminal: Terminal, case: str, command: str) -> None:
    data, words = HOSTILE[case]
    more = ("--task", "x", "--engine", "local") if command == "run" else ()
    ended = terminal.type(command, written(data), *more)
    assert (ended.code, ended.out) == (2, "")
    assert "team.json: " in ended.err
    assert words in ended.err
    assert ended.err.count("\n") == 1, "one line says it all"
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("data", [{}, [], {"config": {}}, {"components": [{"provider": "x"}]}, None], ids=str)
def test_a_file_that_is_no_team_is_refused_as_such_where_there_is_a_task(terminal: Terminal, data: object) -> None:
    ended = terminal.type("run", written(json.dumps(data)), "--task", "x", "--engine", "local")
    assert (ended.code, ended.out) == (2, "")
    assert "team.json: found " in ended.err
    assert "expected the component JSON of a team" in ended.err


def test_a_team_with_tools_of_a_trusted_module_runs(terminal: Terminal) -> None:
    agent = says("a", call(("double", '{"number": 21}')), tools=[double])
    component, _ = dumped(RoundRobinGroupChat([agent], max_turns=1))
    name = written(component)
    refused = terminal.type("run", name, "--task", "go", "--engine", "local")
    assert "--allow-provider tests.runtime" in refused.err
    ended = terminal.type(
        "run", name, "--task", "go", "--engine", "local", "--allow-provider", "tests.runtime", "--effect", "double=read"
    )
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "a: 42"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "local"], "expected --task TEXT"),
        (["--task", "x", "--model", "m"], "--model: found with a team"),
        (["--task", "x", "--effect", "double=maybe"], "--effect: found 'double=maybe', expected NAME=CLASS"),
        (["--task", "x", "--effect", "double=read"], "none, as the team has no tool"),
    ],
)
def test_options_that_do_not_fit_a_team_are_refused(terminal: Terminal, options: list[str], words: str) -> None:
    ended = terminal.type("run", written(team_json()), *options)
    assert ended.code == 2
    assert words in ended.err


def test_a_task_is_for_teams_only(terminal: Terminal) -> None:
    Path("small.yaml").write_text("name: small\n", encoding="utf-8")
    ended = terminal.type("run", "small.yaml", "--task", "x")
    assert ended.code == 2
    assert "--task: found with a scenario" in ended.err


def test_a_run_that_its_program_has_left_is_finished_by_resume(terminal: Terminal) -> None:
    async def leave() -> None:
        team = RoundRobinGroupChat([says("a", "one", "two"), says("b", "three")], max_turns=1)
        left = await durable(team, run_id="left", journal=terminal.home / "journal.db")
        await left.run(task="count")
        stream = left.run_stream(task="sing")
        await anext(stream)
        await left.detach()

    asyncio.run(leave())
    resumed = terminal.type("resume", "left", "--engine", "local", "--out", "there")
    assert resumed.code == 0, resumed.err
    assert resumed.out.splitlines() == ["user: sing", "b: three"]
    assert terminal.type("replay", "left").code == 0
    assert terminal.type("runs", "list").out.splitlines()[1].split()[1:3] == ["RoundRobinGroupChat", "done"]


def test_a_team_that_waits_for_a_person_goes_on_with_the_answer(terminal: Terminal) -> None:
    team = RoundRobinGroupChat(
        [says("a", "shall I?"), UserProxyAgent("person")], termination_condition=TextMentionTermination("DONE")
    )
    name = written(team.dump_component().model_dump_json())
    waits = terminal.type("run", name, "--task", "ask", "--engine", "local")
    assert waits.code == 4, waits.err
    assert "person: Enter your response" in waits.err
    answered = terminal.type("answer", "last", "yes DONE", "--engine", "local")
    assert answered.code == 0, answered.err
    assert answered.out.splitlines()[-1] == "person: yes DONE"
    assert terminal.type("replay", "last").code == 0


def test_a_team_that_only_its_program_has_is_not_resumed_by_a_command(terminal: Terminal) -> None:
    async def leave() -> None:
        until = FunctionalTermination(lambda messages: messages[-1].source == "a")
        team = RoundRobinGroupChat([says("a", "one")], termination_condition=until)
        left = await durable(team, run_id="left", journal=terminal.home / "journal.db")
        await left.run(task="count")
        await left.detach()

    asyncio.run(leave())
    for command in (["resume", "left", "--engine", "local"], ["replay", "left"]):
        ended = terminal.type(*command)
        assert ended.code == 2, ended.err
        assert "cannot be made here" in ended.err
        assert "durable(team, run_id='left')" in ended.err

"""A program with a durable team on Ray, to be killed: `python -m tests.runtime.drive_team HOME FOLDER`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat

from runtime.durable import Stage, durable
from runtime.on_ray.ray_local import ensure_ray
from tests.runtime.chats import said
from tests.runtime.ledger_model import LedgerModel

TALK = [("user", "count"), ("a", "one"), ("b", "held two"), ("a", "three"), ("b", "four DONE")]


def counting(folder: Path) -> BaseGroupChat:
    """A team that counts; its second answer waits for the gate."""
    return RoundRobinGroupChat(
        [
            AssistantAgent("a", LedgerModel(folder, "one", "three"), description="a"),
            AssistantAgent("b", LedgerModel(folder, "held two", "four DONE"), description="b"),
        ],
        termination_condition=TextMentionTermination("DONE"),
    )


async def main(home: Path, folder: Path) -> None:
    """Has the team count, and says what it said."""
    stage = Stage("ray", ensure_ray(home).address, hosts=2)
    async with await durable(counting(folder), run_id="run", journal=folder / "journal.db", engine=stage) as team:
        print(json.dumps(said(await team.run(task="count"))))


if __name__ == "__main__":
    asyncio.run(main(*(Path(argument) for argument in sys.argv[1:])))

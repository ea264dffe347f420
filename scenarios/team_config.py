"""What a journal keeps of a scenario: enough to build its team again, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ConfigDict

from runtime.codec import Json
from runtime.team import TeamSpec
from scenarios.kept_data import KeptData
from scenarios.scenario import Scenario
from serving.source import ModelSource
from tools.listed import ListedTool

BUILDER = "scenarios.build:build"
"""How a journal names the function that makes a team of a `TeamConfig`."""


class TeamConfig(BaseModel):
    """What a journal keeps of a scenario: enough to build its team again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: Scenario
    folder: str
    """The directory of the scenario file, where modules of one's own are found."""
    model: ModelSource
    memory: str | None
    """The directory of the long-term memory; None when nothing is remembered and nothing known."""
    prompts: dict[str, str] = {}
    """Texts in place of the prompts that come with the cast, by name; how a fork edits them."""
    mcp: dict[str, ListedTool] = {}
    """What the scenario's MCP servers said of their tools when the run began, by the names that agents use."""
    state: str | None = None
    """The directory where tools keep what lasts beyond a run; None where nothing is kept."""
    kept_data: KeptData | None = None
    """The scenario's data as it was when the run began."""

    def spec(self) -> TeamSpec:
        """The same as plain facts."""
        config = cast(Mapping[str, Json], self.model_dump(mode="json", by_alias=True))
        return TeamSpec(self.scenario.name, BUILDER, config)

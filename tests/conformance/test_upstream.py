"""autogen-core's and AgentChat's own tests that make a runtime, on ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.upstream import NotFetched, Placement, Report, run

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

NEED_A_KEY = "test_group_chat::test_declarative_groupchats_with_config"
"""They make an OpenAI client with an empty key, which the client of today refuses on any runtime."""


LOOKED_AT = {
    "test_cancellation::test_cancellation_with_token",
    "test_cancellation::test_nested_cancellation_only_outer_called",
    "test_cancellation::test_nested_cancellation_inner_called",
    "test_state::test_agent_can_save_state",
    "test_state::test_runtime_can_save_state",
}
"""They look into an agent while it is in its handler, or change it; neither can be done to an agent on a host."""


def perform(package: str, work: Path, placement: Placement = "local") -> Report:
    try:
        return run(package, work, placement)
    except NotFetched as error:
        pytest.skip(str(error))


def test_all_of_autogen_cores_runtime_tests_pass(tmp_path: Path) -> None:
    report = perform("autogen-core", tmp_path)

    assert not report.failed, str(report)
    assert len(report.passed) == 38


def test_all_of_agentchats_runtime_tests_pass_that_need_no_key(tmp_path: Path) -> None:
    report = perform("autogen-agentchat", tmp_path)

    assert [name for name in report.failed if not name.startswith(NEED_A_KEY)] == [], str(report)
    assert len(report.passed) >= 206


def test_autogen_cores_runtime_tests_pass_on_a_cluster_but_for_those_that_reach_into_agents(tmp_path: Path) -> None:
    report = perform("autogen-core", tmp_path, "cluster")

    assert {name.partition("[")[0] for name in report.failed} <= LOOKED_AT, str(report)
    assert len(report.passed) >= 33
    assert len(report.on_hosts.intersection(report.passed)) >= 21


def test_agentchats_runtime_tests_pass_on_a_cluster_where_its_teams_stay(tmp_path: Path) -> None:
    report = perform("autogen-agentchat", tmp_path, "cluster")

    assert [name for name in report.failed if not name.startswith(NEED_A_KEY)] == [], str(report)
    assert len(report.passed) >= 206

"""autogen-core's and AgentChat's own tests that make a runtime, on ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.upstream import NotFetched, Report, run

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

NEED_A_KEY = "test_group_chat::test_declarative_groupchats_with_config"
"""They make an OpenAI client with an empty key, which the client of today refuses on any runtime."""


def perform(package: str, work: Path) -> Report:
    try:
        return run(package, work)
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

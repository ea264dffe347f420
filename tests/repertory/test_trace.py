"""Traces of runs, sent to a real receiver of OTLP and written into files."""

from __future__ import annotations

import json

import pytest

from tests.otlp_receiver import attributes, receiving
from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", CAPTURE, "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_a_run_is_sent_to_a_receiver(terminal: Terminal) -> None:
    file = write_scenario(terminal.home.parent)
    assert terminal.type("run", file, "--engine", "local", "--json").code == 0
    with receiving() as receiver:
        sent = json.loads(terminal.type("runs", "trace", "last", "--otlp", f"{receiver.url}/v1/traces", "--json").out)
    assert (len(receiver.spans), receiver.services) == (sent["spans"], {"repertory"})
    assert {span.trace_id.hex() for span in receiver.spans} == {sent["trace"]}
    (tool,) = receiver.named("execute_tool price")
    (agent,) = receiver.named("invoke_agent planner")
    assert tool.parent_span_id == agent.span_id
    found = attributes(tool)
    assert (found["gen_ai.operation.name"], found["gen_ai.tool.name"]) == ("execute_tool", "price")
    assert found["gen_ai.conversation.id"] == sent["run"]
    assert "北京" not in str(receiver.spans[0]) + str(found), "contents are left out unless they are asked for"
    assert agent.end_time_unix_nano >= agent.start_time_unix_nano > 0


def test_contents_are_sent_when_they_are_asked_for(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_scenario(terminal.home.parent)
    assert terminal.type("run", file, "--engine", "local", "--json").code == 0
    monkeypatch.setenv(CAPTURE, "true")
    with receiving() as receiver:
        terminal.type("runs", "trace", "last", "--otlp", f"{receiver.url}/v1/traces")
    (tool,) = receiver.named("execute_tool price")
    assert json.loads(attributes(tool)["gen_ai.tool.call.arguments"]) == {"city": "北京"}
    assert json.loads(attributes(tool)["gen_ai.tool.call.result"])["value"] == 200


def test_a_run_is_sent_while_it_goes_on_where_the_environment_names_a_receiver(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_scenario(terminal.home.parent)
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "trips")
        monkeypatch.setenv(CAPTURE, "true")
        assert terminal.type("run", file, "--engine", "local", "--json").code == 0
        names = sorted(span.name for span in receiver.spans)
        assert names == ["execute_tool price", "invoke_agent planner", "invoke_workflow small"]
        assert "北京" in attributes(receiver.named("execute_tool")[0])["gen_ai.tool.call.arguments"]
        receiver.spans.clear()
        assert terminal.type("rerun", "last", "--engine", "local", "--json").code == 0
        (recorded,) = receiver.named("recorded execute_tool price")
        assert "gen_ai.operation.name" not in attributes(recorded)
        assert len(receiver.named("invoke_workflow")[0].links) == 1
        receiver.spans.clear()
        assert terminal.type("replay", "last").code == 0
        assert receiver.spans == []
    assert (receiver.paths, receiver.services) == ({"/v1/traces"}, {"trips"})


def test_a_receiver_that_is_gone_costs_the_run_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        gone = receiver.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    file = write_scenario(terminal.home.parent)
    assert terminal.type("run", file, "--engine", "local", "--json").code == 0
    refused = terminal.type("runs", "trace", "last")
    assert refused.code == 1
    assert "did not take them" in refused.err


def test_a_trace_is_written_as_otlp_json(terminal: Terminal) -> None:
    assert terminal.type("run", write_scenario(terminal.home.parent), "--engine", "local", "--json").code == 0
    file = terminal.home / "trace.jsonl"
    told = json.loads(terminal.type("runs", "trace", "last", "--file", file, "--json").out)
    (line,) = file.read_text().splitlines()
    spans = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {span["traceId"] for span in spans} == {told["trace"]}
    assert all(len(span["spanId"]) == 16 for span in spans)
    assert terminal.type("runs", "trace", "last", "--file", file).code == 2
    assert terminal.type("runs", "trace", "last").code == 2
    assert terminal.type("runs", "trace", "last", "--file", file, "--otlp", "http://x").code == 2

"""Bad scenario files: each flaw is told with file, line, field, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import UsageError
from scenarios.flaws import ScenarioError
from scenarios.load import load_scenario, load_text
from scenarios.scenario import Scenario
from scenarios.source import MAX_BYTES, parse_source

HEAD = "name: trip\ndomain: some.module:Domain\nrequest: two days in Beijing\n"
"""Three right lines; what follows begins at line 4."""


def flaws_of(text: str, path: Path = Path("trip.yaml")) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, path)
    return str(caught.value).splitlines()


def loaded(text: str) -> Scenario:
    return load_text(text, Path("trip.yaml")).scenario


def written(directory: Path, text: str) -> Path:
    file = directory / "trip.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_misspelt_field_is_told_with_its_line_and_what_was_perhaps_meant() -> None:
    [flaw] = flaws_of(HEAD + "limits:\n  rounds: 2\n  model_cals: 3\n")
    assert flaw == (
        "trip.yaml:6: limits.model_cals: found an unknown field, expected one of cost, model_calls, rounds, "
        "subtasks, tokens, tool_calls, wall_s; did you mean model_calls?"
    )


def test_all_flaws_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = flaws_of("name: a b\ndomain: x\nrequest: go\nlimits: {rounds: two}\nmodel: {temperature: 9}\nagent: {}\n")
    assert [flaw.split(": ")[:2] for flaw in found] == [
        ["trip.yaml:1", "name"],
        ["trip.yaml:2", "domain"],
        ["trip.yaml:4", "limits.rounds"],
        ["trip.yaml:5", "model.temperature"],
        ["trip.yaml:6", "agent"],
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("limits: {rounds: two}", "limits.rounds: found the text 'two', expected a whole number"),
        ("limits: {rounds: -1}", "limits.rounds: found the number -1, expected a number of at least 0"),
        ("limits: [1]", "limits: found a list, expected a mapping of names to values"),
        ("tools: attraction_lookup", "tools: found the text 'attraction_lookup', expected a list"),
        ("traveller: 7", "traveller: found the number 7, expected text"),
        ("memory: {remember: yes}", "memory.remember: found the text 'yes', expected true or false"),
        ("format: 2", "format: found the number 2, expected 1"),
        ("agents: {planner: {}}", "agents.planner.kind: found nothing, expected `planner`"),
        ("agents: {planner: {kind: planer}}", "did you mean planner?"),
        ("agents: {'two words': {kind: planner}}", "expected a name: a letter, then letters, digits, _ or -"),
        ("agents: {lead: {kind: planner}}", "start: found the text 'planner', expected the name of an agent (lead)"),
        ("start: planer", "start: found the text 'planer', expected the name of an agent"),
        ("model: {endpoint: localhost:8000}", "expected an address such as http://127.0.0.1:8000/v1"),
        ("tools: [{name: lookup, fallback: lokup}]", "tools[0].fallback: found the text 'lokup'"),
        ("tools: [lookup, lookup]", "tools[1]: found the tool lookup again, expected each tool once"),
        ("tools: [{retries: 1}]", "tools[0]: found neither name nor import, http or mcp, expected one of them"),
        (
            "tools: [{name: a, fallback: b}, {name: b, fallback: c}, {name: c, fallback: b}]",
            "tools[1].fallback: found a circle of fallbacks: b → c → b, expected a last tool without one",
        ),
        ("faults: [{tool: lookup, error: sold_out}]", "faults[0].tool: found the text 'lookup'"),
        (
            "{tools: [lookup], faults: [{tool: lookup, error: soldout}]}",
            "faults[0].error: found the text 'soldout'",
        ),
        (
            "agents: {planner: {kind: planner, placement: {together: planner}}}",
            "found a circle of agents: planner → planner",
        ),
    ],
)
def test_what_was_found_and_expected_is_told(lines: str, words: str) -> None:
    if lines.startswith("{"):
        lines = lines[1:-1].replace(", faults", "\nfaults")
    assert any(words in flaw and flaw.startswith("trip.yaml:") for flaw in flaws_of(HEAD + lines)), flaws_of(
        HEAD + lines
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "trip.yaml:1: found an empty file"),
        ("- a\n- b", "trip.yaml:1: found no mapping"),
        ("name: [a, b\nrequest: c", "trip.yaml:2: found what is no YAML"),
        ("name: a\n\tdomain: b", "trip.yaml:2: found what is no YAML"),
        ("name: a\nname: b", "trip.yaml:2: name: found the same name twice"),
        ("name: a\n---\nname: b", "found what is no YAML (but found another document"),
        ("name: a\n[b]: c", "trip.yaml:2: found a list or mapping as a name"),
        ("name: a\nrequest: \x07", "trip.yaml:2: found a control character"),
        ("name: !!python/object/apply:os.system [ls]", "found the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("name: !mine x", "found the tag !mine"),
        ("name: 1e999", "found the text '1e999'"),
        ("a: &a [*a]", "found an alias of what it stands in"),
        ("a: " + "[" * 100_000, "more than 32 levels of nesting"),
        ("a: " + "{a: " * 100, "more than 32 levels of nesting"),
    ],
)
def test_text_that_is_no_plain_yaml_is_refused(text: str, words: str) -> None:
    assert words in flaws_of(text)[0]


def test_a_small_file_cannot_become_a_large_one_through_aliases() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "more than 10000 values" in flaws_of("\n".join(levels))[0]


def test_dates_times_and_yes_stay_texts_as_they_were_written() -> None:
    inputs = loaded(
        HEAD + "inputs: {a: 2026-12-05, b: 12:30, c: no, d: 010, e: 1_000, f: .inf, g: 5000, h: 1.5}"
    ).inputs
    texts = {"a": "2026-12-05", "b": "12:30", "c": "no", "d": "010", "e": "1_000", "f": ".inf"}
    assert inputs == {**texts, "g": 5000, "h": 1.5}


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    written(tmp_path, HEAD)
    with pytest.raises(UsageError, match=r"trp\.yaml: found no such file.*did you mean .*trip\.yaml"):
        load_scenario(tmp_path / "trp.yaml")


def test_a_directory_a_huge_file_and_a_wrong_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found a directory"):
        load_scenario(tmp_path)
    with pytest.raises(UsageError, match=f"more than {MAX_BYTES} bytes"):
        load_scenario(written(tmp_path, HEAD + "# " + "x" * MAX_BYTES))
    (tmp_path / "latin.yaml").write_bytes(HEAD.encode() + "title: caf\u00e9".encode("latin-1"))
    with pytest.raises(ScenarioError, match=r"latin\.yaml:4: found the byte 0xe9, expected text in UTF-8"):
        load_scenario(tmp_path / "latin.yaml")


def test_directories_are_relative_to_the_file_and_come_out_absolute(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    scenario = load_scenario(written(tmp_path, HEAD + "data: data\nmemory: {knowledge: ./data}")).scenario
    assert scenario.data == str(tmp_path / "data") == scenario.memory.knowledge


@pytest.mark.parametrize("escape", ["..", "../other", "/etc", "data/../../x", "link"])
def test_a_directory_may_not_lead_out_of_the_scenarios_own(tmp_path: Path, escape: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ScenarioError, match=r"trip\.yaml:4: data: found the path .* which leads out"):
        load_scenario(written(tmp_path, HEAD + f"data: {escape}"))


def test_a_person_may_name_any_directory(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (tmp_path / "own").mkdir()
    file = written(tmp_path / "own", HEAD)
    assert load_scenario(file, sets=[f"data={other}"]).scenario.data == str(other)


def test_a_missing_directory_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "beijing").mkdir()
    with pytest.raises(
        ScenarioError, match=r"trip\.yaml:4: data: found no directory 'bejing'.* did you mean beijing\?"
    ):
        load_scenario(written(tmp_path, HEAD + "data: bejing"))
    with pytest.raises(ScenarioError, match="--set data: data: found no directory"):
        load_scenario(written(tmp_path, HEAD), sets=["data=nowhere"])


def test_overrides_replace_values_and_are_named_when_they_are_wrong(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "tools: [lookup]\n")
    sets = ["limits.rounds=5", "tools[0]=other", "tools[1]={name: third, retries: 0}", "model.seed=null"]
    scenario = load_scenario(file, sets=sets).scenario
    assert scenario.limits.rounds == 5
    assert [tool.label for tool in scenario.tools] == ["other", "third"]
    assert scenario.model.seed is None
    with pytest.raises(ScenarioError, match=r"^--set limits\.rounds: limits\.rounds: found the text 'many'"):
        load_scenario(file, sets=["limits.rounds=many"])
    with pytest.raises(ScenarioError, match=r"--set name\.first: name\.first: found no part first in name"):
        load_scenario(file, sets=["name.first=x"])
    with pytest.raises(UsageError, match="--set: found 'rounds', expected path=value"):
        load_scenario(file, sets=["rounds"])


@pytest.mark.parametrize("url", ["http://me:sk-secret@127.0.0.1/v1", "http://127.0.0.1/v1?key=sk-secret"])
def test_an_address_that_holds_a_secret_is_refused_and_not_repeated(url: str) -> None:
    [flaw] = flaws_of(HEAD + f"model: {{endpoint: '{url}'}}")
    assert flaw.startswith("trip.yaml:4: model.endpoint: found an address with more than a place")
    assert "sk-secret" not in flaw


def test_inputs_are_plain_words_whatever_they_look_like(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "inputs: {budget_cny: 1}")
    inputs = ["budget_cny=5000", "start_date=2026-12-05", "wish=a: b # [c]", "empty="]
    found = load_scenario(file, inputs=inputs).scenario.inputs
    assert found == {"budget_cny": 5000, "start_date": "2026-12-05", "wish": "a: b # [c]", "empty": None}
    with pytest.raises(UsageError, match="--input: found '=3', expected name=value"):
        load_scenario(file, inputs=["=3"])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_either_plain_data_or_told_as_a_flaw(text: str) -> None:
    try:
        parse_source(text, "any.yaml")
    except ScenarioError as error:
        assert str(error).startswith("any.yaml:")

"""A run's recording answers the same prompts again."""

from __future__ import annotations

from pathlib import Path

from autogen_core.models import UserMessage

from repertory.recording import recording_of
from runtime.blobs import Payload
from runtime.codec import Json
from runtime.events import AnyEvent, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.prompt_chain import chain
from serving.recorded import RecordedModel
from tests.repertory.story import told

MESSAGE = UserMessage(content="Where to?", source="planner")
REQUEST: Json = {"tools": [], "tool_choice": "auto", "json_output": None, "arguments": {"temperature": 0.0}}
ANSWER: Json = [
    {
        "finish_reason": "stop",
        "content": "北京",
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        "cached": False,
        "logprobs": None,
        "thought": None,
    }
]


async def test_the_model_calls_of_a_run_become_a_recording_that_answers_them(tmp_path: Path) -> None:
    head, links = chain([MESSAGE.model_dump(mode="json")])
    assert isinstance(REQUEST, dict)
    request, answer = Payload.of({**REQUEST, "prompt": head}), Payload.of(ANSWER)
    events: list[AnyEvent] = [
        StepStarted(seq=1, step="s", delivery="d", kind="model", name="m", request=request.digest),
        StepCompleted(seq=2, step="s", delivery="d", result=answer.digest),
        *told(failing=True)[7:9],
    ]
    journal = MemoryJournal()
    epoch = await journal.claim("run")
    await journal.append("run", epoch, [], {**links, request.digest: request.data, answer.digest: answer.data})
    file = tmp_path / "answers.jsonl"
    file.write_text(await recording_of(journal, events), encoding="utf-8")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1
    result = await RecordedModel(file).create([MESSAGE], extra_create_args={"temperature": 0.0})
    assert (result.content, result.usage.prompt_tokens) == ("北京", 3)

"""Logs go to stderr and never hold a secret."""

from __future__ import annotations

import logging

import pytest
import structlog

from repertory.logs import HIDDEN, configure_logs, redaction

KEY = "sk-verysecret"


def test_secrets_are_hidden_by_name_by_form_and_by_value() -> None:
    hide = redaction([KEY])
    event = {
        "event": f"calling with {KEY}",
        "api_key": "anything",
        "headers": {"Authorization": "Bearer abc.def", "accept": "json"},
        "tried": [f"x{KEY}x", "authorization: Bearer abc.def"],
        "input_tokens": 12,
    }
    assert hide(None, "info", event) == {
        "event": f"calling with {HIDDEN}",
        "api_key": HIDDEN,
        "headers": {"Authorization": HIDDEN, "accept": "json"},
        "tried": [f"x{HIDDEN}x", f"authorization: Bearer {HIDDEN}"],
        "input_tokens": 12,
    }


@pytest.mark.parametrize(("verbosity", "shown"), [(0, ["bad"]), (1, ["note", "bad"]), (2, ["fine", "note", "bad"])])
def test_logs_are_quiet_unless_asked_for(
    verbosity: int, shown: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure_logs(verbosity, [KEY])
    log, foreign = structlog.get_logger("ours"), logging.getLogger("theirs")
    for level, word in (("debug", "fine"), ("info", "note"), ("error", "bad")):
        getattr(log, level)(word, token=KEY)
        getattr(foreign, level)("%s %s", word, KEY)
    structlog.reset_defaults()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert KEY not in captured.err
    assert [word for word in ("fine", "note", "bad") if captured.err.count(word) == 2] == shown

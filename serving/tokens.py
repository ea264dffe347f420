"""How many tokens a prompt is, estimated without a tokenizer's file from the network.

The estimate is meant to err on the high side: contexts that are cut to fit by it do fit. What a model really spent
comes from its server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

ASCII_PER_TOKEN = 3
"""English prose has about 4 characters a token, JSON fewer; everything beyond ASCII counts as one token each."""
TOKENS_PER_MESSAGE = 6
"""What the chat template puts around a message."""
CONTEXT_LENGTH = 8192
"""The context of a model that has none of its own, in tokens."""


def tokens_of_text(text: str) -> int:
    """The estimated number of tokens of a text."""
    ascii_characters = sum(character.isascii() for character in text)
    return ceil(ascii_characters / ASCII_PER_TOKEN) + len(text) - ascii_characters


def tokens_of_prompt(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
    """The estimated number of tokens of messages and the tools offered with them."""
    said = sum(TOKENS_PER_MESSAGE + tokens_of_text(_text(message)) for message in messages)
    schemas = [tool.schema if isinstance(tool, Tool) else tool for tool in tools]
    return said + sum(tokens_of_text(json.dumps(schema, ensure_ascii=False)) for schema in schemas)


def _text(message: LLMMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return json.dumps(message.model_dump(mode="json")["content"], ensure_ascii=False)

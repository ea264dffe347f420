"""Smaller bytes for what a journal keeps: deflate, primed with the words that every event and payload contains.

An event of 260 bytes becomes about 100, most of which is hashes. The first byte of what is kept says how the rest is to
be read, so that another method can be added beside these; a method that is in use never changes.
"""

from __future__ import annotations

import zlib

_RAW, _SMALL, _LARGE = b"\x00", b"\x01", b"\x02"

_WINDOW_BITS = {_SMALL: -12, _LARGE: -15}
"""The windows of the two methods in bits (negative: no header); a small window is quick to set up."""

_DICTIONARY_1 = (
    b'{"event":"run_started","format":1,"name":"builder":"spec":"routes":"versions":{"python":"3.11","ray":"autogen-core":'
    b'"vllm":{"event":"run_completed","result":"{"event":"run_failed","failure":{"type":"runtime.errors:","message":"'
    b'{"event":"run_interrupted","reason":"{"event":"message_cancelled","message":"","cause":"'
    b'{"event":"message_published","message":"","sender":{"type":"","key":"},"cause":"","topic":{"type":"","source":"'
    b'"recipients":[{"type":"critic"},{"type":"retriever"},{"type":"person"}],"effect":"idempotent""compensable"'
    b'"irreversible","occurrence":1,"kind":"retrieval""memory""question""clock""timer""random""tool","name":"'
    b'"failure":{"type":"builtins:","message":"","code":"unavailable"},"attempts":2,"headers":{"traceparent":"00-'
    b'{"after":null,"message":"{"after":"","message":"{"extra":{"response_format":{"json_schema":{"name":"schema":{'
    b'"strict":true},"type":"json_schema"}},"messages":"","tools":[{"description":"parameters":{"properties":{'
    b'"type":"object","required":["type":"string"},"type":"integer"},"tool_choice":"auto"},"model":"'
    b'{"attempts":1,"error":null,"repairs":[],"status":"ok","tool":"","value":{"status":"retry","error":{"code":"'
    b'{"cached":false,"content":"","finish_reason":"stop","logprobs":null,"thought":null,"usage":{'
    b'"completion_tokens":,"prompt_tokens":}}{"content":"","source":"user","type":"UserMessage"}'
    b'{"content":"","type":"SystemMessage"}{"content":"","source":"assistant","thought":null,"type":"AssistantMessage"}'
    b'{"data":{"content":"","source":""},"type":"'
    b'{"event":"message_sent","message":"","sender":{"type":"planner"},"cause":"root","recipient":{"type":"executor",'
    b'"key":"1"},"payload":"","seq":,"at":17{"event":"delivery_started","delivery":"","message":"","agent":{'
    b'"type":"planner"},"seq":,"at":17{"event":"delivery_completed","delivery":"","message":"","agent":{"type":"executor",'
    b'"key":"1"},"response":"","seq":,"at":17{"event":"step_started","step":"","delivery":"","kind":"model","name":"'
    b'"request":"","seq":,"at":17{"event":"step_completed","step":"","delivery":"","result":"","started_at":17'
    b'"ended_at":17","usage":{"input_tokens":,"output_tokens":},"seq":,"at":179'
)
"""Frequent parts, the most frequent last. Journals depend on it to the byte: a better one gets a method of its own."""


def squeeze(data: bytes) -> bytes:
    """The data in fewer bytes, or with one more where that is not possible."""
    method = _SMALL if len(data) < 4096 else _LARGE
    window, memory = _WINDOW_BITS[method], 3 if method == _SMALL else 8
    deflate = zlib.compressobj(6, zlib.DEFLATED, window, memory, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1)
    squeezed = deflate.compress(data) + deflate.flush()
    return method + squeezed if len(squeezed) < len(data) else _RAW + data


def expand(kept: bytes) -> bytes:
    """The data again.

    Raises:
        ValueError: these are not bytes that `squeeze` has made.
    """
    method = kept[:1]
    if method == _RAW:
        return kept[1:]
    if method not in _WINDOW_BITS:
        raise ValueError(f"unknown compression {method.hex() or 'of no bytes'}")
    inflate = zlib.decompressobj(_WINDOW_BITS[method], _DICTIONARY_1)
    try:
        data = inflate.decompress(kept[1:]) + inflate.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof or inflate.unused_data:
        raise ValueError("the compressed bytes end at the wrong place")
    return data

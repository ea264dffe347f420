"""Takes secrets out of a run that is to leave this machine, so that what is left still replays.

A secret is a value that the caller knows (an API key), or text that looks like one. Where none is found, nothing
changes. Where one is, every place of it becomes `[secret]`; since blobs are named by their content and steps by their
request, the names that follow from it are made anew throughout, in the order in which the run made them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from runtime import ids
from runtime.blobs import digest
from runtime.codec import decode_event, encode_event
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.failures import SECRET
from runtime.references import named

_PATTERNS = (
    rb"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{20,}",
    rb"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*",
    rb"\bAKIA[0-9A-Z]{16}\b",
    rb"\bgh[pousr]_[A-Za-z0-9]{36,}",
    rb"\bgithub_pat_[A-Za-z0-9_]{36,}",
    rb"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    rb"\bhf_[A-Za-z0-9]{30,}",
    rb"\bAIza[A-Za-z0-9_-]{35}",
    rb"(?<=://)[^/@\s\"\\:]+:[^/@\s\"\\]+(?=@)",
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]+?-----END [A-Z ]*PRIVATE KEY-----",
    rb"(?<=\"api_key\":\")[^\"\\]+(?=\")|(?<=\"password\":\")[^\"\\]+(?=\")|(?<=\"authorization\":\")[^\"\\]+(?=\")",
    rb"(?<=\"access_token\":\")[^\"\\]+(?=\")|(?<=\"client_secret\":\")[^\"\\]+(?=\")",
)
"""What keys, tokens and passwords look like in JSON."""

MIN_SECRET_CHARS = 6
"""A known value shorter than this is no secret: it would be found in every second word."""

_NAMES = re.compile(rb"(?<![0-9a-f])(?:s[0-9a-f]{24}|[0-9a-f]{32})(?![0-9a-f])")
"""Step ids and digests."""


class Redaction:
    """The rewriting of one run; `count` is how many blobs and events held a secret."""

    def __init__(self, blobs: Mapping[Digest, bytes], secrets: Iterable[str] = ()) -> None:
        known = [re.escape(_in_json(secret)) for secret in secrets if len(secret) >= MIN_SECRET_CHARS]
        self._secret = re.compile(b"|".join([*known, *_PATTERNS]))
        self._before = blobs
        self._names: dict[bytes, bytes] = {}
        self._occurrences: Counter[tuple[str, str, Digest]] = Counter()
        self.blobs: dict[Digest, bytes] = {}
        self.count = 0

    def is_needed(self, events: Sequence[AnyEvent]) -> bool:
        """Whether a secret is found anywhere."""
        found = any(self._secret.search(blob) for blob in self._before.values())
        return found or any(self._secret.search(encode_event(event)) for event in events)

    def event(self, event: AnyEvent) -> AnyEvent:
        """An event without secrets, with the names of today; events are given in the order of the run."""
        for name in named(event):
            self._rewrite(name)
        if isinstance(event, StepStarted):
            event = self._renamed(event)
        return decode_event(self._clean(encode_event(event)), run="", seq=event.seq)

    def _renamed(self, event: StepStarted) -> StepStarted:
        request = self._names.get(event.request.encode(), event.request.encode()).decode()
        place = (event.delivery, event.kind, request)
        occurrence = self._occurrences[place]
        self._occurrences[place] += 1
        step = ids.step_id(event.delivery, event.kind, request, occurrence)
        if step != event.step:
            self._names[event.step.encode()] = step.encode()
        return msgspec.structs.replace(event, step=step, request=request, occurrence=occurrence)

    def _rewrite(self, name: Digest) -> None:
        """Rewrites a blob, after all that it names."""
        to_do = [name]
        while to_do:
            data = self._before.get(to_do[-1])
            if data is None or to_do[-1].encode() in self._names or to_do[-1] in self.blobs:
                to_do.pop()
                continue
            within = {found.decode() for found in _NAMES.findall(data)} & self._before.keys()
            open_ = [each for each in within if each.encode() not in self._names and each not in self.blobs]
            if open_:  # a blob cannot name one that names it, so this comes to an end
                to_do += open_
                continue
            cleaned = self._clean(data)
            self.blobs[digest(cleaned)] = cleaned
            if cleaned != data:
                self._names[to_do[-1].encode()] = digest(cleaned).encode()
            to_do.pop()

    def _clean(self, data: bytes) -> bytes:
        without, count = self._secret.subn(SECRET.encode(), data)
        self.count += bool(count)
        return _NAMES.sub(lambda match: self._names.get(match[0], match[0]), without)


def _in_json(secret: str) -> bytes:
    """A text as it stands within a JSON string."""
    return msgspec.json.encode(secret)[1:-1]

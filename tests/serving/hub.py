"""A model hub and a package index of a test's own, small and on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import zipfile
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from serving.catalog import Mirror, ModelEntry


def entry(content: bytes, *, parts: int = 0) -> ModelEntry:
    """A catalogue entry for a file with that content, carried by so many wheels."""
    mirror = Mirror(package="tiny-part{part}", version="1.0", parts=parts or 1, member="*/part{part:02}.bin")
    return ModelEntry(
        name="tiny",
        title="A tiny file",
        hub="somebody/tiny",
        file="tiny.gguf",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        parameters=100,
        context_length=128,
        dtype="bfloat16",
        quantisation="none",
        tool_parser="hermes",
        license="Apache-2.0",
        mirrors=(mirror,) if parts else (),
    )


def write_wheel(folder: Path, package: str, member: str, content: bytes) -> None:
    """A wheel that pip accepts, with one file in it."""
    name = package.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/{member}", content)
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")


class Hub(ThreadingHTTPServer):
    """Gives one file for every address; breaks off after `give` bytes of each answer where that is set."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content = content
        self.give: int | None = None
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub  # pyright: ignore[reportIncompatibleVariableOverride]  # it is ours

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.server.asked.append(f"{self.path} from {start}")
        rest = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.give])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name for it
        """Says nothing."""


@contextlib.contextmanager
def serving(content: bytes) -> Generator[Hub]:
    """A hub that answers while the block runs."""
    with Hub(content) as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()

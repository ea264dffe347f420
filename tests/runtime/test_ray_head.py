"""When a head counts as lost."""

from __future__ import annotations

import asyncio
import socket

import pytest

from runtime.on_ray import ray_head
from runtime.on_ray.ray_head import LOST_AFTER_LOOKS, HeadLost, watch_head


async def test_a_head_is_lost_when_several_looks_in_a_row_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    found = iter([True, *[False] * (LOST_AFTER_LOOKS - 1), True, *[False] * LOST_AFTER_LOOKS])

    async def answers(address: str) -> bool:
        looks.append(address)
        return next(found)

    monkeypatch.setattr(ray_head, "answers", answers)
    monkeypatch.setattr(ray_head, "LOOK_EVERY_S", 0.0)
    with pytest.raises(HeadLost, match="at there:1 does not answer any more"):
        await watch_head("there:1", lost_after_s=0.0)
    assert looks == ["there:1"] * (2 * LOST_AFTER_LOOKS + 1)


async def test_a_head_that_takes_connections_answers() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    assert await ray_head.answers(f"{host}:{port}")
    server.close()
    await server.wait_closed()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    assert not await ray_head.answers(f"127.0.0.1:{free}")

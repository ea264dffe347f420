"""How fast a deployed model reads and writes, and what memory its processes take.

    python -m bench.serving_rate [--model NAME]

The model is deployed if it is not up. Prompts are made-up digits, so that no prompt begins like another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path

import httpx
import psutil

from serving.blueprint import ServeRequest
from serving.deploy import Deployment, serve_up

PROMPT_TOKENS = 1000
ANSWER_TOKENS = 48
TOGETHER = (1, 4, 16)


async def ask(http: httpx.AsyncClient, deployment: Deployment, words: int, tokens: int) -> tuple[int, int]:
    """One request with so many digits; the tokens read and written."""
    prompt = " ".join(str(random.randint(0, 9)) for _ in range(words))
    body = {
        "model": deployment.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
    }
    answer = await http.post(f"{deployment.url}/chat/completions", json=body)
    usage: dict[str, int] = answer.raise_for_status().json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


async def measure(deployment: Deployment) -> None:
    async with httpx.AsyncClient(timeout=900, trust_env=False) as http:
        await ask(http, deployment, 10, 2)
        began = time.perf_counter()
        read, _ = await ask(http, deployment, PROMPT_TOKENS // 2, 1)
        print(f"reading {read} tokens: {read / (time.perf_counter() - began):.0f} tokens/s")
        for together in TOGETHER:
            began = time.perf_counter()
            answers = await asyncio.gather(*(ask(http, deployment, 10, ANSWER_TOKENS) for _ in range(together)))
            rate = sum(written for _, written in answers) / (time.perf_counter() - began)
            print(f"writing, {together:2} at once: {rate:.1f} tokens/s")


def memory_bytes(home: Path) -> int:
    """What all processes of the home's Ray head take, shared pages counted once each."""
    head = json.loads((home / "ray" / "head.json").read_text(encoding="utf-8"))
    owner = psutil.Process(head["pid"])
    return sum(process.memory_full_info().pss for process in [owner, *owner.children(recursive=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Rates of a deployed model")
    parser.add_argument("--model", default="default")
    parser.add_argument("--home", type=Path, default=Path.home() / ".repertory")
    arguments = parser.parse_args()
    began = time.perf_counter()
    deployment = serve_up(ServeRequest(arguments.model), arguments.home)
    print(f"{deployment.model}: answered after {time.perf_counter() - began:.1f} s")
    asyncio.run(measure(deployment))
    print(f"memory of Ray, Serve and vLLM: {memory_bytes(arguments.home) / 1e9:.1f} GB")


if __name__ == "__main__":
    main()

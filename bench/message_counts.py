"""How many messages are sent in which way, the same for all contenders of `bench/messages.py`."""

WARM_UP = 500
ALONE = 1_000
"""Requests, each after the answer to the one before."""
TOGETHER = 5_000
FLIGHT = 256
"""How many requests are under way when they are sent together."""
HOST_ALONE = 300
HOST_TOGETHER = 3_000
"""The same between two processes."""
PAIRS = 8
"""How many pairs of agents are at work when many hosts are."""

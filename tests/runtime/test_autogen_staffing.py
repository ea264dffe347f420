"""On which nodes hosts of a `RayAgentRuntime` are made."""

from __future__ import annotations

import pytest

from runtime.autogen_cluster.staffing import hires


@pytest.mark.parametrize(
    ("nodes", "staffed", "joined", "wanted", "found"),
    [
        ("abc", "", "", 3, "abc"),
        ("abc", "", "", 2, "ab"),
        ("abc", "", "", 7, "abcabca"),
        ("a", "", "", 2, "aa"),
        ("ab", "ab", "", 3, "a"),
        ("ab", "aab", "", 4, "b"),
        ("abcd", "abc", "d", 3, "d"),
        ("abcd", "abcd", "d", 3, ""),
        ("abd", "ab", "d", 3, "d"),
        ("abd", "ab", "d", 5, "dab"),
        ("ab", "abz", "", 3, ""),
        ("", "a", "", 3, ""),
    ],
)
def test_a_node_that_joins_gets_a_host_and_there_are_so_many_as_wanted_where_they_are_fewest(
    nodes: str, staffed: str, joined: str, wanted: int, found: str
) -> None:
    assert hires(nodes, staffed, joined, wanted) == list(found)

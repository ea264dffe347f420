"""On a cluster of several nodes a sequencer with a SQLite file stays on the driver's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.journals.journal_address import journal_address

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


class Where:
    """Says on which node it lives."""

    def node(self) -> str:
        """Its node's id."""
        import ray

        untyped: Any = ray
        return str(untyped.get_runtime_context().get_node_id())


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    untyped: Any = ray
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        untyped.init(address=cluster.address, namespace="repertory", log_to_driver=False)
        yield untyped
    finally:
        untyped.shutdown()
        cluster.shutdown()


def test_a_sequencer_with_a_file_lives_on_the_drivers_node(two_nodes: Any, tmp_path: Path) -> None:
    from runtime.on_ray.ray_place import sequencer_options

    assert len(two_nodes.nodes()) == 2
    options = sequencer_options(journal_address(tmp_path / "journal.db"))
    actors = [two_nodes.remote(Where).options(num_cpus=0, **options).remote() for _ in range(4)]
    here = str(two_nodes.get_runtime_context().get_node_id())
    assert {two_nodes.get(actor.node.remote()) for actor in actors} == {here}
    assert sequencer_options(journal_address("postgresql://ann@db/runs")) == {}

"""Which run is given up when hosts die again and again: the one that gets no further, not those that were there too."""

from __future__ import annotations

from runtime.exchange.channel import Loss
from runtime.on_ray.suspicion import Suspicion


def test_a_run_that_loses_host_after_host_at_one_point_is_guilty() -> None:
    suspicion = Suspicion(3)
    losses = [Loss({"stuck": 7, "busy": progress}) for progress in (10, 20, 30)]
    assert [suspicion.count(loss) for loss in losses] == [{}, {}, {"stuck": 7}]


def test_an_event_between_two_losses_acquits_and_so_does_the_end_of_a_run() -> None:
    suspicion = Suspicion(2)
    assert suspicion.count(Loss({"run": 1})) == {}
    assert suspicion.count(Loss({"run": 2})) == {}
    suspicion.acquit("run")
    assert suspicion.count(Loss({"run": 2})) == {}
    assert suspicion.count(Loss({"run": 2})) == {"run": 2}


def test_a_run_that_had_no_agents_at_a_lost_host_is_not_suspected() -> None:
    suspicion = Suspicion(1)
    assert suspicion.count(Loss({})) == {}

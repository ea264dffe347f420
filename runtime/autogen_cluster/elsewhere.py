"""Decides for each agent type of a `RayAgentRuntime` whether its agents live on hosts, and has them made there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from autogen_core import Agent, AgentId, AgentRuntime

from runtime.autogen_cluster.desk import Desk, Room
from runtime.autogen_cluster.errors import LivesElsewhere, NotLoadable
from runtime.autogen_cluster.freight import pack
from runtime.autogen_cluster.hosts import Hosts
from runtime.autogen_cluster.remote_agent import RemoteAgent
from runtime.autogen_cluster.travel import why_it_stays
from runtime.autogen_local.agents import AnyFactory

log = structlog.get_logger(__name__)


class OnHosts:
    """The hosts of a runtime and the agent types that may live there; see `runtime.autogen_local.agents.Elsewhere`."""

    def __init__(self, runtime: AgentRuntime, hosts: int, run: Callable[[], str], room: Room) -> None:
        self._hosts = Hosts(hosts, Desk(runtime, room).perform, run)
        self._run = run
        self._factories: dict[str, bytes] = {}
        """Those that may leave, by agent type."""
        self._agents: dict[AgentId, RemoteAgent] = {}
        self._staying: set[str] = set()

    def consider(self, agent_type: str, factory: AnyFactory, expected: type[Any] | None) -> None:
        """Looks whether agents of a type may live on hosts; says in the log what keeps them here."""
        why = why_it_stays(factory, expected)
        if why is None:
            self._factories[agent_type] = pack((factory, expected), "the factory")
        else:
            self.keep(agent_type, why)

    def keep(self, agent_type: str, why: str) -> None:
        """Agents of a type stay in this process; one line of log for each type."""
        self._factories.pop(agent_type, None)
        if agent_type not in self._staying:
            self._staying.add(agent_type)
            log.warning("agent.stays", run=self._run(), type=agent_type, why=why)

    async def make(self, agent_id: AgentId) -> Agent | None:
        """Makes an agent on a host; None where its type stays in this process. Raises as `Hosts.make`."""
        if (factory := self._factories.get(agent_id.type)) is None:
            return None
        agent = RemoteAgent(agent_id, factory, self._hosts)
        try:
            await agent.settled()
        except NotLoadable as error:
            self.keep(agent_id.type, str(error))
            return None
        self._agents[agent_id] = agent
        return agent

    def check_is_here(self, agent: Agent) -> None:
        """Nothing, where an agent lives in this process.

        Raises:
            LivesElsewhere: it lives on a host.
        """
        if isinstance(agent, RemoteAgent):
            raise LivesElsewhere(
                f"agent {agent.id} lives on {agent.host}, so its object is not here; send it a message, or read its "
                "save_state. A factory that holds an object of this process keeps its agents here"
            )

    def homes(self) -> dict[AgentId, str]:
        """The names of the hosts where agents were made last."""
        return {agent_id: agent.host for agent_id, agent in self._agents.items()}

    def processes(self) -> dict[str, int]:
        """The ids of the hosts' processes."""
        return self._hosts.processes()

    async def stop(self) -> None:
        """Gives the hosts back."""
        await self._hosts.stop()

    def abandon(self) -> None:
        """Gives the hosts back without a word to their agents, whether or not the event loop still runs."""
        self._hosts.abandon()

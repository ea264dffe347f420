"""autogen-core's `AgentRuntime` on this engine: with all agents in the calling process, or with some on a Ray cluster.

Every message is numbered by a `Sequencer` and in the journal before a handler sees it; handlers start in that order.
They run in the caller's own event loop, because agents, teams and callers share queues, futures and closures there
(docs/decisions/autogen.md): the record tells what happened; it is not a program that could be run again. With placement
`cluster`, agents whose factories share nothing with the caller live on hosts (`runtime/autogen_cluster/`); what is said
here of messages and their order and record stays true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from autogen_core import (
    Agent,
    AgentId,
    AgentMetadata,
    AgentRuntime,
    AgentType,
    CancellationToken,
    InterventionHandler,
    MessageSerializer,
    Subscription,
    TopicId,
)
from autogen_core._runtime_impl_helpers import SubscriptionManager
from autogen_core._telemetry import get_telemetry_envelope_metadata
from autogen_core.logging import DeliveryStage, MessageKind
from opentelemetry.trace import TracerProvider

from runtime import ids
from runtime.autogen_local.agents import Agents
from runtime.autogen_local.backlog import Backlog
from runtime.autogen_local.deliver import Deliveries, Parts
from runtime.autogen_local.errors import (
    RegistrationError,
    RuntimeStopped,
    UnknownAgent,
    WrongAddress,
    WrongAgentType,
    WrongState,
)
from runtime.autogen_local.intervene import Interventions
from runtime.autogen_local.mail import GivenUp, Here, Outbound, here
from runtime.autogen_local.queue import MailQueue
from runtime.autogen_local.record import RunRecord, payload
from runtime.autogen_local.trace import Observers
from runtime.errors import UsageError
from runtime.events import MessageCancelled
from runtime.journal import Journal, MemoryJournal
from runtime.letters import Letters, agent_type_name

if TYPE_CHECKING:
    from runtime.autogen_cluster.elsewhere import OnHosts

T = TypeVar("T", bound=Agent)

LOOK_AGAIN_S = 0.05
"""How often `stop_when` looks at its condition while no message moves."""


class RayAgentRuntime(AgentRuntime):
    """A runtime for autogen-core's agents and AgentChat's teams, in place of `SingleThreadedAgentRuntime`.

    Differences to that one are listed in docs/autogen.md. One runtime is one run in the journal, from its first message
    to `close`.
    """

    def __init__(
        self,
        *,
        intervention_handlers: list[InterventionHandler] | None = None,
        tracer_provider: TracerProvider | None = None,
        ignore_unhandled_exceptions: bool = True,
        placement: Literal["local", "cluster"] = "local",
        hosts: int = 2,
        journal: Journal | None = None,
        run_id: str | None = None,
    ) -> None:
        """Makes a runtime; nothing is journaled before its first message.

        `placement` says where agents live: in this process, or those that can on so many `hosts` of a Ray cluster, the
        one of RAY_ADDRESS or this machine's, begun when they are needed. `journal` stays the caller's to close; without
        one the record lives as long as this object. `run_id` names the run in it, by default an id of the time.

        Raises:
            UsageError: when there is no such placement, not one host, no open journal, or no such run id.
        """
        if placement not in ("local", "cluster"):
            raise UsageError(f"placement {placement!r} was found; expected 'local' or 'cluster'")
        if hosts < 1:
            raise UsageError(f"hosts: found {hosts}, expected at least 1")
        if isinstance(journal, str | Path):
            raise UsageError(f"journal: found {str(journal)!r}, expected an open journal; `open_journal` opens one")
        self._on_hosts = self._hosted(hosts) if placement == "cluster" else None
        self.journal: Journal = MemoryJournal() if journal is None else journal
        self._letters = Letters()
        self._agents = Agents(self, self._on_hosts)
        self._subscriptions = SubscriptionManager()
        self._queue = MailQueue()
        self._observers = Observers(tracer_provider, lambda message: payload(message, self._letters).decode())
        self._interventions = Interventions(intervention_handlers, self._observers)
        self._backlog = None if self._on_hosts is None else Backlog()
        parts = Parts(
            runtime=self,
            is_pumping=lambda: self.is_pumping,
            agents=self._agents,
            subscriptions=self._subscriptions,
            queue=self._queue,
            interventions=self._interventions,
            observers=self._observers,
            letters=self._letters,
            backlog=self._backlog,
        )
        record = RunRecord(self.journal, run_id)
        self._deliveries = Deliveries(parts, record, ignores_errors=ignore_unhandled_exceptions)
        self._sent_outside = 0
        self._pump: asyncio.Task[None] | None = None
        self._is_stopping = False

    def _hosted(self, hosts: int) -> OnHosts:
        from runtime.autogen_cluster.elsewhere import OnHosts  # with Ray, which the placement `local` does without

        return OnHosts(self, hosts, lambda: self.run_id, self._room)

    @property
    def run_id(self) -> str:
        """The run's id in the journal."""
        return self._deliveries.record.run

    @property
    def homes(self) -> Mapping[AgentId, str]:
        """The hosts of the agents that live on one, by name; whoever is not in it lives in this process."""
        return {} if self._on_hosts is None else self._on_hosts.homes()

    @property
    def processes(self) -> Mapping[str, int]:
        """The ids of the hosts' processes, by the names of those hosts that were begun."""
        return {} if self._on_hosts is None else self._on_hosts.processes()

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages and responses wait to be handed over."""
        return len(self._queue)

    # Messages

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Sends and awaits the response. Cancelling the token cancels the wait, not the handler.

        With placement `cluster` it waits before, while too much of what its sender has sent is unfinished.

        Raises:
            WrongAddress: when the recipient is no `AgentId`.
            UnknownAgent: when the recipient's type is not registered.
            RuntimeStopped: when the runtime stops before the message is handed over.
            Exception: what the recipient, its factory or an intervention handler raised.
        """
        _check_address("recipient", recipient, AgentId, "AgentId(type, key)")
        await self._room()
        token = cancellation_token or CancellationToken()
        self._observers.moved(message, sender, recipient, MessageKind.DIRECT, DeliveryStage.SEND)
        with self._observers.block("create", recipient):
            mail = self._outbound(message, sender, token, message_id)
            mail.recipient, mail.future = recipient, asyncio.get_running_loop().create_future()
            mail.is_internal = recipient.type not in self._agents.types
            self._put(mail)
            token.link_future(mail.future)
            try:
                return await mail.future
            except asyncio.CancelledError:
                if mail.future.cancelled():
                    self._put(GivenUp(event=MessageCancelled(message=mail.id, cause=mail.cause)))
                raise

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publishes; returns when it is on its way, which is before anyone has handled it. Waits before as a send does.

        Raises:
            WrongAddress: when the topic is no `TopicId`.
            RuntimeStopped: when it comes from a handler that began before the runtime was stopped.
        """
        _check_address("topic_id", topic_id, TopicId, "TopicId(type, source)")
        await self._room()
        with self._observers.block("create", topic_id):
            mail = self._outbound(message, sender, cancellation_token or CancellationToken(), message_id)
            mail.topic = topic_id
            self._observers.moved(message, sender, topic_id, MessageKind.PUBLISH, DeliveryStage.SEND)
            self._put(mail)

    def _outbound(self, message: Any, sender: AgentId | None, token: CancellationToken, given: str | None) -> Outbound:
        cause, ordinal = self._origin()
        return Outbound(
            message=message,
            id=ids.message_id(cause, ordinal),
            given_id=given,
            cause=cause,
            sender=sender,
            token=token,
            metadata=get_telemetry_envelope_metadata(),
        )

    def _origin(self) -> tuple[str, int]:
        """The delivery that sends now, and how many messages it has sent before."""
        origin = self._own_here()
        if origin is None:
            self._sent_outside += 1
            return ids.ROOT, self._sent_outside - 1
        if origin.generation != self._deliveries.generation:
            raise RuntimeStopped("the runtime was stopped after this handler had begun; nothing more is sent from it")
        origin.sent += 1
        return origin.delivery, origin.sent - 1

    async def _room(self) -> None:
        """Returns when who sends now may send more; see `Backlog`. Nobody waits for what nobody hands over."""
        if self._backlog is None or not self.is_pumping or asyncio.current_task() is self._pump:
            return
        origin = self._own_here()
        await self._backlog.room(ids.ROOT if origin is None else origin.delivery)

    def _own_here(self) -> Here | None:
        origin = here.get()
        return origin if origin is not None and origin.runtime is self else None

    def _put(self, mail: Outbound | GivenUp) -> None:
        if isinstance(mail, Outbound) and self._pump is not None and self._pump.done():
            raise RuntimeStopped("an event handler or the journal has failed; stop() tells how, start() begins anew")
        if self._backlog is not None and isinstance(mail, Outbound):
            self._backlog.sent(mail)
        self._queue.put(mail)
        if mail.is_internal:
            self._deliveries.flush_soon()

    # Running

    def start(self) -> None:
        """Hands messages over from now on, in a task of the running loop.

        Raises:
            WrongState: when it is started already.
        """
        if self._pump is not None:
            raise WrongState("the runtime is started already; stop it first")
        self._is_stopping = False
        self._pump = asyncio.get_running_loop().create_task(self._run())
        self._pump.add_done_callback(lambda _: self._queue.signal())

    @property
    def is_pumping(self) -> bool:
        """Whether it is started and has not stopped by itself."""
        return self._pump is not None and not self._pump.done()

    async def _run(self) -> None:
        deliveries, queue = self._deliveries, self._queue
        limit = 1 if self._interventions else 64
        while not self._is_stopping and deliveries.fault is None:
            if queue.is_empty:
                await queue.wait_for(lambda: self._is_stopping or deliveries.fault is not None or not queue.is_empty)
            else:
                await deliveries.step(limit)
                await asyncio.sleep(0)
        if deliveries.fault is not None:
            deliveries.halt()

    async def process_next(self) -> None:
        """Hands over one message or response; waits for one.

        Raises:
            Exception: the first that an event handler raised, unless these are ignored.
        """
        await self._process_next()

    async def _process_next(self) -> None:
        """Under the name that upstream's own tests use."""
        self._deliveries.raise_fault()
        await self._queue.wait_for(lambda: len(self._queue) > 0 or self._deliveries.fault is not None)
        self._deliveries.raise_fault()
        await self._deliveries.step(1)
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stops at once: what was handed over is finished by its handlers; who awaits the rest gets `RuntimeStopped`.

        Raises:
            WrongState: when it is not started.
            Exception: the first that an event handler raised, unless these are ignored.
        """
        pump = self._started()
        self._is_stopping = True
        self._queue.signal()
        try:
            await pump
        finally:
            self._pump = None
            await self._deliveries.halted()
        self._deliveries.raise_fault()

    async def stop_when_idle(self) -> None:
        """Stops when nothing waits and no handler runs. Raises as `stop` does."""
        self._started()
        await self._queue.wait_for(lambda: self._deliveries.is_idle or not self.is_pumping)
        await self.stop()

    async def stop_when(self, condition: Callable[[], bool]) -> None:
        """Stops when the condition holds, looked at whenever a message moves and now and then. Raises as `stop`."""
        self._started()
        while self.is_pumping and not condition():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._queue.wait_for(lambda: not self.is_pumping or condition())
        await self.stop()

    def _started(self) -> asyncio.Task[None]:
        if self._pump is None:
            raise WrongState("the runtime is not started; call start() first")
        return self._pump

    async def close(self) -> None:
        """Stops if it is started, closes all agents, and ends the run; the next message begins another."""
        try:
            if self._pump is not None:
                await self.stop()
        finally:
            for agent in self._agents.made().values():
                await agent.close()
            await self._deliveries.end_run()
            if self._on_hosts is not None:
                await self._on_hosts.stop()

    def abandon(self) -> None:
        """Gives the hosts back at once, also when the event loop that used them has ended; for who cannot `close`."""
        if self._on_hosts is not None:
            self._on_hosts.abandon()

    # Agents and subscriptions

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
    ) -> AgentType:
        """Registers an agent type, at any time.

        Raises:
            RegistrationError: when there is one of this name.
        """
        self._agents.add_factory(agent_type_name(type), agent_factory, expected_class)
        return AgentType(agent_type_name(type))

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Registers an agent that exists already, at any time.

        Raises:
            RegistrationError: when its id is taken or its type is not one of such instances.
        """
        await self._agents.add_instance(agent_instance, agent_id)
        return agent_id

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]  # theirs
        """The agent itself, made if it is new.

        Raises:
            UnknownAgent: when its type is not registered.
            WrongAgentType: when it is not of this class, or lives on a host (`LivesElsewhere`).
        """
        agent = await self._agents.get(id)
        if self._on_hosts is not None:
            self._on_hosts.check_is_here(agent)
        if not isinstance(agent, type):
            raise WrongAgentType(f"agent {id} is a {agent.__class__.__name__}, not a {type.__name__}")
        return agent

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; made at once unless `lazy`."""
        own = id_or_type if isinstance(id_or_type, AgentId) else AgentId(agent_type_name(id_or_type), key)
        if not lazy:
            await self._agents.get(own)
        return own

    async def add_subscription(self, subscription: Subscription) -> None:
        """Adds a subscription of any class; messages that are handed over from now on go by it.

        Raises:
            RegistrationError: when there is an equal one.
        """
        try:
            await self._subscriptions.add_subscription(subscription)
        except ValueError as error:
            raise RegistrationError(f"{error}: {subscription!r}") from error

    async def remove_subscription(self, id: str) -> None:
        """Removes a subscription.

        Raises:
            RegistrationError: when there is none of this id.
        """
        try:
            await self._subscriptions.remove_subscription(id)
        except ValueError as error:
            raise RegistrationError(f"{error}: {id!r}") from error

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Registers more message types for the record."""
        self._letters.add(serializer if isinstance(serializer, Sequence) else [serializer])

    # State

    async def save_state(self) -> Mapping[str, Any]:
        """The states of all agents that have been made, by their ids; subscriptions are not part of it."""
        return {str(name): dict(await agent.save_state()) for name, agent in self._agents.made().items()}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives agents their states; those of types that are not registered are passed over."""
        for name, own in state.items():
            with suppress(UnknownAgent):
                await self.agent_load_state(AgentId.from_str(name), own)

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What an agent says of itself."""
        return (await self._agents.get(agent)).metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The state of one agent."""
        return await (await self._agents.get(agent)).save_state()

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Gives one agent its state."""
        await (await self._agents.get(agent)).load_state(state)


def _check_address(name: str, given: object, expected: type[AgentId | TopicId], example: str) -> None:
    if not isinstance(given, expected):
        raise WrongAddress(f"{name}: found {given!r}, expected an address like {example}")

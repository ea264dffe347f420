"""The schema of a scenario file: which agents, with which tools, memory and model, perform what request.

`scenarios/load.py` reads a file into a `Scenario`; `scenarios/build.py` makes a team of it. The JSON Schema beside this
file (`scenario.schema.json`) is generated from these classes and is what editors check scenario files against.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, JsonValue, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runtime.events import EffectClass

FORMAT: Literal[1] = 1
"""The version of this schema; a file of another version is refused."""

SCHEMA_FILE = Path(__file__).with_name("scenario.schema.json")
"""The published JSON Schema."""

REFERENCE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
"""`package.module:name`, how a scenario names a piece of Python."""

AGENT_KINDS = ("planner", "executor", "critic", "retriever", "person")
"""The cast that ships with Repertory."""

NAME_PATTERN = r"^[A-Za-z_][\w-]*$"
KIND_PATTERN = rf"^({'|'.join(AGENT_KINDS)}|{REFERENCE})$"
URL_PATTERN = r"^https?://\S+$"
REFERENCE_PATTERN = rf"^{REFERENCE}$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
HEADER_PATTERN = r"^[A-Za-z0-9-]+$"
MCP_NAME_PATTERN = r"^[\w./-]+$"
PREFIX_PATTERN = r"^([A-Za-z_]\w*)?$"

PATTERN_WORDS = {
    NAME_PATTERN: "a name: a letter, then letters, digits, _ or -",
    KIND_PATTERN: f"one of {', '.join(AGENT_KINDS)}, or module:function",
    URL_PATTERN: "an address such as http://127.0.0.1:8000/v1",
    REFERENCE_PATTERN: "package.module:name",
    VARIABLE_PATTERN: "the name of an environment variable, such as WEATHER_TOKEN (never a secret itself)",
    HEADER_PATTERN: "the name of a header, such as Authorization",
    MCP_NAME_PATTERN: "a tool's name as its server lists it",
    PREFIX_PATTERN: "a letter, then letters, digits or _",
}
"""What the patterns mean, for messages."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
"""A name of an agent, tool or scenario: a letter, then letters, digits, `_` or `-`."""

PythonReference = Annotated[str, Field(pattern=REFERENCE_PATTERN, max_length=256)]
"""`package.module:name`."""

ERROR_CODES = (
    "invalid_arguments",
    "not_found",
    "out_of_range",
    "sold_out",
    "closed",
    "unavailable",
    "timeout",
    "failed",
)
"""What every tool can answer in place of a result."""


class Part(BaseModel):
    """What all parts of a scenario have in common: no unknown fields, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, serialize_by_alias=True
    )


class ModelPrice(Part):
    """What a model costs per million tokens, in the currency of `limits.cost`."""

    input: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of prompts."""
    output: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of answers."""


class Model(Part):
    """Which language model answers, and how."""

    name: str = "default"
    """A name of the catalogue (`repertory models list`), `default`, or the name that `endpoint` knows the model by.
    `recorded:FILE` and `scripted:FILE` answer from a file."""
    endpoint: Annotated[str, Field(pattern=URL_PATTERN)] | None = None
    """The address of an OpenAI-compatible server, up to and including `/v1`; none: vLLM through Ray Serve."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 always takes the likeliest token."""
    seed: int | None = 7
    """The sampler's seed; none lets the server choose."""
    max_tokens: Annotated[int, Field(ge=16)] = 1024
    """The longest answer, in tokens."""
    context_length: Annotated[int, Field(ge=1024)] | None = None
    """The longest prompt with its answer, in tokens; none takes the catalogue's."""
    timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """How long one answer may take, in seconds."""
    price: ModelPrice | None = None
    """What it costs, for `limits.cost`."""


class Placement(Part):
    """Where an agent lives; without one, a hash of run and agent chooses among the hosts."""

    host: Literal["any", "local"] = "any"
    """`local` is the process that called `repertory run` (people at a terminal live there)."""
    together: Name | None = None
    """Another agent, on whose host this one shall live."""
    resources: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Ray resources that the host must have, such as `GPU: 1`."""


class Agent(Part):
    """One member of the cast."""

    kind: Annotated[str, Field(pattern=KIND_PATTERN, examples=list(AGENT_KINDS))]
    """`planner`, `executor`, `critic`, `retriever`, `person`, or `module:function` that makes an agent of one's own."""
    count: Annotated[int, Field(ge=1, le=64)] = 1
    """How many there are; they share the work that is ready."""
    placement: Placement = Placement()
    """Where it lives."""


Variable = Annotated[str, Field(pattern=VARIABLE_PATTERN, max_length=256)]
"""The name of an environment variable of the calling process, whose value is a secret and is kept nowhere."""

Header = Annotated[str, Field(pattern=HEADER_PATTERN, max_length=256)]
"""The name of an HTTP header."""


class HttpCall(Part):
    """An address that a tool asks."""

    url: Annotated[str, Field(pattern=URL_PATTERN)]
    """The address; `{parameter}` may stand in its path. Redirects are not followed."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """GET and DELETE send parameters as the query, the others as a JSON object."""
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    """What the tool promises; the model reads it."""
    parameters: dict[Name, dict[str, JsonValue]] = {}
    """The JSON Schema of each parameter, such as `city: {type: string}`."""
    required: list[Name] | None = None
    """Parameters that must be given; none: all of them."""
    constants: dict[Name, JsonValue] = {}
    """Values that are sent along; the model does not see them."""
    headers: dict[Header, Variable] = {}
    """Headers, each with the environment variable that holds its value."""


class McpServer(Part):
    """An MCP server and which of its tools are meant."""

    command: Annotated[list[str], Field(min_length=1)] | None = None
    """The program and its arguments, started beside the scenario file; no shell reads it."""
    url: Annotated[str, Field(pattern=URL_PATTERN)] | None = None
    """The address of a server that is up (streamable HTTP), instead of a command."""
    tools: Annotated[list[Annotated[str, Field(pattern=MCP_NAME_PATTERN)]], Field(min_length=1)]
    """Its tools, as it names them; others are not offered. `.` and `/` in a name become `_`."""
    prefix: Annotated[str, Field(pattern=PREFIX_PATTERN, max_length=32)] = ""
    """What stands before each name."""
    env: dict[Variable, Variable] = {}
    """Variables of the command's environment, each with the environment variable here that holds its value."""
    headers: dict[Header, Variable] = {}
    """Headers for `url`, each with the environment variable that holds its value."""

    def labels(self) -> dict[str, str]:
        """The server's names by those that agents know the tools by."""
        return {self.prefix + name.replace(".", "_").replace("/", "_"): name for name in self.tools}


class Bound(Part):
    """When an argument makes a call one that a person must approve."""

    above: float | None = None
    """Asks when the number is larger, or is no number."""
    below: float | None = None
    """Asks when the number is smaller, or is no number."""
    one_of: list[JsonValue] = []
    """Asks when the value is among these."""


class ApprovalRule(Part):
    """Which calls a person must approve."""

    when: Annotated[dict[Name, Bound], Field(min_length=1)]
    """By argument; a call is asked about when any of them says so."""


class Tool(Part):
    """One tool that the executors may call; a plain text stands for a name or a `module:function`.

    One of `name` alone, `import`, `http` and `mcp` says what it is; an entry with `mcp` stands for several tools.
    """

    name: Name | None = None
    """A registered tool, or the name that an imported or HTTP one shall have."""
    import_: PythonReference | None = Field(default=None, alias="import")
    """`module:function` of a tool of one's own."""
    http: HttpCall | None = None
    """An address that the tool asks."""
    mcp: McpServer | None = None
    """An MCP server whose tools these are."""
    fallback: Name | None = None
    """The tool to ask when this one has failed for good."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    """How long one call may take, in seconds; none keeps the tool's own."""
    retries: Annotated[int, Field(ge=0, le=3)] | None = None
    """How often a transient fault is tried again; none keeps the tool's own."""
    effect: EffectClass | None = None
    """What may be done with a call that started and did not complete; none keeps the tool's own."""
    approval: Literal["always", "never"] | ApprovalRule | None = None
    """When a person must approve a call before it happens; none keeps the tool's own."""
    undo: Name | None = None
    """The tool that undoes a call of a compensable one, given the key of that call; none keeps the tool's own."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            return {"import": value} if ":" in value else {"name": value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The mapping, or the text that stands for one."""
        mapping = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "pattern": rf"^([A-Za-z_][\w-]*|{REFERENCE})$"}, mapping]}

    @property
    def label(self) -> str:
        """The name that agents know the tool by: its `name`, else the function's."""
        if self.name is not None:
            return self.name
        return (self.import_ or "").rpartition(":")[2]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all tools that the entry stands for; empty when it says too little."""
        if self.mcp is not None:
            return tuple(self.mcp.labels())
        return (self.label,) if self.label else ()

    @property
    def variables(self) -> dict[tuple[str, ...], str]:
        """Each environment variable that holds a secret of the tool, by the path within the entry that names it."""
        said: dict[tuple[str, ...], str] = {}
        for part, holder in (("http", self.http), ("mcp", self.mcp)):
            for field in ("headers", "env"):
                named: dict[str, str] = getattr(holder, field, {})
                said |= {(part, field, name): variable for name, variable in named.items()}
        return said


class Memory(Part):
    """What is known before the run, and what is kept after it."""

    knowledge: str | None = None
    """A directory of Markdown documents, relative to the scenario file, or `package:path`."""
    embedder: str | None = None
    """A sentence-transformers model by name; none takes the packaged one."""
    reranker: str | None = None
    """A cross-encoder by name; none leaves the order of the fused search."""
    remember: bool = True
    """Whether the episode and the learned preferences are kept for the traveller's next run."""


class Fault(Part):
    """A fault to inject: the tool answers with the error whenever the call's arguments match."""

    tool: Name
    """The tool that shall fail."""
    when: dict[str, JsonValue] = {}
    """Arguments and the values that they must have; empty matches every call."""
    error: Annotated[str, Field(pattern=NAME_PATTERN, examples=list(ERROR_CODES))]
    """What it answers: an error code that every tool has, or one of its own."""
    times: Annotated[int, Field(ge=1)] | None = None
    """How many attempts of each matching call fail; none: all of them. With retries, 2 means: the third succeeds."""


class Limits(Part):
    """Where a run stops, whatever its agents want."""

    rounds: Annotated[int, Field(ge=0, le=20)] = 2
    """How often a criticised plan is repaired."""
    subtasks: Annotated[int, Field(ge=1, le=32)] = 6
    """How many subtasks a plan may have."""
    model_calls: Annotated[int, Field(ge=1)] = 80
    """How many calls of the model a run may make; `resume --set` raises this and the following ones."""
    tool_calls: Annotated[int, Field(ge=1)] = 300
    """How many calls of tools a run may make."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """How many tokens its prompts and answers may have together."""
    cost: Annotated[float, Field(gt=0)] | None = None
    """What its model calls may cost, by `model.price`."""
    wall_s: Annotated[float, Field(gt=0)] = 3600.0
    """How long a run may take, in seconds; counted anew from each `resume`."""


class Sleep(Part):
    """When an agent that has nothing to do is saved and dropped, until its next message."""

    idle_s: Annotated[float, Field(ge=0)] = 60.0
    """After so many seconds in which it was told nothing."""
    deliveries: Annotated[int, Field(ge=1)] = 100
    """At once, after so many messages: so few are handled again when its host dies."""


def standard_cast() -> dict[str, Agent]:
    """One of each kind, two executors, and the person at the calling process."""
    counts = {"executor": 2}
    return {
        kind: Agent(
            kind=kind,
            count=counts.get(kind, 1),
            placement=Placement(host="local" if kind == "person" else "any"),
        )
        for kind in AGENT_KINDS
    }


class Scenario(Part):
    """A scenario file."""

    format: Literal[1] = FORMAT
    """The version of this schema."""
    name: Name
    """A short name; results are written to `out/<name>/`."""
    title: Annotated[str, Field(max_length=200)] = ""
    """What a list shows."""
    domain: PythonReference
    """`module:Class` of what the team is to know of its field: task, checks, composition of the answer."""
    request: Annotated[str, Field(min_length=1, max_length=20_000)]
    """What is asked for, in free text, in any language."""
    inputs: dict[Name, JsonValue] = {}
    """Values that the request leaves open; `--input name=value` adds to them."""
    traveller: Annotated[str, Field(min_length=1, max_length=200)] = "default"
    """Whose preferences and earlier episodes are remembered."""
    model: Model = Model()
    """Which language model answers."""
    agents: dict[Name, Agent] = Field(default_factory=standard_cast, min_length=1)
    """The cast; without it one of each kind, with two executors."""
    start: Name = "planner"
    """The agent that is given the request."""
    tools: list[Tool] = []
    """What the executors may call."""
    data: str | None = None
    """A directory of data for the tools, relative to the scenario file, or `package:path`."""
    memory: Memory = Memory()
    """What is known before the run, and what is kept after it."""
    faults: list[Fault] = []
    """Faults to inject, to see the team replan."""
    limits: Limits = Limits()
    """Where the run stops, whatever its agents want."""
    sleep: Sleep = Sleep()
    """When agents with nothing to do are put to sleep."""
    questions: Literal["fail", "wait"] = "fail"
    """What a question to the person does when nobody is at the terminal: end the run and say what is missing, or wait
    for `repertory answer`."""

    @model_validator(mode="after")
    def _priced(self) -> Scenario:
        if self.limits.cost is not None and self.model.price is None:
            raise ValueError("limits.cost is given and model.price is not; say what the model costs")
        return self


def json_schema() -> JsonSchemaValue:
    """The JSON Schema of scenario files, as it is published in `scenario.schema.json`."""
    schema = Scenario.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Repertory scenario",
    }

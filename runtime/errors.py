"""The error tree of the whole project; every layer may import it.

    RepertoryError
    ├── UsageError            the caller's fault: bad scenario, bad argument, unknown run        exit code 2
    ├── RunError              the run cannot go on                                               exit code 1
    │   ├── StepFailed        a step's side effect failed and nothing was left to try
    │   ├── BudgetExceeded    a limit of the scenario was reached
    │   ├── Undeliverable     a message's recipient does not exist or cannot be made
    │   ├── MissingInput      something needed was neither given nor could be asked
    │   ├── EffectWithheld    a fork does not fire an effect that cannot be repeated at will
    │   ├── UncertainEffect   an effect may or may not have happened; a person must say
    │   ├── RunAborted        a person gave the run up
    │   ├── WaitingForPerson  all that is open waits for a person                            exit code 4
    │   └── ClusterLost       processes of the run are gone and do not come back; it can be resumed
    ├── JournalError          the record cannot be read or written                               exit code 1
    │   ├── CorruptEvent      what is stored is not what was written
    │   ├── JournalUnavailable  it cannot be reached or has no room now; the run waits for it
    │   ├── SeqConflict       two appends claim the same place
    │   └── StaleEpoch        the writer no longer owns the run
    └── DivergenceError       a replay did something else than the record                        exit code 3

Messages say what was found, what was expected and what to do.
"""


class RepertoryError(Exception):
    """The root: whoever catches it catches everything that this project raises on purpose."""

    exit_code = 1


class UsageError(RepertoryError):
    """The caller asked for something that cannot be; nothing was changed."""

    exit_code = 2


class RunError(RepertoryError):
    """The run cannot go on from here."""


class StepFailed(RunError):
    """A step's side effect failed for good; `code` is the error code that the step reported."""

    def __init__(self, message: str, code: str = "failed") -> None:
        super().__init__(message)
        self.code = code


class BudgetExceeded(RunError):
    """A limit of the scenario was reached before the call that would exceed it."""


class Undeliverable(RunError):
    """A message names an agent that does not exist, or whose factory failed."""


class MissingInput(RunError):
    """An input that the run needs was not given and nobody could be asked; `field` names it."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class EffectWithheld(RunError):
    """A fork came to an effect that cannot be repeated at will, of which its parent has no result."""


class UncertainEffect(RunError):
    """A step that must not happen twice had started and not completed."""


class RunAborted(RunError):
    """A person gave the run up; what could be undone was undone."""


class WaitingForPerson(RunError):
    """All that is open waits for a person; the run goes on when they have decided."""

    exit_code = 4


class Unreachable(RunError):
    """What a step needs could not be reached for as long as it was tried: the run stands still and can be resumed.

    A step that raises it has no result; it is performed again when the run goes on.
    """

    exit_code = 4


class ClusterLost(RunError):
    """Processes that the run needs are gone and do not come back; nothing is lost, and the run can be resumed."""


class JournalError(RepertoryError):
    """The journal cannot be read or written."""


class JournalUnavailable(JournalError):
    """The journal's store cannot be reached, or has no room, at the moment; the same may be tried again."""


class CorruptEvent(JournalError):
    """What is stored is not what was written: `run` and `seq` say where."""

    def __init__(self, message: str, run: str = "", seq: int = 0) -> None:
        super().__init__(message)
        self.run = run
        self.seq = seq


class SeqConflict(JournalError):
    """Two appends claim the same place in a run."""


class StaleEpoch(JournalError):
    """The writer no longer owns the run; somebody else has claimed it since."""


class DivergenceError(RepertoryError):
    """A replay did something else than the record says."""

    exit_code = 3

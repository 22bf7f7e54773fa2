"""What judges a model while it is trained: its task's dev rows, or a corpus's held-out words."""

from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.metrics import value
from kdc.compress.parallel import Crew
from kdc.compress.run import Leg, Run

DEV = "dev"


def judge(run: Run, leg: Leg, crew: Crew) -> dict[str, float]:
    """Return what is found of a model as it stands, by name; `DEV` is what the best is chosen by.

    Args:
        run: the run.
        leg: its stage.
        crew: the processes, which all work along.

    Returns:
        Nothing where nothing judges, or where the stage trains no answers yet.
    """
    if not isinstance(run.dev, Examples):
        return run.dev.judge(run.model, leg, run.padding, crew) if run.dev else {}
    if not leg.keep_best:
        return {}
    logits = predict(run.model, run.dev, run.padding, crew=crew)
    return {DEV: value(run.task.metric, logits, run.dev.labels)}

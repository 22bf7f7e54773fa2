"""Files in turns, as `kdc bench --vs` runs them, without the rest of what it measures."""

from kdc.export.devices import find_device
from kdc.export.jobs import Job
from kdc.export.subject import Subject
from kdc.export.versus import Contest, Versus, compare


def in_turns(
    model: Subject, against: Subject, length: int, rounds: int, seconds: float, seed: int
) -> Versus:
    """Compare two files on this machine, on one thread.

    Args:
        model: above 1, the ratio says that it is faster.
        against: the other.
        length: tokens of every text.
        rounds: most rounds in which both have their turn.
        seconds: most seconds for each of the two and the control.
        seed: gives texts and orders.
    """
    device, address = find_device("host")
    jobs = {
        subject.name: Job(
            str(subject.file.path),
            [length],
            subject.ids,
            threads=1,
            seconds=seconds,
            runs=rounds,
            seed=seed,
            session=dict(subject.session),
        )
        for subject in (model, against)
    }
    contest = Contest(device, "host", address, length, jobs, (model.name,), (against.name,))
    (found,) = compare(contest)
    return found

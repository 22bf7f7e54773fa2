import pickle
from subprocess import CompletedProcess

import pytest

from kdc.compress.errors import GateFailed, KdcError, is_out_of_memory, tells_no_memory, unknown
from kdc.export.fate import fate
from kdc.export.process_memory import told_memory


def test_exit_codes_tell_a_missed_gate_from_any_other_expected_error() -> None:
    """Bug: a build script cannot tell a bad student from a typing mistake."""
    assert KdcError("x").exit_code == 1
    assert GateFailed("x").exit_code == 3
    assert issubclass(GateFailed, KdcError)


def test_the_fact_is_to_be_had_without_the_mend() -> None:
    """Bug: under an export that succeeded, "nothing was written" of a method that was passed over.

    One that came from another process is told as it was there.
    """
    error = GateFailed("it answers NaN", "nothing was written; distil again")
    assert str(error) == "it answers NaN: nothing was written; distil again"
    assert (error.fact, pickle.loads(pickle.dumps(error)).fact) == ("it answers NaN",) * 2
    assert (str(KdcError("x is damaged: y")), KdcError("x is damaged: y").fact) == (
        "x is damaged: y",
        "x is damaged: y",
    )


WANTS_MEMORY = [
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "MPS backend out of memory (MPS allocated: 8.00 GB)",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes",
    "bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 9",
    "Failed to allocate buffer. Error code: 12",
    "[Errno 12] Cannot allocate memory",
    "Unable to allocate 8.00 GiB for an array with shape (1,)",
    "numpy._core._exceptions._ArrayMemoryError: no words",
    "terminate called after throwing an instance of 'std::bad_alloc'",
]


@pytest.mark.parametrize("said", WANTS_MEMORY)
def test_want_of_memory_is_one_thing_everywhere(said: str) -> None:
    """Bug: three lists of words, and each missed what another knew: a run that needed less memory
    was told to export its model again."""
    assert tells_no_memory(said) and is_out_of_memory(RuntimeError(said))
    ended = CompletedProcess([], 1, "", f"Traceback\n{said}\n")
    assert fate(ended, kills_before=0).startswith("ran out of memory;")
    assert told_memory(KdcError(f"m.onnx fails ({said})"), "m.onnx").startswith("m.onnx ran out")


@pytest.mark.parametrize("said", ["m.onnx is no model", "allocated 3 of 4 cores", "memory leak"])
def test_other_words_are_no_want_of_memory(said: str) -> None:
    assert not tells_no_memory(said) and not is_out_of_memory(RuntimeError(said))


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("hintn", ["hinton", "layers"], "unknown recipe 'hintn': did you mean hinton?"),
        ("zzz", ["b", "a"], "unknown recipe 'zzz': did you mean a or b?"),
        ("q", ["c", "b", "a"], "unknown recipe 'q': did you mean a, b or c?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    name: str, known: list[str], sentence: str
) -> None:
    """Bug: 'unknown recipe' without saying which there are sends the user to the source."""
    assert str(unknown("recipe", name, known)) == sentence


def test_a_long_table_is_not_recited() -> None:
    """Bug: a typing mistake in one name prints a hundred."""
    assert str(unknown("x", "?", [f"name{i:03}" for i in range(100)])).count("name") == 8


def test_a_table_is_either_told_whole_or_by_what_is_nearest() -> None:
    """Bug: "there are 9, such as" and the first 8 of them: the one that was meant is the ninth."""
    nine = [f"name{i}" for i in range(9)]
    assert all(name in str(unknown("x", "zz", nine)) for name in nine)
    many = [*(f"{letter}bb" for letter in "abcdefghijkl"), "qqqzzz"]
    assert "the nearest are qqqzzz, " in str(unknown("x", "q1234", many))
    told = str(unknown("recipe", "q1234", many, "kdc list recipes"))
    assert told == "unknown recipe 'q1234': `kdc list recipes` lists all 13"

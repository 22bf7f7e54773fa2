import ctypes
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForMaskedLM

from kdc.compress import runtime
from kdc.compress.early import DEVICES
from kdc.compress.errors import KdcError
from kdc.compress.runtime import (
    autocast,
    choose_device,
    give_memory_back,
    has_bf16,
    lowered,
    plain_attention,
    precision,
)
from tests.families import family_model, some_ids
from tests.tiny import tiny_config

CPU = torch.device("cpu")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a CPU alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("bare")
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    """Bug: `auto` fails on the machines that most people have."""
    assert choose_device("auto") == choose_device("cpu") == CPU


@pytest.mark.usefixtures("two_gpus")
def test_auto_prefers_cuda_and_a_gpu_can_be_numbered() -> None:
    """Bug: training for an hour on the CPU beside an idle GPU."""
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == CPU


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(name: str) -> None:
    """Bug: 'Torch not compiled with CUDA enabled', after the teacher was loaded."""
    with pytest.raises(KdcError, match=f"--device {name}: this machine has none"):
        choose_device(name)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_beyond_the_last_is_refused() -> None:
    """Bug: 'invalid device ordinal' in the middle of a run."""
    with pytest.raises(KdcError, match="--device cuda:2: this machine has none"):
        choose_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    "name", ["gpu", "", "CUDA", "cuda:x", "cuda:-1", "auto:1", "cpu:9", "cuda:1:1"]
)
def test_a_device_that_nobody_has_is_answered_with_those_there_are(name: str) -> None:
    """Bug: RuntimeError: Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, ..."""
    with pytest.raises(KdcError, match=f"unknown device '{name}': did you mean") as caught:
        choose_device(name)
    assert any(known in str(caught.value) for known in DEVICES)


@pytest.mark.parametrize(("there", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_precision_that_is_named_is_the_one_computed_in(
    there: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: kept answers say fp32 and were computed in bf16."""
    monkeypatch.setattr("kdc.compress.runtime.has_bf16", lambda _: there)
    with autocast(CPU):
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == dtype
    assert precision(CPU) == {torch.bfloat16: "bf16", torch.float32: "fp32"}[dtype]


def test_bf16_is_used_where_the_processor_says_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: emulated bf16 on an older processor, several times slower than fp32."""
    if not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("torch before 2.11 asks otherwise")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "avx2": True})
    assert not has_bf16(CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert has_bf16(CPU)
    assert not has_bf16(torch.device("mps"))


@pytest.mark.parametrize(
    ("device", "bf16", "longest", "plain"),
    [("cpu", True, 13, True), ("cpu", True, 512, False), ("cpu", False, 13, False),
     ("cuda", True, 13, False)],
)  # fmt: skip
def test_attention_is_written_out_only_where_that_was_measured_to_be_faster(
    monkeypatch: pytest.MonkeyPatch, device: str, bf16: bool, longest: int, plain: bool
) -> None:
    """Bug: a GPU, fp32 or long texts get the scores of all pairs of tokens in memory."""
    monkeypatch.setattr(runtime, "has_bf16", lambda device: bf16)
    assert plain_attention(torch.device(device), longest) is plain


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc's alone")
def test_what_lies_between_tensors_in_use_is_given_back() -> None:
    """Bug: a run on a CPU grows without end, as each batch leaves gaps that no later one fits."""
    pieces = [torch.ones(16_000) for _ in range(2000)]  # 64 KB each: the heap's, not mapped alone
    del pieces[::2]
    del pieces[::2]  # what is left stands between the gaps
    held = _resident()
    give_memory_back(torch.device("cpu"))
    assert _resident() < held - 50e6
    assert len(pieces) == 500


def _resident() -> int:
    """Return the bytes of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize("family", ["bert", "modernbert", "masked words"])
def test_a_lowered_teacher_says_the_same_bit_for_bit(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: tables are rounded too, or the exact weights are gone for who asks in fp32 next."""
    monkeypatch.setattr(runtime, "has_bf16", lambda device: True)
    words = family == "masked words"
    model: Any = BertForMaskedLM(tiny_config()).eval() if words else family_model(family)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ids, answers = some_ids(3, 7), []
    with torch.no_grad(), autocast(CPU):
        answers.append(model(input_ids=ids).logits)
        with lowered(model, CPU):
            answers.append(model(input_ids=ids).logits)
            kinds = {p.dtype for p in model.parameters()}
            assert model.get_input_embeddings().weight.dtype == torch.float32
    assert torch.equal(*answers) and torch.bfloat16 in kinds
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_where_nothing_is_multiplied_in_bf16_nothing_is_lowered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "has_bf16", lambda device: False)
    model: Any = family_model("bert")
    with lowered(model, CPU):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}

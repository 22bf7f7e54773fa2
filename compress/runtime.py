"""The device that trains, and its precision."""

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.nn import Module
from transformers import PreTrainedModel as Model

from kdc.compress.early import check_device_name
from kdc.compress.errors import KdcError
from kdc.compress.parallel import check_device

_PLAIN_UP_TO = 256  # tokens
_PLACES = {"cpu": 256, "mps": 1024, "cuda": 4096}


def choose_device(name: str) -> torch.device:
    """Return the device to train on; `auto` is CUDA, then MPS, then the CPU.

    Raises:
        KdcError: an unknown name, a device that this machine does not have, or one that several
            processes cannot share.
    """
    check_device_name(name)
    kind, _, index = name.partition(":")
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, there in have.items() if there), "cpu")
    elif not have.get(kind, True) or int(index or 0) >= max(1, torch.cuda.device_count()):
        raise KdcError(f"--device {name}: this machine has none; use --device auto or cpu")
    device = torch.device(name)
    check_device(device)
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16 matrices itself; emulation would be slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # before torch 2.11
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    flags = torch.cpu.get_capabilities()
    return any(flags.get(flag, False) for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes in bf16 where the hardware has it, else in fp32."""
    if has_bf16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def places_at_once(device: torch.device) -> int:
    """Return of how many places the logits over a vocabulary are held in fp32 at a time.

    Of a vocabulary of 30,522 tokens 256 places take 31 MB, which a CPU's caches nearly hold; a GPU
    waits for launches where it gets as few.
    """
    return _PLACES[device.type]


def plain_attention(device: torch.device, longest: int) -> bool:
    """Whether a step is faster with its attention written out than with PyTorch's fused one.

    PyTorch's kernel for CPUs is slow to differentiate in bf16: see `benchmarks/attention.py`; a
    teacher that is only asked gains a tenth. In fp32 and on GPUs it is the faster one. Written out,
    the scores of every pair of tokens are held, for which long texts have no room.

    Args:
        device: that computes.
        longest: tokens of the longest text.
    """
    return device.type == "cpu" and has_bf16(device) and longest <= _PLAIN_UP_TO


def choose_attention(model: Model, device: torch.device, longest: int) -> None:
    """Give a model the attention that is faster; transformers 4.57 cannot change BERT's any more.

    Args:
        model: the model.
        device: that computes.
        longest: tokens of the longest text.
    """
    if plain_attention(device, longest) and model._can_set_attn_implementation():
        model.set_attn_implementation("eager")


def give_memory_back(device: torch.device) -> None:
    """Give what tensors have freed back to the system, where they lie in a CPU's memory.

    Every batch has tensors of other sizes, which leaves gaps that later ones do not fit: within
    500 steps of 8,192 tokens a process that needs 2 GB held 11. glibc alone can be asked for them;
    it takes as long as a twentieth of such a step, so it is done now and then.
    """
    if device.type == "cpu" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


@contextmanager
def lowered(model: Module, device: torch.device) -> Iterator[None]:
    """Hold a frozen model's matrices as `autocast` multiplies them, as long as this lasts.

    What nothing trains is cast anew for every batch otherwise, a tenth of a teacher's time on a
    CPU. The answers are the same, bit for bit: a matrix that is also a table of embeddings, which
    is looked up in fp32, stays as it is.

    Args:
        model: on the device.
        device: that computes.
    """
    if not has_bf16(device):
        yield
        return
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    linears = (part for part in model.modules() if type(part) is nn.Linear)
    held = [p for part in linears for p in part.parameters(recurse=False) if id(p) not in tables]
    exact = [parameter.data for parameter in held]
    for parameter in held:
        parameter.data = parameter.data.bfloat16()
    try:
        yield
    finally:
        for parameter, values in zip(held, exact, strict=True):
            parameter.data = values


@contextmanager
def suited(
    student: Model,
    teacher: Model | None,
    device: torch.device,
    longest: int,
    *,
    compiled: bool = False,
) -> Iterator[None]:
    """Suit the models of a stage to the device, in this process, as long as this lasts.

    Their attention is the one that is faster there, the teacher's matrices are as they are
    multiplied, and both are compiled where that is wanted. Afterwards attention and matrices are
    as before: another run of a sweep may ask the same teacher, and what it says must not depend on
    who asked first.

    Args:
        student: is trained.
        teacher: is asked for every batch; None where its answers are known or not wanted.
        device: that computes.
        longest: tokens of the longest text.
        compiled: whether the encoders are compiled, for any length; they stay so.
    """
    models = [student, *([] if teacher is None else [teacher])]
    before = {model: model.config._attn_implementation for model in models}
    for model in models:
        choose_attention(model, device, longest)
        if compiled:
            model.base_model.compile(dynamic=True)
    try:
        with nullcontext() if teacher is None else lowered(teacher, device):
            yield
    finally:
        for model, attention in before.items():
            if model.config._attn_implementation != attention:
                model.set_attn_implementation(attention)


@contextmanager
def moved(model: Module, device: torch.device) -> Iterator[None]:
    """Let a model that was trained, and lies on the CPU, work on a device as long as this lasts."""
    model.to(device)
    try:
        yield
    finally:
        model.to("cpu")


def precision(device: torch.device) -> str:
    """Name what `autocast` computes in: `bf16` or `fp32`."""
    return "bf16" if has_bf16(device) else "fp32"

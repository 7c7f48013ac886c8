"""Level kernels: CTranslate2 (and torch) compute on the planned device, in every number format they offer."""

from __future__ import annotations

import math
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable, List

from .micro_model import PROMPT, REFERENCE, REFERENCE_FRAME, make_features, make_model
from .reporter import Reporter

__all__ = ["check_ctranslate2", "check_torch", "threads"]

# The cosine between two encoder outputs. Broken kernels give noise, near 0; the coarsest number format,
# int8, was measured at 0.9999 on CPU.
SIMILAR = 0.98
NEW_TOKENS = 16
# Values of torch's products and convolutions below are sums of up to 96 products of normal numbers; TF32,
# which torch may use on GPUs, keeps three digits of each.
TORCH_TOLERANCE = 0.2


def threads() -> int:
    """Return the number of CPU threads a check may use."""
    return max(1, min(4, len(os.sched_getaffinity(0))))


def check_ctranslate2(reporter: Reporter, device: str, scratch: str) -> None:
    """Run the micro-model on every unit of ``device``, in every compute type supported there."""
    if reporter.blocked(f"kernels {device}", "import ctranslate2"):
        return
    supported: List[List[str]] = []

    def list_types() -> str:
        supported[:] = _supported(device)
        return "; ".join(f"{device}:{index} {' '.join(types)}" for index, types in enumerate(supported))

    if not reporter.step(f"kernels {device} types", list_types):
        return
    if not supported:  # an earlier process told of them and died later
        list_types()
    for index, types in enumerate(supported):
        unit = f"{device}:{index}" if len(supported) > 1 else device
        for compute_type in types:
            reporter.step(f"kernels {unit} {compute_type}", _computer(device, index, compute_type, scratch))


def _supported(device: str) -> List[List[str]]:
    """Return the compute types of each unit of ``device``; an exception when there is none."""
    ctranslate2: Any = import_module("ctranslate2")
    count = ctranslate2.get_cuda_device_count() if device == "cuda" else 1
    if not count:
        # Raises with the reason, where the count only says none.
        ctranslate2.get_supported_compute_types(device)
        raise RuntimeError("CTranslate2 finds no CUDA device")
    return [sorted(ctranslate2.get_supported_compute_types(device, index)) for index in range(count)]


def _computer(device: str, index: int, compute_type: str, scratch: str) -> Callable[[], str]:
    def action() -> str:
        ctranslate2: Any = import_module("ctranslate2")
        model = ctranslate2.models.Whisper(
            make_model(os.path.join(scratch, "model")),
            device=device,
            device_index=index,
            compute_type=compute_type,
            intra_threads=threads(),
        )
        encoded = model.encode(ctranslate2.StorageView.from_array(make_features()), to_cpu=True)
        likeness = _likeness(encoded)
        # Also if it is no number.
        if math.isnan(likeness) or likeness < SIMILAR:
            raise ArithmeticError(f"wrong numbers: likeness of the encoder's output is {likeness:.4f}")
        result = model.generate(encoded, [PROMPT], beam_size=2, max_length=NEW_TOKENS)
        if not result[0].sequences_ids[0]:
            raise ArithmeticError("the decoder gave no token")
        return f"runs as {model.compute_type}, likeness {likeness:.4f}"

    return action


def _likeness(encoded: Any) -> float:
    """Return the cosine between the encoder output and the right one, NaN when a number is not finite."""
    ctranslate2: Any = import_module("ctranslate2")
    numpy: Any = import_module("numpy")
    try:
        numbers = numpy.array(encoded, dtype=numpy.float64)
    except (TypeError, RuntimeError, ValueError):  # numpy knows no bfloat16
        numbers = numpy.array(encoded.to(ctranslate2.DataType.float32), dtype=numpy.float64)
    if not numpy.isfinite(numbers).all():
        return float("nan")
    row, right = numbers[0, REFERENCE_FRAME], numpy.array(REFERENCE)
    return float(row @ right / numpy.sqrt((row @ row) * (right @ right)))


def check_torch(reporter: Reporter, device: str) -> None:
    """Multiply and convolve once with torch on ``device``, where torch is in the set."""
    name = f"kernels torch {device}"
    if find_spec("torch") is None or reporter.blocked(name, "import torch"):
        return

    def action() -> str:
        torch: Any = import_module("torch")
        convolve = torch.nn.functional.conv1d
        generator = torch.Generator().manual_seed(1)
        left = torch.randn(64, 96, generator=generator)
        sound = torch.randn(1, 8, 400, generator=generator)
        weight = torch.randn(16, 8, 3, generator=generator)
        there = [tensor.to(device) for tensor in (left, sound, weight)]
        product = (there[0] @ there[0].t()).cpu() - left @ left.t()
        convolution = convolve(there[1], there[2]).cpu() - convolve(sound, weight)
        difference = max(float(product.abs().max()), float(convolution.abs().max()))
        if not difference < TORCH_TOLERANCE:
            raise ArithmeticError(f"wrong numbers: torch is off by {difference}")
        place = torch.cuda.get_device_name(0) if device == "cuda" else "cpu"
        return f"torch {torch.__version__} on {place}"

    reporter.step(name, action)

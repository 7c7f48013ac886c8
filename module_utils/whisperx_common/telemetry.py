"""Both sides: what keeps the packages of an environment from reporting to their makers.

pyannote.audio sends usage data each time a pipeline is loaded or run, offline too; onnxruntime from 1.29 on
writes a device id into the user's home; the Hugging Face libraries name the versions in use to the hub. The
commands of a release switch that off where the user has not set the variable, be it to an empty text.
"""

from __future__ import annotations

import shlex
from typing import Collection, Dict

__all__ = ["OPT_OUTS", "shell"]

# Variable -> value, by what reads it: pyannote.audio 4, onnxruntime, huggingface_hub and transformers.
OPT_OUTS: Dict[str, str] = {
    "PYANNOTE_METRICS_ENABLED": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def shell(given: Collection[str] = ()) -> str:
    """Return lines for a POSIX shell that set what is not set, but for the variables in ``given``."""
    return "".join(
        ': "${{{0}={1}}}"; export {0}\n'.format(name, shlex.quote(value))
        for name, value in sorted(OPT_OUTS.items())
        if name not in given
    )

"""Make a Whisper model and a sound in the current directory, with the makers that the probe left on the host.

<root>/current/launch/python make_inputs.py <root>/current/verify
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, sys.argv[1])

from whisperx_verify.micro_model import make_model  # noqa: E402
from whisperx_verify.speech import write_speech  # noqa: E402

make_model(os.path.abspath("model"))
write_speech("speech.wav")

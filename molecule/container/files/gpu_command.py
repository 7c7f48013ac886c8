"""Print the command of a release for a GPU in docker: gpu_command.py IMAGE, in the project's directory."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.getcwd())

from module_utils.whisperx_container.wrapper import Command, render  # noqa: E402

print(
    render(Command("gpu", "docker", (20, 10), sys.argv[1], (), network="host", gpu="device_request"))[
        "python"
    ]
)

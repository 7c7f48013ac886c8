"""The unit that runs the program at boot, and the program's entry."""

from __future__ import annotations

__all__ = ["ENTRY", "UNIT", "UNITS", "WANTS", "unit"]

UNIT = "whisperx-firstboot.service"
UNITS = "/etc/systemd/system/"
WANTS = UNITS + "multi-user.target.wants/"
_TEXT = """\
# Made by playbooks/bake.yml. Failed means: this machine cannot use the image; the journal and
# /var/lib/whisperx/verdict.json say why.
[Unit]
Description=Select and verify the WhisperX environment of this machine
ConditionPathExists=/usr/lib/whisperx-firstboot/image.json
RequiresMountsFor={root} /var/lib/whisperx /run
After=systemd-modules-load.service nvidia-persistenced.service

[Service]
Type=oneshot
RemainAfterExit=yes
# WHISPERX_PROFILE, WHISPERX_LEVEL, WHISPERX_TIMEOUT
EnvironmentFile=-/etc/default/whisperx-firstboot
ExecStart={python} -I /usr/lib/whisperx-firstboot/firstboot.py
StandardOutput=journal+console
StandardError=journal+console
# Its own time limits are per level of the verification.
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""

ENTRY = '''"""Start the program of whisperx-firstboot.service; see fleet/whisperx_firstboot/main.py."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from distro import LinuxDistribution  # noqa: E402
from fleet.whisperx_firstboot.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(LinuxDistribution))
'''


def unit(python: str, root: str) -> str:
    """Return the unit's text; ``python`` is the interpreter that runs the program."""
    return _TEXT.format(python=python, root=root)

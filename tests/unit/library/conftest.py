"""library/ and module_utils/ where Ansible lays them out: ansible.modules and ansible.module_utils."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils
import ansible.modules

ROOT = Path(__file__).resolve().parents[3]
ansible.modules.__path__.append(str(ROOT / "library"))
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))

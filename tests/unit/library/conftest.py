"""The plugins where Ansible lays them out: below ansible.modules, ansible.module_utils, ansible.plugins."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils
import ansible.modules
import ansible.plugins.action

ROOT = Path(__file__).resolve().parents[3]
ansible.modules.__path__.append(str(ROOT / "library"))
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))
ansible.plugins.action.__path__.append(str(ROOT / "action_plugins"))

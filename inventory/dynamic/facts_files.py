#!/usr/bin/env python3
"""An inventory of machines that nobody has to reach: one file of facts for each.

    WHISPERX_FACTS=DIRECTORY make plan INVENTORY=inventory/dynamic

The directory, ``facts`` beside this file without the variable, has NAME.json for each host: what
tools/capture_host.py printed there, or the facts alone. The other file of this inventory makes groups of
them. An inventory of a cloud or of a database takes this script's place and gives the hosts' addresses
instead.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def hosts(folder: Path) -> dict[str, dict[str, object]]:
    """Return host name to variables. Exits with a sentence for a file that is no JSON."""
    found: dict[str, dict[str, object]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            known = json.loads(path.read_text("utf-8"))
            facts = known.get("facts", known)
        except (ValueError, AttributeError) as error:
            sys.exit(f"{path}: no facts: {error}; wanted: what tools/capture_host.py prints")
        found[path.stem] = {"whisperx_host_source": "assume", "whisperx_host_assume": facts}
    return found


def main() -> None:
    """Answer as Ansible asks; with _meta it need not ask for each host."""
    known = hosts(Path(os.environ.get("WHISPERX_FACTS") or HERE / "facts"))
    print(json.dumps({"described": {"hosts": list(known)}, "_meta": {"hostvars": known}}))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""An inventory of machines that nobody has to reach: one file of facts for each.

    WHISPERX_FACTS=DIRECTORY make plan INVENTORY=inventory/dynamic

The directory, ``facts`` beside this file without the variable, has NAME.json for each host: what
tools/capture_host.py printed there, or the facts alone. The other file of this inventory makes groups of
them. An inventory of a cloud or of a database takes this script's place and gives the hosts' addresses
instead.

What is in such a file is the host's word, and no template: Ansible evaluates none of it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from module_utils.whisperx_common.outside import inventory  # noqa: E402 - beside the checkout's other parts

_LARGEST = 16 << 20  # bytes; the facts of a host are some kilobytes


def facts_of(path: Path) -> Any:
    """Return the facts that a file holds. Exits with a sentence for a file that is no JSON object."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"more than {_LARGEST >> 20} MiB")
        known = json.loads(path.read_text("utf-8"))
        return known.get("facts", known)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        sys.exit(f"{path}: no facts: {error}; wanted: what tools/capture_host.py prints")


def hosts(folder: Path) -> dict[str, dict[str, Any]]:
    """Return host name to variables; what had to be left out is said on the standard error."""
    known, left_out = inventory({path.stem: facts_of(path) for path in sorted(folder.glob("*.json"))})
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    return known


def main() -> None:
    """Answer as Ansible asks; with _meta it need not ask for each host."""
    known = hosts(Path(os.environ.get("WHISPERX_FACTS") or HERE / "facts"))
    print(json.dumps({"described": {"hosts": list(known)}, "_meta": {"hostvars": known}}))


if __name__ == "__main__":
    main()

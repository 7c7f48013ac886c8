"""Write the facts of hosts as an inventory that describes them."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..whisperx_common.output import Output
from ..whisperx_common.outside import inventory

__all__ = ["ARGUMENTS", "write_described"]

ARGUMENTS: dict[str, Any] = {
    "hosts": {"type": "dict", "default": {}},
    "output": {"type": "path", "required": True},
}


def write_described(options: Mapping[str, Any]) -> dict[str, Any]:
    """Write the inventory; return the module's result.

    ``options``: those of the module, as ARGUMENTS has them. Raises Problem where the file cannot be written.
    """
    known, left_out = inventory(options["hosts"])
    output = Output("whisperx_host_output", options["output"])
    output.write(json.dumps({"all": {"hosts": known}}, indent=1) + "\n")
    return {"hosts": list(known), "left_out": left_out}

"""Lets libraries find placed models: at the import of one, the function that looks for models is wrapped.

Why this and no variables: with HF_HUB_OFFLINE and a cache of the site for everybody no other model could be
fetched, a cache of the site without it fails when the hub's main has moved, and the name of a model is known
only when a program asks for it. So each question is answered when it is asked: a model that is placed becomes
a directory, for which none of the libraries asks a server; any other is left to the library as if nothing
were here.

What is wrapped is what these libraries document for their users, wherever in the package it is defined:
`download_model` of faster-whisper, `load_align_model` of WhisperX, `hf_hub_download`, `snapshot_download` and
`try_to_load_from_cache` of huggingface_hub, `load_state_dict_from_url` of torch.hub, and NLTK's search path.
Arguments go by their names. A release of a library that has one of them no more is used as it is, and the
verification of level speech, which asks for a placed model by its name without a network, fails before such a
release becomes active. Which model WhisperX takes for a language is read from its own tables.

Imported at every start of the environment's Python, by a .pth file: it stays small and imports nothing large.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

__all__ = ["install"]


class Call:
    """A call of a wrapped function: the function, its arguments by name, and the module that defines it."""

    def __init__(self, function: Callable[..., Any], arguments: Dict[str, Any], module: Any) -> None:
        self.function = function
        self.arguments = arguments
        self.module = module

    def get(self, name: str) -> Any:
        """Return an argument, None where the caller gave none or the function has none of this name."""
        return self.arguments.get(name)

    def done(self, **changes: Any) -> Any:
        """Call the function itself, with some arguments changed."""
        return self.function(**dict(self.arguments, **changes))


def install() -> None:
    """Watch for the libraries, once in a process."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


class Finder:
    """Finds the modules of the libraries as Python would, and wraps what they define when they are loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the specification of a library's module, None for any other module."""
        top = name.partition(".")[0]
        if top not in _WRAPPERS or (top in _EXACT and name != _EXACT[top]):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                _watch(spec, _WRAPPERS[top])
                return spec
        return None


def _watch(spec: Any, wrappers: Any) -> None:
    """Have a module's definitions wrapped as soon as it is loaded."""
    run = getattr(spec.loader, "exec_module", None)
    if run is None:
        return

    def execute(module: Any) -> None:
        run(module)
        for name, answer in wrappers.items():
            found = vars(module).get(name)
            if name == "path" and isinstance(found, list):
                answer(found)
            elif callable(found) and getattr(found, "__module__", "") == module.__name__:
                setattr(module, name, _wrapped(found, answer, module))

    try:
        spec.loader.exec_module = execute
    except AttributeError:  # a loader without attributes of its own, which none of the libraries has
        return


def _wrapped(function: Callable[..., Any], answer: Callable[[Call], Any], module: Any) -> Callable[..., Any]:
    """Return ``function`` with ``answer`` before it.

    Arguments that its signature does not have stay as they are: libraries still take some by older names.
    """
    import functools
    import inspect

    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        if len(arguments) > len(places):
            return function(*arguments, **named)
        given = {places[number]: argument for number, argument in enumerate(arguments)}
        return answer(Call(function, dict(given, **named), module))

    return wrapper


def _find(call: Call, name: Any, kind: str = "", cache: Any = None) -> str:
    """Return the directory for a model, "" to leave the call to the library."""
    from . import lookup

    if not isinstance(name, str) or call.get("force_download") or call.get("local_dir"):
        return ""
    if call.get("repo_type") not in (None, "model"):
        return ""
    model = lookup.find(name, kind)
    return lookup.located(model, call.get("revision"), cache) if model is not None else ""


def _download_model(call: Call) -> Any:
    """faster-whisper: a size, a repository or a name of the site."""
    name = call.get("size_or_id")
    directory = "" if call.get("output_dir") else _find(call, name, "whisper", call.get("cache_dir"))
    return directory or _fetched(call, name)


def _load_align_model(call: Call) -> Any:
    """WhisperX: the model of a language, by WhisperX's own tables, or one by its name."""
    name = call.get("model_name")
    for table in ("DEFAULT_ALIGN_MODELS_TORCH", "DEFAULT_ALIGN_MODELS_HF"):
        name = name or getattr(call.module, table, {}).get(call.get("language_code"))
    directory = _find(call, name, "align", call.get("model_dir"))
    # A model of torchaudio is a file, which load_state_dict_from_url finds.
    return call.done(model_name=directory) if os.path.isdir(directory) else _fetched(call, name)


def _hf_hub_download(call: Call) -> Any:
    """The hub: one file. What a placed revision does not have is not asked for elsewhere."""
    directory = _find(call, call.get("repo_id"), cache=call.get("cache_dir"))
    if not directory or call.get("dry_run"):
        return call.done()
    path = os.path.join(directory, call.get("subfolder") or "", str(call.get("filename")))
    if os.path.exists(path):
        return path
    from importlib import import_module

    raise import_module("huggingface_hub.utils").LocalEntryNotFoundError(
        "{} is none of the placed files of {}; {}=0 passes placed models over".format(
            call.get("filename"), call.get("repo_id"), "WHISPERX_PLACED_MODELS"
        )
    )


def _snapshot_download(call: Call) -> Any:
    """The hub: all files of a model."""
    directory = "" if call.get("dry_run") else _find(call, call.get("repo_id"), cache=call.get("cache_dir"))
    return directory or call.done()


def _try_to_load_from_cache(call: Call) -> Any:
    """The hub: whether there is a file; transformers asks this after a download."""
    directory = _find(call, call.get("repo_id"), cache=call.get("cache_dir"))
    path = os.path.join(directory, str(call.get("filename")))
    return path if directory and os.path.exists(path) else call.done()


def _load_state_dict_from_url(call: Call) -> Any:
    """torch: weights at an address, kept under the file's name."""
    from urllib.parse import urlsplit

    from . import lookup

    file = call.get("file_name") or os.path.basename(urlsplit(str(call.get("url"))).path)
    directory = lookup.checkpoint(file, call.get("model_dir"))
    return call.done(model_dir=directory) if directory else call.done()


def _nltk_path(path: Any) -> None:
    """NLTK: its directories, those of NLTK_DATA first."""
    from . import lookup

    directory = lookup.sentences()
    if directory and directory not in path:
        path.insert(lookup.own_entries("NLTK_DATA"), directory)


def _fetched(call: Call, name: Any) -> Any:
    """Leave a model to the library; where that fails, say how the site would have it."""
    try:
        return call.done()
    except Exception:
        from . import lookup

        if isinstance(name, str) and lookup.store():
            lookup.say(
                "{} is not among the placed models ({}) and could not be loaded otherwise; add it to "
                "whisperx_models and run site.yml.".format(name, lookup.store())
            )
        raise


# Where a package has one module of that purpose, only that one is looked at.
_EXACT = {"torch": "torch.hub", "nltk": "nltk.data"}
# Package -> name of what it defines -> the answer that goes before it.
_WRAPPERS: Dict[str, Dict[str, Callable[[Any], Any]]] = {
    "faster_whisper": {"download_model": _download_model},
    "whisperx": {"load_align_model": _load_align_model},
    "huggingface_hub": {
        "hf_hub_download": _hf_hub_download,
        "snapshot_download": _snapshot_download,
        "try_to_load_from_cache": _try_to_load_from_cache,
    },
    "torch": {"load_state_dict_from_url": _load_state_dict_from_url},
    "nltk": {"path": _nltk_path},
}

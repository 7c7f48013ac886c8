"""What releases of the packages ask for by which name, read in their wheels: nothing of it is copied here.

Their sources are parsed, never imported or run. What a wheel does not have is empty.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_lock.contents import UNREADABLE
from ..whisperx_problem import Problem

__all__ = ["PACKAGES", "Tables", "read_tables"]

# The packages that know names of models.
PACKAGES = ("whisperx", "faster-whisper", "pyannote-audio", "torchaudio")
_LARGEST = 4 << 20  # bytes of one source


@dataclass(frozen=True)
class Tables:
    """Of one set of packages.

    ``whisper``: name to repository; ``align``: language to torchaudio's bundle or a repository; ``bundles``:
    torchaudio's bundle to its file; ``sentences``: language to NLTK's name of it, None where the release
    uses no data of NLTK; ``nested``: parameter of a diarization pipeline to repository and folder that it has
    by default.
    """

    whisper: Mapping[str, str] = field(default_factory=dict)
    align: Mapping[str, str] = field(default_factory=dict)
    bundles: Mapping[str, str] = field(default_factory=dict)
    sentences: Mapping[str, str] | None = None
    nested: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def read_tables(wheels: Mapping[str, Path]) -> Tables:
    """Return what the wheels (package to file) say. Raises Problem "models.wheel"."""
    source = _Sources(wheels)
    align = source.tree("whisperx", "whisperx/alignment.py")
    uses_data = any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and "punkt_tab" in node.value
        for node in ast.walk(align)
    )
    languages = _mapping(source.tree("whisperx", "whisperx/utils.py"), "PUNKT_LANGUAGES")
    return Tables(
        whisper=_mapping(source.tree("faster-whisper", "faster_whisper/utils.py"), "_MODELS"),
        align={
            **_mapping(align, "DEFAULT_ALIGN_MODELS_HF"),
            **_mapping(align, "DEFAULT_ALIGN_MODELS_TORCH"),
        },
        bundles=_bundles(source.tree("torchaudio", "torchaudio/pipelines/_wav2vec2/impl.py")),
        sentences=languages if uses_data else None,
        nested=_nested(source.tree("pyannote-audio", "pyannote/audio/pipelines/speaker_diarization.py")),
    )


class _Sources:
    """The sources in some wheels."""

    def __init__(self, wheels: Mapping[str, Path]) -> None:
        self.wheels = wheels

    def tree(self, package: str, name: str) -> ast.Module:
        """Return a source's syntax tree, an empty one where there is none."""
        path = self.wheels.get(package)
        if path is None:
            return ast.Module([], [])
        try:
            with zipfile.ZipFile(path) as archive:
                if name not in archive.namelist():
                    return ast.Module([], [])
                with archive.open(name) as stream:
                    return ast.parse(stream.read(_LARGEST))
        except (*UNREADABLE, SyntaxError, RecursionError) as error:
            raise Problem(
                "models.wheel",
                f"{name} cannot be read: {type(error).__name__}",
                str(path),
                f"a wheel of {package} with that source",
                "Remove the file and run again: it is downloaded again.",
            ) from None


def _mapping(tree: ast.Module, name: str) -> dict[str, str]:
    """Return a dictionary of texts that a module assigns to a name."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = _literal(node.value)  # type: ignore[attr-defined]
            if isinstance(value, dict):
                return {str(key): str(entry) for key, entry in value.items()}
    return {}


def _bundles(tree: ast.Module) -> dict[str, str]:
    """Return torchaudio's bundles: NAME = Wav2Vec2ASRBundle(_path="file.pth"), by name or as the first."""
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        values = [key.value for key in node.value.keywords if key.arg == "_path"] + node.value.args[:1]
        files = [_literal(value) for value in values]
        if files and isinstance(files[0], str) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = files[0]
    return found


def _nested(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return the defaults of SpeakerDiarization's parameters that name a model."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name != "SpeakerDiarization":
            continue
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                names = [argument.arg for argument in function.args.args]
                values = [_literal(value) for value in function.args.defaults]
                pairs = zip(names[-len(values) :] if values else [], values, strict=True)
                found |= {name: model for name, value in pairs if (model := model_of(value))}
    return found


def model_of(value: Any) -> tuple[str, str] | None:
    """Return repository and folder that a parameter of a pipeline names, None for none, or one inside it."""
    folder = ""
    if isinstance(value, dict):
        folder, value = str(value.get("subfolder") or ""), value.get("checkpoint")
    if not isinstance(value, str) or value.startswith(("$", "/", ".")) or value.count("/") != 1:
        return None
    return value.partition("@")[0], folder


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None

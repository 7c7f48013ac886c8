"""A store of placed models, as whisperx_models makes it on a host: the layout that the look-up relies on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Store"]

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Store:
    """A store at ``root``; ``place`` what it shall hold, then ``finish``."""

    root: Path
    name: str = "0123456789abcdef"
    models: list[dict[str, Any]] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """The set's own directory."""
        return self.root / "sets" / self.name

    def whisper(self, name: str, source: Path, repository: str = "", revision: str = REVISION) -> Path:
        """Place a Whisper model from a directory; return where it lies."""
        repository = repository or f"Systran/faster-whisper-{name}"
        return self.hub("whisper", [name, repository], repository, source, revision)

    def hub(
        self,
        kind: str,
        names: Sequence[str],
        repository: str,
        source: Path | Mapping[str, bytes],
        revision: str = REVISION,
        language: str | None = None,
    ) -> Path:
        """Place a model that is laid out as in a cache of the hub; return its snapshot."""
        folder = f"hub/models--{repository.replace('/', '--')}"
        refs = self.directory / folder / "refs/main"
        refs.parent.mkdir(parents=True, exist_ok=True)
        refs.write_text(revision)
        path = f"{folder}/snapshots/{revision}"
        self._keep(kind, names, path, _contents(source), repository, revision, language)
        return self.directory / path

    def torch(self, file: str, content: bytes | Path, language: str = "en") -> Path:
        """Place weights of torchaudio; return the file."""
        path = f"torch/hub/checkpoints/{file}"
        self._keep("align", [language], path, {"": content}, None, "torchaudio", language)
        return self.directory / path

    def sentences(self, source: Path | Mapping[str, bytes]) -> Path:
        """Place NLTK's data, given below punkt_tab; return NLTK's directory."""
        contents = {f"tokenizers/punkt_tab/{name}": data for name, data in _contents(source).items()}
        self._keep("sentences", ["punkt_tab"], "nltk", contents, None, "1", None)
        return self.directory / "nltk"

    def finish(self) -> Path:
        """Write the manifest, activate the set and return the root."""
        manifest = {"schema": 1, "models": self.models}
        (self.directory / "manifest.json").write_text(json.dumps(manifest, indent=1))
        link = self.root / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(f"sets/{self.name}")
        for folder in (self.root, *self.root.rglob("*")):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o755)
        return self.root

    def _keep(
        self,
        kind: str,
        names: Sequence[str],
        path: str,
        contents: Mapping[str, bytes | Path],
        repository: str | None,
        revision: str,
        language: str | None,
    ) -> None:
        files = []
        for name, content in contents.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            kept = self.root / "files" / digest
            kept.parent.mkdir(parents=True, exist_ok=True)
            if not kept.exists():
                kept.write_bytes(data)
                kept.chmod(0o444)
            target = self.directory / path / name if name else self.directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if kind == "sentences":
                shutil.copy(kept, target)  # nltk 3.10 refuses a file with several links
            else:
                os.link(kept, target)
            relative = str(target.relative_to(self.directory))
            files.append({"path": relative, "size": len(data), "sha256": digest})
        self.models.append(
            {
                "kind": kind,
                "name": names[0],
                "names": list(names),
                "language": language,
                "repository": repository,
                "revision": revision,
                "path": path,
                "requires": [],
                "files": files,
            }
        )


def _contents(source: Path | Mapping[str, bytes]) -> Mapping[str, bytes | Path]:
    if not isinstance(source, Path):
        return source
    return {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}

"""Reading the hand-kept rows: every row is checked, every complaint names file, row and field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from string import Formatter
from typing import Any, TypeVar

from ..whisperx_common.versions import Numbers, strict_numbers
from ..whisperx_libraries import InvalidRequirement, InvalidSpecifier, Requirement, SpecifierSet
from .container_rows import ContainerRows, read_engine, read_installer, read_known, read_layer
from .fields import Fields
from .interpreter_rows import Standalone, read_mirror, read_standalone
from .release import canonical, requirement, specifier
from .rows import (
    Advisory,
    Amendment,
    Block,
    Build,
    CpuNeed,
    Distro,
    Generation,
    PackageInfo,
    Rows,
    Rule,
    Sdist,
    Series,
)

__all__ = ["read_rows"]

_CONFIDENCE = ("measured", "documented", "hypothesis")
Row = TypeVar("Row")


class _File:
    """One YAML file of rows: sections of rows, and the sources that the rows name."""

    def __init__(self, name: str, data: Any) -> None:
        self.top = Fields(data, "catalogue.malformed", name, "Correct that row of the catalogue")
        sources = self.top.child("sources")
        self.sources: Mapping[str, Any] = sources.data if sources else {}

    def read(self, section: str, make: Callable[[Fields, str], Row]) -> tuple[Row, ...]:
        """Return the rows of a section, each with its source spelt out; every row needs source and
        confidence. Their order in the file does not count.
        """
        if section not in self.top.data:
            raise self.top.problem(section, None, "a list of rows")
        found = []
        for row in self.top.children(section):
            source = row.needed("source", row.text("source"))
            row.needed("confidence", row.choice("confidence", _CONFIDENCE))
            found.append(make(row, str(self.sources.get(source, source))))
        return tuple(sorted(found, key=repr))


def _text(row: Fields, key: str) -> str:
    return str(row.needed(key, row.text(key)))


def _version(row: Fields, key: str) -> Numbers:
    found: Numbers = row.needed(key, row.version(key))
    return found


def _range(row: Fields, key: str = "versions") -> SpecifierSet:
    text = row.text(key) or ""
    try:
        return specifier(text)
    except InvalidSpecifier:
        raise row.problem(key, text, "a PEP 440 specifier") from None


def _requirements(row: Fields, key: str) -> tuple[Requirement, ...]:
    found = []
    for entry in row.texts(key):
        try:
            found.append(requirement(entry))
        except InvalidRequirement:
            raise row.problem(key, entry, "a PEP 508 requirement") from None
    return tuple(found)


def _hex(row: Fields, key: str) -> int:
    text = _text(row, key)
    try:
        return int(text, 16)
    except ValueError:
        raise row.problem(key, text, "a hexadecimal device id") from None


Compilers = Sequence[tuple[Numbers, Numbers, Numbers]]


def _build(row: Fields, compilers: Compilers) -> Build:
    cuda = row.version("cuda")
    fitting = [(first, last) for made, first, last in compilers if cuda and made <= cuda]
    for key in ("sass", "ptx"):
        for text in row.capabilities(key):
            capability = strict_numbers(text) or ()
            if not fitting or not fitting[-1][0] <= capability <= fitting[-1][1]:
                raise row.problem(key, text, "a capability that its CUDA compiles for (gpus.yml, compilers)")
    return Build(_text(row, "build"), cuda, row.version("cudnn"), row.texts("sass"), row.texts("ptx"))


def _series(row: Fields, source: str, compilers: Compilers) -> tuple[tuple[str, str], Series]:
    default = _text(row, "default")
    builds = [_build(entry, compilers) for entry in row.children("builds")]
    if default not in {build.name for build in builds}:
        raise row.problem("default", default, "one of the row's builds")
    # The default first, then the newest CUDA: what the ordinary index gives needs no other index.
    builds.sort(key=lambda build: (build.name == default, build.cuda or ()), reverse=True)
    return (_text(row, "series"), _text(row, "machine")), Series(default, tuple(builds), source)


def _amendment(row: Fields, source: str) -> Amendment:
    python = row.text("python")
    if python is not None:
        _range(row, "python")
    return Amendment(
        id=_text(row, "id"),
        package=canonical(_text(row, "package")),
        versions=_range(row),
        adds=_requirements(row, "adds"),
        limits=_requirements(row, "limits"),
        drops=_requirements(row, "drops"),
        python=python,
        sentence=_text(row, "sentence"),
        source=source,
    )


def _package(row: Fields, source: str) -> PackageInfo:
    return PackageInfo(
        name=canonical(_text(row, "name")),
        module=row.text("module"),
        rank=row.needed("rank", row.whole("rank")),
        optional=bool(row.flag("optional")),
        computes=bool(row.flag("computes")),
        builds=bool(row.flag("builds")),
        measured=bool(row.flag("measured")),
        scripts=row.texts("scripts"),
        system=row.texts("system"),
        cpu={str(machine): cpu.texts(machine) for machine in cpu.data} if (cpu := row.child("cpu")) else {},
    )


def _cpu_need(row: Fields, source: str) -> CpuNeed:
    return CpuNeed(canonical(_text(row, "package")), _range(row), _text(row, "machine"), row.texts("flags"))


def _sdist(row: Fields, source: str) -> Sdist:
    recipe = {
        "package": canonical(_text(row, "name")),
        "version": _text(row, "version"),
        "sdist_sha256": _text(row, "sdist_sha256"),
        "build_requires": list(row.texts("build_requires")),
    }
    return Sdist(recipe, canonical(_text(row, "needed_by")), _range(row))


def _distro(row: Fields, source: str) -> Distro:
    libc = row.child("libc")
    return Distro(
        id=_text(row, "id"),
        version=row.text("version") or "",
        codename=row.text("codename"),
        libc=(libc.text("family") or "glibc", libc.version("version")) if libc else ("glibc", None),
        python=row.version("python"),
        offered=tuple(
            (_version(entry, "version"), _text(entry, "package")) for entry in row.children("offered")
        ),
        ffmpeg=row.text("ffmpeg"),
        ffmpeg_note=row.text("ffmpeg_note"),
        distutils=row.text("distutils"),
        libavutil=row.whole("libavutil"),
    )


def _template(row: Fields, key: str, value: str) -> str:
    """Return a sentence with words in braces; they have to be plain names."""
    try:
        words = [word for _text, word, _form, _conversion in Formatter().parse(value) if word is not None]
    except ValueError:
        words = [""]
    if not all(word.isidentifier() for word in words):
        raise row.problem(key, value, "a sentence whose braces hold a word each")
    return value


def _threshold(row: Fields, key: str) -> Any:
    """Return a number or name that a rule works with, or a list of such."""
    value = row.data[key]
    return list(row.texts(key)) if isinstance(value, list) else row.needed(key, row.text(key))


def _rule(row: Fields, source: str) -> Rule:
    thresholds, variants = row.child("thresholds"), row.child("variants")
    return Rule(
        id=_text(row, "id"),
        order=row.needed("order", row.whole("order")),
        sentence=_template(row, "sentence", _text(row, "sentence")),
        wanted=_template(row, "wanted", _text(row, "wanted")),
        remedy=_template(row, "remedy", row.text("remedy") or ""),
        variants={str(key): _template(variants, str(key), _text(variants, key)) for key in variants.data}
        if variants
        else {},
        cures=row.texts("cures"),
        thresholds={key: _threshold(thresholds, key) for key in thresholds.data} if thresholds else {},
        source=source,
    )


def _ffmpeg(row: Fields, source: str) -> tuple[str, SpecifierSet, frozenset[int]]:
    return canonical(_text(row, "package")), _range(row), frozenset(row.wholes("libavutil"))


def read_rows(documents: Mapping[str, Any]) -> Rows:
    """Read the YAML documents (file name -> content). Raises Problem "catalogue.malformed" naming file, row
    and field.
    """
    files = {name: _File(name, data) for name, data in documents.items()}
    drivers, gpus, torch = files["drivers.yml"], files["gpus.yml"], files["torch_builds.yml"]
    names, blocked, packages = files["sonames.yml"], files["blocked.yml"], files["packages.yml"]
    compilers = gpus.read(
        "compilers",
        lambda row, _: (_version(row, "cuda"), _version(row, "first"), _version(row, "last")),
    )
    served = {row.name: row for row in drivers.read("generations", _served)}
    return Rows(
        toolkits=drivers.read("toolkits", lambda row, _: (_version(row, "cuda"), _version(row, "driver"))),
        floors=dict(
            drivers.read("floors", lambda row, _: (_version(row, "cuda")[0], _version(row, "driver")))
        ),
        branches=tuple(
            sorted(
                drivers.read("branches", lambda row, _: (_version(row, "branch")[0], _version(row, "cuda")))
            )
        ),
        ptx=tuple(sorted(drivers.read("ptx", lambda row, _: (_version(row, "isa"), _version(row, "cuda"))))),
        generations=gpus.read("generations", lambda row, _: _generation(row, served)),
        devices=gpus.read(
            "devices", lambda row, _: (_hex(row, "first"), _hex(row, "last"), _version(row, "capability"))
        ),
        series=dict(torch.read("series", lambda row, source: _series(row, source, sorted(compilers)))),
        ignored=frozenset(names.read("ignored", lambda row, _: _text(row, "soname"))),
        soname_optional=frozenset(names.read("optional", lambda row, _: _text(row, "soname"))),
        soname_parts=names.read("parts", lambda row, _: _text(row, "prefix")),
        ffmpeg=names.read("ffmpeg", _ffmpeg),
        amendments=tuple(
            sorted(files["amendments.yml"].read("amendments", _amendment), key=lambda row: row.id)
        ),
        blocked=blocked.read(
            "blocked",
            lambda row, source: Block(
                canonical(_text(row, "package")), _range(row), _text(row, "why"), source
            ),
        ),
        advisories=blocked.read(
            "advisories",
            lambda row, _: Advisory(
                canonical(_text(row, "package")),
                _range(row),
                row.needed("device", row.choice("device", ("any", "cuda", "cpu"))),
                row.whole("capability"),
                _text(row, "id"),
                _text(row, "sentence"),
            ),
        ),
        platforms=files["platforms.yml"].read(
            "platforms",
            lambda row, _: (
                _text(row, "machine"),
                _text(row, "family"),
                _version(row, "minimum"),
                _text(row, "platform"),
            ),
        ),
        packages={row.name: row for row in packages.read("packages", _package)},
        build_parts=packages.read(
            "build_parts",
            lambda row, _: (
                _text(row, "prefix"),
                row.needed("treat", row.choice("treat", ("drop", "limit-on-cpu"))),
            ),
        ),
        cpu_needs=packages.read("cpu_needs", _cpu_need),
        cpu_implies=dict(
            packages.read("cpu_implies", lambda row, _: (_text(row, "flag"), frozenset(row.texts("flags"))))
        ),
        built_from_sdist={row.recipe["package"]: row for row in packages.read("built_from_sdist", _sdist)},
        distros=files["distros.yml"].read("distros", _distro),
        rules={row.id: row for row in files["rules.yml"].read("rules", _rule)},
        containers=_containers(files["bases.yml"]),
        standalone=_standalone(files["interpreters.yml"]),
    )


def _standalone(file: _File) -> tuple[Standalone, ...]:
    """Return the standalone builds, below the first of the file's addresses."""
    base = next(iter(file.read("bases", read_mirror)), "")
    return file.read("interpreters", lambda row, source: read_standalone(row, source, base))


def _containers(file: _File) -> ContainerRows:
    installers = file.read("installers", read_installer)
    return ContainerRows(
        bases=file.read("bases", read_known),
        installers={name: commands for names, commands in installers for name in names},
        layers=file.read("layers", read_layer),
        engines=file.read("engines", read_engine),
    )


def _served(row: Fields, source: str) -> Generation:
    """Read what drivers.yml says of a generation; its capabilities are in gpus.yml."""
    last = row.version("last")
    return Generation(
        name=_text(row, "generation"),
        first=(),
        last=(),
        first_branch=_version(row, "first")[0],
        last_branch=last[0] if last else None,
        modules=row.choice("modules", ("open", "proprietary")),
    )


def _generation(row: Fields, served: Mapping[str, Generation]) -> Generation:
    name = _text(row, "generation")
    if name not in served:
        raise row.problem("generation", name, "a generation of drivers.yml")
    return replace(served[name], first=_version(row, "first"), last=_version(row, "last"))

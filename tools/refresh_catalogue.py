#!/usr/bin/env python3
"""Measure the packages of the catalogue on a package index.

Writes roles/whisperx_plan/files/catalogue/packages/. Nothing is downloaded whole: the index lists the files,
METADATA and single libraries are read out of the wheels by range requests. What is written already is kept,
so a run that was cut short goes on; --again measures anew.

With --check nothing is written. It also tells what the hand-kept rows beside the measured ones lack of what
those imply (drivers, PTX, toolkits, torch builds), and which sources nobody has read for long.

    tools/refresh_catalogue.py                          # all of the catalogue's measure.yml
    tools/refresh_catalogue.py --package ctranslate2    # one (may be repeated)
    tools/refresh_catalogue.py --check                  # is anything new upstream, or missing here?

Exit codes: 0 done (or nothing new), 1 something is new or changed (--check), 2 a problem, told in a sentence.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_measure.libraries import measure  # noqa: E402
from module_utils.whisperx_measure.metadata import extras_of, requires_dist  # noqa: E402
from module_utils.whisperx_measure.packages import FILE, Package, load_packages  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from tools.catalogue.drift import drift, read_tables  # noqa: E402
from tools.catalogue.index import File, Index, default_index  # noqa: E402
from tools.catalogue.listing import MACHINES, Listed, list_releases, pick  # noqa: E402
from tools.catalogue.store import Store  # noqa: E402
from tools.catalogue.wheels import RemoteWheel, read_metadata  # noqa: E402

__all__ = ["main"]

OUTPUT = ROOT / "roles/whisperx_plan/files/catalogue/packages"
# What of a release comes out of its wheels, and is not asked for again.
MEASURED = ("requires_dist", "requires_dist_aarch64", "extras", "abi")
PACKAGES = OUTPUT.parent / FILE
GAPS = ROOT / "tools/catalogue/gaps.yml"


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; returns its exit code."""
    options = _parser().parse_args(arguments)
    index: Index | None = None
    try:
        packages = _chosen(load_packages(PACKAGES), options.package)
        index = Index(options.index_url or default_index())
        if options.check:
            news = check(index, packages, options)
            print("\n".join(news) or "nothing new or changed")
            return 1 if news else 0
        for package in packages:
            refresh(index, package, options)
        _say(f"{index.requests} requests, {index.received / 1e6:.1f} MB received")
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 2
    finally:
        if index is not None:
            index.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Without --index-url: UV_DEFAULT_INDEX, UV_INDEX_URL, PIP_INDEX_URL, else pip's own default.",
    )
    parser.add_argument("--package", action="append", help="only this package (may be repeated)")
    parser.add_argument("--check", action="store_true", help="report what is new or changed, write nothing")
    parser.add_argument("--again", action="store_true", help="measure anew what is measured already")
    parser.add_argument(
        "--skip-abi", action="store_true", help="listing and METADATA only, read no libraries"
    )
    parser.add_argument("--index-url", help="the index to ask")
    parser.add_argument(
        "--tables", type=Path, default=OUTPUT.parent, help="directory of the hand-kept rows, for --check"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="directory of the measured files")
    return parser


def _chosen(packages: list[Package], names: list[str] | None) -> list[Package]:
    known = {package.name for package in packages}
    for name in names or []:
        if name not in known:
            raise Problem(
                "catalogue.package",
                f"{name} is not measured",
                "--package",
                "one of " + ", ".join(sorted(known)),
                f"Add a row to {PACKAGES.relative_to(ROOT)} or correct the name.",
            )
    return [package for package in packages if not names or package.name in names]


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def check(index: Index, packages: list[Package], options: argparse.Namespace) -> list[str]:
    """What the index has that the files do not tell, then what the hand-kept rows lack; with all packages
    also which of those are old.
    """
    news: list[str] = []
    releases: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        listed = {str(item.version): item for item in list_releases(package, index.files(package.name))}
        stored = Store(options.output, package.name, package.cuda).releases
        news += differences(package, stored, listed)
        releases[package.name] = [
            stored.get(version) or _unmeasured(index, package, item) for version, item in listed.items()
        ]
    today = None if options.package else datetime.datetime.now(datetime.UTC).date()
    return news + drift(read_tables(options.tables, GAPS), releases, today)


def _unmeasured(index: Index, package: Package, item: Listed) -> dict[str, Any]:
    """What can be told of a new release without its libraries: of torch also for which CUDA it is."""
    record = item.record()
    file = pick(item.wheels, "x86_64")
    if package.name == "torch" and file is not None:
        record["requires_dist"] = requires_dist(read_metadata(index, file))
    return record


def differences(
    package: Package, stored: Mapping[str, Mapping[str, Any]], listed: Mapping[str, Listed]
) -> Iterator[str]:
    """One line for each release of the index that is not as the file has it, and for each that is gone."""
    for version, item in listed.items():
        if version not in stored:
            yield f"{package.name} {version}: new"
            continue
        record = item.record()
        changed = [name for name, value in record.items() if stored[version].get(name) != value]
        if changed:
            yield f"{package.name} {version}: changed ({', '.join(changed)})"
    for version in stored.keys() - listed.keys():
        yield f"{package.name} {version}: gone"


def refresh(index: Index, package: Package, options: argparse.Namespace) -> None:
    """Bring the file of one package up to date; saved after every release that took measuring."""
    store = Store(options.output, package.name, package.cuda)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    listed = list_releases(package, index.files(package.name))
    known = store.releases
    records = []
    for item in listed:
        record = item.record()
        old = {} if options.again else known.get(record["version"], {})
        record.update({key: old[key] for key in MEASURED if key in old})
        records.append(record)
    store.replace(records)
    todo = list(_steps(index, package, listed, records, options.skip_abi))
    _say(f"{package.name}: {len(records)} releases, {len(todo)} to measure")
    for number, (text, step) in enumerate(todo, 1):
        _say(f"{package.name} {number}/{len(todo)}: {text}")
        step()
        store.save(today)
    if store.save(today) or todo:
        _say(f"{package.name}: written")


def _steps(
    index: Index, package: Package, listed: list[Listed], records: list[dict[str, Any]], skip_abi: bool
) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is left to measure, newest first, as (label, action on the record)."""
    pairs = list(zip(listed, records, strict=True))[::-1]
    for item, record in pairs:
        if "requires_dist" not in record and item.wheels:
            yield f"{item.version} METADATA", partial(_requires, index, package, item, record)
    if package.members is None or skip_abi:
        return
    for item, record in pairs:
        for machine in MACHINES:
            file = pick(item.wheels, machine)
            if file is not None and machine not in record.get("abi", {}):
                step = partial(_libraries, index, package, file, machine, record)
                yield f"{item.version} {machine} libraries", step


def _requires(index: Index, package: Package, item: Listed, record: dict[str, Any]) -> None:
    """Read METADATA of the wheel that stands for the release, and of aarch64's where that differs."""
    files = [found for machine in MACHINES if (found := pick(item.wheels, machine))] or list(item.wheels[:1])
    metadata = read_metadata(index, files[0])
    record["requires_dist"] = requires_dist(metadata)
    if "extras" in package.also:
        record["extras"] = extras_of(metadata)
    for other in files[1:]:
        theirs = requires_dist(read_metadata(index, other))
        if theirs != record["requires_dist"]:
            record["requires_dist_aarch64"] = theirs


def _libraries(index: Index, package: Package, file: File, machine: str, record: dict[str, Any]) -> None:
    with RemoteWheel(index, file) as wheel:
        record.setdefault("abi", {})[machine] = measure(wheel, package, file.name)


if __name__ == "__main__":
    sys.exit(main())

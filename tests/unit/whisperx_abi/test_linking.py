"""Libraries, symbols, versions and claims: what the audit says against what the real loader does."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_abi import symbols
from module_utils.whisperx_abi.audit import Audit, Use, audit
from module_utils.whisperx_abi.dynamic import pairs
from module_utils.whisperx_abi.header import Header
from module_utils.whisperx_abi.loader import libraries
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_abi.elf_samples import CC, compile_library, write_library

pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
SITE = Path("lib/python3.13/site-packages")
INNER = "int inner(void) { return 1; }\n"
MIDDLE = "int inner(void); int middle(void) { return inner(); }\n"
# What is named before the code that uses it stays needed.
KEEP = "-Wl,--no-as-needed"
OUTER = "int middle(void); int outer(void) { return middle(); }\n"


def look(root: Path, **use: object) -> Audit:
    options = {"optional": (), "interpreter": sys.executable, **use}
    return audit(str(root), "9.9", os.uname().machine, True, "2.41", Use(**options))  # type: ignore[arg-type]


def rules(found: Audit) -> list[tuple[str, str]]:
    return [(item.rule, os.path.basename(item.file)) for item in found.findings]


def noted(found: Audit) -> list[tuple[str, str]]:
    return [(item.rule, os.path.basename(item.file)) for item in found.notes]


def loads(library: Path, *before: Path, environment: dict[str, str] | None = None) -> bool:
    """Whether the real loader takes it, after others, with all symbols bound at once as `import` does."""
    code = "import ctypes, sys\nfor name in sys.argv[1:]: ctypes.CDLL(name, ctypes.RTLD_GLOBAL)"
    command = [sys.executable, "-c", code, *before, library]
    done = subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, **(environment or {})}
    )
    return done.returncode == 0


def chain(root: Path, outer: str, middle: str) -> Path:
    """outer.so needs libmiddle.so, that libinner.so; a directory for each, linker options for two."""
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True)
    inner = compile_library(root / "c", "libinner.so", "-Wl,-soname,libinner.so", source=INNER)
    options = ["-Wl,-soname,libmiddle.so", *([middle] if middle else [])]
    where = [KEEP, f"-Wl,-rpath-link,{root / 'c'}", f"-L{root / 'c'}", f"-L{root / 'b'}"]
    compile_library(root / "b", "libmiddle.so", *options, *where, str(inner), source=MIDDLE)
    options = [*outer.split(), *where, str(root / "b/libmiddle.so")]
    return compile_library(root / "a", "outer.so", *options, source=OUTER)


RPATH, RUNPATH = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


@pytest.mark.parametrize(
    ("outer", "middle", "fits"),
    [
        (f"{RPATH},-rpath,$ORIGIN/../b", "-Wl,-rpath,$ORIGIN/../c", True),
        (f"{RUNPATH},-rpath,$ORIGIN/../b", "-Wl,-rpath,$ORIGIN/../c", True),
        # DT_RPATH serves the libraries of the libraries, DT_RUNPATH does not.
        (f"{RPATH},-rpath,${{ORIGIN}}/../b:$ORIGIN/../c", "", True),
        (f"{RUNPATH},-rpath,$ORIGIN/../b:$ORIGIN/../c", "", False),
        # An object with DT_RUNPATH of its own does not ask those that led to it.
        (f"{RPATH},-rpath,$ORIGIN/../b:$ORIGIN/../c", f"{RUNPATH},-rpath,$ORIGIN/../none", False),
        (f"{RPATH},-rpath,$ORIGIN/../none", f"{RPATH},-rpath,$ORIGIN/../c", False),
    ],
)
def test_paths_are_followed_as_the_loader_follows_them(
    tmp_path: Path, outer: str, middle: str, fits: bool
) -> None:
    library = chain(tmp_path, outer, middle)
    assert loads(library) is fits
    found = look(tmp_path)
    assert found.findings == ()
    # Somewhere in the environment the library is, so it is a weaker word: who loads it first lends it.
    assert bool(noted(found)) is not fits
    if not fits:
        assert {rule for rule, _ in noted(found)} == {"abi.preload"}
        assert loads(library, tmp_path / "c/libinner.so", tmp_path / "b/libmiddle.so")


def test_the_path_of_the_environment_serves(tmp_path: Path) -> None:
    library = chain(tmp_path, RUNPATH, RUNPATH)
    path = (str(tmp_path / "b"), str(tmp_path / "c"))
    assert loads(library, environment={"LD_LIBRARY_PATH": ":".join(path)})
    assert noted(look(tmp_path, path=path)) == []


def test_a_library_that_nobody_has(tmp_path: Path) -> None:
    library = chain(tmp_path, f"{RPATH},-rpath,$ORIGIN/../b", f"{RPATH},-rpath,$ORIGIN/../c")
    (tmp_path / "c/libinner.so").unlink()
    assert not loads(library)
    assert rules(look(tmp_path)) == [("abi.missing", "libmiddle.so")]
    assert "libinner.so" in look(tmp_path).findings[0].found
    optional = look(tmp_path, optional=("libinner.so*",))
    assert (rules(optional), noted(optional)) == ([], [("abi.optional", "libmiddle.so")])
    unknown = look(tmp_path, optional=None)
    assert (rules(unknown), noted(unknown)) == ([], [("abi.missing", "libmiddle.so")])


def test_what_a_package_opens_by_choice_is_its_own_affair(tmp_path: Path) -> None:
    """As torchcodec's builds for several FFmpeg, and those linked with a libpython that the host has not."""
    library = compile_library(tmp_path, "libinner.so", "-Wl,-soname,libinner.so", source=INNER)
    compile_library(tmp_path, "libplugin.so", KEEP, str(library), source=MIDDLE)
    library.unlink()
    found = look(tmp_path)
    assert (rules(found), noted(found)) == ([], [("abi.missing", "libplugin.so")])


def test_a_link_to_nothing_is_no_library(tmp_path: Path) -> None:
    chain(tmp_path, f"{RPATH},-rpath,$ORIGIN/../b", f"{RPATH},-rpath,$ORIGIN/../c")
    (tmp_path / "c/libinner.so").unlink()
    (tmp_path / "c/libinner.so").symlink_to("gone.so")
    assert rules(look(tmp_path)) == [("abi.missing", "libmiddle.so")]


def test_libraries_opened_at_run_time(tmp_path: Path) -> None:
    (tmp_path / "nvidia").mkdir()
    compile_library(tmp_path / "nvidia", "libopened.so.12", source=INNER)
    named = ("libopened.so.12", "libnobody.so.9", "libm.so.6")
    found = look(tmp_path, opens=named)
    assert rules(found) == [("abi.opens", "libnobody.so.9")]
    assert noted(found) == [("abi.preload", "libopened.so.12")]
    assert noted(look(tmp_path, opens=named, path=(str(tmp_path / "nvidia"),))) == []


def test_the_system_s_libraries_are_those_the_loader_lists() -> None:
    if shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("no ldconfig here")
    tool = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin")
    told = subprocess.run([str(tool), "-p"], check=True, capture_output=True, text=True).stdout
    first: dict[str, str] = {}
    for name, path in re.findall(r"(?m)^\t(\S+) \(libc6,x86-64\) => (\S+)$", told):
        first.setdefault(name, path)
    if os.uname().machine == "x86_64":
        assert {**libraries("x86_64").cache} == first


def test_a_version_that_the_library_does_not_define(tmp_path: Path) -> None:
    """As with a wheel that wants a newer libstdc++ than the host's."""
    script = tmp_path / "map"
    script.write_text("ONE_1.0 { global: inner; };\n")
    new = "-Wl,--version-script=" + str(script)
    library = compile_library(tmp_path, "libinner.so", "-Wl,-soname,libinner.so", new, source=INNER)
    rpath = "-Wl,-rpath,$ORIGIN"
    user = compile_library(tmp_path, "user.so", KEEP, rpath, str(library), source=MIDDLE)
    assert symbols.versions(str(library)) == {"libinner.so", "ONE_1.0"}
    assert loads(user) and look(tmp_path).findings == ()
    script.write_text("ONE_0.9 { global: inner; };\n")
    compile_library(tmp_path, "libinner.so", "-Wl,-soname,libinner.so", new, source=INNER)
    assert not loads(user)
    [finding] = look(tmp_path).findings
    assert (finding.rule, finding.file) == ("abi.version", "user.so")
    assert "ONE_1.0 of libinner.so" in finding.found


def test_a_symbol_that_nobody_exports(tmp_path: Path) -> None:
    """As with a torchaudio built for another torch."""
    library = compile_library(tmp_path, "libinner.so", "-Wl,-soname,libinner.so", source=INNER)
    user = compile_library(tmp_path, "user.so", KEEP, "-Wl,-rpath,$ORIGIN", str(library), source=MIDDLE)
    assert loads(user) and look(tmp_path, deep=True).findings == ()
    compile_library(
        tmp_path, "libinner.so", "-Wl,-soname,libinner.so", source="int other(void) { return 1; }\n"
    )
    assert not loads(user)
    assert look(tmp_path).findings == ()
    [finding] = look(tmp_path, deep=True).findings
    assert (finding.rule, finding.file) == ("abi.symbol", "user.so")
    assert "inner" in finding.found
    # Without the library it is the library that is told, not each of its symbols.
    library.unlink()
    assert rules(look(tmp_path, deep=True)) == [("abi.missing", "user.so")]


PLUGIN = "int inner(void); int other(void); int plug(void) { return inner() + other(); }\n"


@pytest.mark.parametrize(
    ("versions", "others", "told"),
    [
        ("ONE_1.0 { global: inner; };\n", "int other(void) { return 1; }\n", []),
        (
            "ONE_1.0 { global: inner; };\n",
            "int another(void) { return 1; }\n",
            [("abi.symbol", "libplug.so")],
        ),
        # What is not exported may be the missing library's, whose symbols have no versions.
        ("", "int another(void) { return 1; }\n", []),
    ],
)
def test_a_symbol_beside_an_optional_library_that_is_missing(
    tmp_path: Path, versions: str, others: str, told: list[tuple[str, str]]
) -> None:
    """As torchcodec built for a newer torch, where the FFmpeg of one of its libraries is missing."""
    script = tmp_path / "map"
    script.write_text(versions or "{ global: *; };\n")
    named = ("-Wl,-soname,libinner.so", f"-Wl,--version-script={script}")
    library = compile_library(tmp_path, "libinner.so", *named, source=INNER)
    torch = compile_library(
        tmp_path, "libtorch.so", "-Wl,-soname,libtorch.so", source="int other(void) { return 1; }\n"
    )
    options = (KEEP, "-Wl,-rpath,$ORIGIN", str(library), str(torch))
    compile_library(tmp_path, "libplug.so", *options, source=PLUGIN)
    library.unlink()
    compile_library(tmp_path, "libtorch.so", "-Wl,-soname,libtorch.so", source=others)
    found = look(tmp_path, deep=True, optional=("libinner.so",))
    assert rules(found) == told
    assert noted(found) == [("abi.optional", "libplug.so")]


@pytest.mark.parametrize(
    ("part", "certain"),
    [("libtorch_cuda.so", True), ("libtorchvision.so", False), ("libother_cuda.so", False)],
)
def test_a_part_that_this_build_of_a_package_does_not_have(tmp_path: Path, part: str, certain: bool) -> None:
    """As torchcodec built for the CUDA build of torch, beside torch for the CPU."""
    whole = compile_library(
        tmp_path, "libtorch.so", "-Wl,-soname,libtorch.so", source="int o(void) { return 1; }\n"
    )
    library = compile_library(tmp_path, part, f"-Wl,-soname,{part}", source=INNER)
    options = (KEEP, "-Wl,-rpath,$ORIGIN", str(library), str(whole))
    compile_library(tmp_path, "libplug.so", *options, source=MIDDLE)
    assert look(tmp_path).findings == ()
    library.unlink()
    for deep in (False, True):
        found = look(tmp_path, deep=deep)
        assert rules(found) == ([("abi.missing", "libplug.so")] if certain else [])
        assert noted(found) == ([] if certain else [("abi.missing", "libplug.so")])
    assert rules(look(tmp_path, optional=(part,))) == rules(look(tmp_path, optional=None)) == []


def test_symbols_of_the_interpreter_are_found_in_it(tmp_path: Path) -> None:
    source = 'void *Py_BuildValue(const char *, ...); void *start(void) { return Py_BuildValue(""); }\n'
    compile_library(tmp_path, "_x.abi3.so", source=source)
    assert look(tmp_path, deep=True).findings == ()
    assert look(tmp_path, deep=True, interpreter="").findings == ()
    assert look(tmp_path, deep=True, interpreter="/nonexistent/python3").findings == ()
    compile_library(tmp_path, "_x.abi3.so", source=source.replace("Py_BuildValue", "Py_NoSuchFunction"))
    assert rules(look(tmp_path, deep=True)) == [("abi.symbol", "_x.abi3.so")]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf to compare with")
@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_symbols_are_read_as_readelf_reads_them(tmp_path: Path, style: str) -> None:
    source = (
        "extern int gone(void); extern int perhaps(void) __attribute__((weak));\n"
        '__attribute__((visibility("hidden"))) int own(void) { return 1; }\n'
        "int shown(void) { return own() + gone() + (perhaps ? perhaps() : 0); }\n"
    )
    for name, text in (("some.so", source), ("none.so", "extern int gone(void); static int s = 0;\n"
                       "__attribute__((constructor)) static void f(void) { s = gone(); }\n")):  # fmt: skip
        library = compile_library(tmp_path, name, f"-Wl,--hash-style={style}", "-Wl,-z,lazy", source=text)
        listing = subprocess.run(
            ["readelf", "--dyn-syms", "-W", library], check=True, capture_output=True, text=True
        ).stdout
        found = symbols.read(str(library))
        wanted = {item.split("@")[0] for item in re.findall(r"GLOBAL +DEFAULT +UND (\S+)", listing)}
        shown = {item.split("@")[0] for item in re.findall(r"(?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)", listing)}
        assert {item.decode() for item in found.wanted} == wanted and b"gone" in found.wanted
        assert {item.decode() for item in found.exported} == shown


def claim(site: Path, distribution: str, *files: tuple[str, str]) -> None:
    info = site / f"{distribution}.dist-info"
    info.mkdir(parents=True)
    rows = [f"{name},sha256={digest},9\n" for name, digest in files]
    (info / "RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")


def test_two_distributions_that_bring_the_same_file(tmp_path: Path) -> None:
    site = tmp_path / SITE
    native = ("onnxruntime/_x.so", "onnxruntime/__init__.py")
    claim(site, "onnxruntime-1.0", *((name, "one") for name in native))
    claim(site, "onnxruntime_gpu-1.0", *((name, "two") for name in native))
    claim(site, "alone-1.0", ("alone/x.so", "one"), ('"a,b.py"', "one"))
    found = look(tmp_path)
    [finding] = found.findings
    assert finding.rule == "abi.collision" and finding.file.endswith("onnxruntime/_x.so")
    assert finding.found.startswith("onnxruntime-1.0 and onnxruntime_gpu-1.0 both contain it and 1 more")
    assert look(site).findings[0].file == "onnxruntime/_x.so"


def test_the_same_contents_twice_and_text_files_are_no_error(tmp_path: Path) -> None:
    site = tmp_path / SITE
    claim(site, "one-1.0", ("shared/x.so", "same"), ("tests/__init__.py", "one"))
    claim(site, "two-1.0", ("shared/x.so", "same"), ("tests/__init__.py", "two"))
    (site / "three-1.0.dist-info").mkdir()
    (site / "three-1.0.dist-info" / "RECORD").write_bytes(b'\xff\xfe\0"unclosed,\n,,,,\nshared/x.so\n')
    found = look(tmp_path)
    assert (rules(found), noted(found)) == ([], [("abi.collision", "__init__.py")])


def test_paths_that_lead_in_circles_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        options = ("-Wl,-rpath,$ORIGIN:$ORIGIN/./../x/$LIB::", f"-Wl,-soname,lib{one}.so", "-shared")
        compile_library(tmp_path, f"lib{one}.so", *options, source=INNER)
        (tmp_path / f"written-{one}.so").write_bytes(
            write_library(soname=f"lib{one}.so", needed=(f"written-{other}.so", f"lib{other}.so", ""))
        )
    found = look(tmp_path, deep=True)
    assert found.objects == 4


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["little", "big"])
def test_symbol_tables_that_lie(bits: int, order: str) -> None:
    """Every length and place in the dynamic section set to what a hostile file may say, one at a time."""
    base = write_library(bits, order, 62 if bits == 64 else 3)
    size = 8 if bits == 64 else 4
    start = 64 + 56 * 3 if bits == 64 else 52 + 32 * 3
    kind = "little" if order == "little" else "big"
    for tag in (4, 6, 0x6FFFFEF5, 0x6FFFFFFC, 0x6FFFFFFD):
        for value in (0, 1, start, len(base) - 1, len(base), 2**31, 2 ** (8 * size) - 1):
            data = bytearray(base)
            data[start : start + size] = tag.to_bytes(size, kind)  # type: ignore[arg-type]
            data[start + size : start + 2 * size] = value.to_bytes(size, kind)  # type: ignore[arg-type]
            for reader in (symbols.parse, symbols.parse_versions):
                try:
                    reader(lambda at, count: bytes(data[at : at + count]), len(data), "sample")  # noqa: B023
                except Problem as problem:
                    assert problem.rule == "abi.malformed"


def test_names_that_all_overlap_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    """A table whose names all run to its end: a file of 2 MB that would ask for 10 GB."""
    base = bytearray(compile_library(tmp_path, "x.so", "-Wl,--hash-style=sysv", source=INNER).read_bytes())
    head = Header(lambda at, size: bytes(base[at : at + size]), len(base), "sample")
    tags = dict(pairs(head))
    dynamic = next(item for item in head.segments if item.type == 2)
    load = min((item for item in head.segments if item.type == 1), key=lambda item: item.offset)
    count = 60000
    start = len(base)
    symbols_at, strings_at = start, start + 24 * count
    table = b"".join(struct.pack("<IBBHQQ", 1 + index % 100, 16, 0, 1, 0, 0) for index in range(count))
    base += table + b"\0" + b"x" * 65000 + b"\0"
    for at in range(dynamic.offset, dynamic.offset + dynamic.filesz, 16):
        tag = struct.unpack_from("<Q", base, at)[0]
        if tag in (5, 6, 10):
            value = {5: strings_at, 6: symbols_at, 10: 65002}[tag]
            struct.pack_into("<Q", base, at + 8, value)
    struct.pack_into("<II", base, head.place(tags[4], ""), 1, count)
    # The first segment now maps the whole file one to one.
    struct.pack_into("<QQ", base, load.flags_at + 28, len(base), len(base))
    with pytest.raises(Problem) as caught:
        symbols.parse(lambda at, size: bytes(base[at : at + size]), len(base), "sample")
    assert "overlap" in caught.value.found


def test_many_objects_that_all_lead_to_one_another_take_bounded_time(tmp_path: Path) -> None:
    names = [f"lib{number}.so" for number in range(60)]
    for name in names:
        data = write_library(soname=name, needed=(*names, *(f"none{number}.so" for number in range(400))))
        (tmp_path / name).write_bytes(data)
    begun = time.process_time()
    found = look(tmp_path, path=(str(tmp_path),), optional=("none*",))
    assert found.objects == 60 and found.findings == ()
    assert time.process_time() - begun < 10


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    style=st.sampled_from(["gnu", "sysv"]),
    edits=st.lists(
        st.tuples(st.integers(0, 2**16), st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)),
        max_size=12,
    ),
    cut=st.none() | st.integers(0, 2**14),
)
def test_mutated_symbol_tables_are_read_or_refused(
    libraries_with_symbols: dict[str, bytes], style: str, edits: list[tuple[int, int]], cut: int | None
) -> None:
    data = bytearray(libraries_with_symbols[style])
    for place, value in edits:
        # Most of what matters, the tables, lies at the beginning.
        data[place % (len(data) if place % 3 else min(len(data), 2048))] = value
    view = bytes(data[:cut])
    for reader in (symbols.parse, symbols.parse_versions):
        try:
            reader(lambda at, size: view[at : at + size], len(view), "sample")
        except Problem as problem:
            assert problem.rule == "abi.malformed"


@pytest.fixture(scope="module")
def libraries_with_symbols(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("symbols")
    script = place / "map"
    script.write_text("ONE_1.0 { global: inner; }; ONE_1.1 { global: middle; } ONE_1.0;\n")
    options = ["-s", "-Wl,--version-script=" + str(script)]
    return {
        style: compile_library(
            place, f"{style}.so", *options, f"-Wl,--hash-style={style}", source=INNER + MIDDLE
        ).read_bytes()
        for style in ("gnu", "sysv")
    }


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_what_is_exported_is_found_by_its_hash_value(tmp_path: Path, style: str) -> None:
    source = "int gone(void); int shown(void) { return gone(); } int _Z3twov(void) { return 2; }\n"
    library = compile_library(tmp_path, "some.so", f"-Wl,--hash-style={style}", "-Wl,-z,lazy", source=source)
    whole, brief = symbols.read(str(library)), symbols.brief(str(library))
    assert brief.wanted == whole.wanted == {b"gone"}
    if style == "sysv":
        assert (brief.exported, brief.hashes) == (whole.exported, frozenset())
    else:
        assert {value | 1 for value in brief.hashes} == {symbols.hashed(name) for name in whole.exported}

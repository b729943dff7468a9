#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the house rules that a compiler does not: layers.py ROOT.

* a room includes its own header and those of the rooms its row in src/meson.build names, no others;
  its public header obeys the same row; private headers stay in their room;
* within a room no circle of includes; no exception from these rules that nobody needs;
* outside libraries only where they belong;
* files of at most 400 lines, functions of at most 80, one SPDX line;
* the include guard of a header, where it has one, is its path.

First it proves on small synthetic trees that each rule turns red.
"""
import pathlib
import re
import sys
import tempfile

MAX_FILE, MAX_FUNCTION = 400, 80
SPDX = "SPDX-License-Identifier: Apache-2.0"
ROOM = re.compile(r"'(\w+)':\s*\{'use':\s*\[([^\]]*)\],\s*'lib':\s*\[([^\]]*)\]")
GUARD = re.compile(r"^#ifndef (\w+)\n#define \1$", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Private headers that a second room may see.
SHARED = {"kern/real.h": {"exec"}}
# Outside header -> the rooms it may appear in, or the dependency a room's row must list.
ONLY_ROOM = {"mpi.h": "comm", "cblas.h": "la", "lapacke.h": "la", "lapack.h": "la"}
ONLY_LIB = {"hdf5.h": "hdf5", "hdf5_hl.h": "hdf5", "zlib.h": "zlib", "xxhash.h": "xxhash"}


def read_rooms(root):
    text = (root / "src/meson.build").read_text()
    rooms = {}
    for name, use, lib in ROOM.findall(text):
        rooms[name] = (set(re.findall(r"'(\w+)'", use)), set(re.findall(r"\w+", lib)))
    return rooms


def room_errors(rooms):
    """Every row names only rooms above it, so the table itself has no cycle."""
    if len(rooms) < 2:
        yield "src/meson.build: no table of rooms found"
    seen = set()
    for name, (use, _) in rooms.items():
        for other in sorted(use - seen):
            yield f"src/meson.build: room {name} uses {other}, which is not below it"
        seen.add(name)


def include_error(room, use, lib, name, quoted, folder):
    """What is wrong with one include of a file of this room, or None."""
    if name.startswith("assay/"):
        other = name[len("assay/"):-len(".h")]
        return None if other == room or other in use else f"room {room} may not use {other}"
    if ONLY_ROOM.get(name, room) != room:
        return f"<{name}> belongs to room {ONLY_ROOM[name]}"
    if name in ONLY_LIB and ONLY_LIB[name] not in lib:
        return f"the row of room {room} does not list {ONLY_LIB[name]}"
    if not quoted or name.startswith(room + "/"):
        return None
    if ".." not in name and (folder / name).is_file():
        return None
    if room in SHARED.get(name, ()) and name.split("/")[0] in use:
        return None
    return f'"{name}" is not a header of room {room}'


def below(room, name, folder):
    """The stem of the file of this room that an include names, or None."""
    path = pathlib.PurePath(name)
    own = name.startswith(room + "/") or (len(path.parts) == 1 and (folder / name).is_file())
    return path.stem if own else None


def circle_errors(root, rooms):
    """Within a room, NAME.c and NAME.h together include only what does not include them."""
    for room in rooms:
        uses = {}
        for path in sorted((root / "src" / room).glob("*.[ch]")):
            names = [name for mark, name in INCLUDE.findall(path.read_text()) if mark == '"']
            uses.setdefault(path.stem, set()).update(filter(None, (below(room, n, path.parent) for n in names)))
        for stem in uses:
            uses[stem].discard(stem)
        for stem in uses:
            seen, left = set(), [stem]
            while left:
                new = uses.get(left.pop(), set()) - seen
                seen |= new
                left += new
            if stem in seen:
                yield f"src/{room}/{stem}: includes itself by way of others"


def exception_errors(root):
    """Every exception is made use of."""
    for name, users in SHARED.items():
        for room in sorted(users):
            files = (root / "src" / room).glob("*.[ch]")
            if (root / "src" / room).is_dir() and not any(f'"{name}"' in path.read_text() for path in files):
                yield f"{name}: room {room} may see it, and does not look"


def function_errors(lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start > MAX_FUNCTION:
                yield start, f"a function of {number - start} lines, at most {MAX_FUNCTION}"
            start = None


def file_errors(path):
    lines = path.read_text().splitlines()
    if SPDX not in " ".join(lines[:2] if lines and lines[0].startswith("#!") else lines[:1]):
        yield 1, f"the first line is not the {SPDX} line"
    if len(lines) > MAX_FILE:
        yield len(lines), f"{len(lines)} lines, at most {MAX_FILE}"
    if path.suffix in (".c", ".h"):
        yield from function_errors(lines)


def guard_error(root, path):
    guard = GUARD.search(path.read_text())
    name = path.relative_to(root / "include/assay" if path.is_relative_to(root / "include") else root)
    expected = "ASSAY_" + re.sub(r"\W", "_", str(name)).upper()
    return f"guard {guard[1]}, expected {expected}" if guard and guard[1] != expected else None


def room_files(root, rooms):
    """(file, its room); a room without a row has none."""
    for path in sorted((root / "src").rglob("*.[ch]")):
        yield path, path.relative_to(root / "src").parts[0]
    for path in sorted((root / "include/assay").glob("*.h")):
        yield path, path.stem


def check(root):
    rooms = read_rooms(root)
    errors = [*room_errors(rooms), *circle_errors(root, rooms), *exception_errors(root)]
    for path, room in room_files(root, rooms):
        where = path.relative_to(root)
        if room not in rooms:
            errors.append(f"{where}: no room {room} in src/meson.build")
            continue
        use, lib = rooms[room]
        for mark, name in INCLUDE.findall(path.read_text()):
            error = include_error(room, use, lib, name, mark == '"', path.parent)
            if error:
                errors.append(f"{where}: {error}")
    for folder in ("src", "include", "tests", "jobs"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py", ".sh", ".sbatch"):
                errors += [f"{path.relative_to(root)}:{n}: {text}" for n, text in file_errors(path)]
            if path.suffix == ".h" and (error := guard_error(root, path)):
                errors.append(f"{path.relative_to(root)}: {error}")
    return errors


TABLE = """rooms = {
  'base': {'use': [], 'lib': [xxhash],
           'src': []},
  'la': {'use': ['base'], 'lib': [blas], 'src': []},
  'store': {'use': ['base'], 'lib': [hdf5], 'src': []},
  'exec': {'use': ['base'], 'lib': [], 'src': []},
}
"""
FAULTS = {
    "an upward include": ("src/base/a.c", '#include "assay/la.h"\n'),
    "a sideways include": ("src/la/a.c", '#include "assay/store.h"\n'),
    "an upward public header": ("include/assay/base.h", '#include "assay/store.h"\n'),
    "another room's private header": ("src/la/a.c", '#include "../store/inside.h"\n'),
    "a stray private header": ("src/la/a.c", '#include "store/inside.h"\n'),
    "a circle of includes": ("src/la/inside.h", '#include "b.h"\n'),
    "an exception that nobody needs": ("src/exec/a.c", "\n"),
    "MPI outside comm": ("src/store/a.c", "#include <mpi.h>\n"),
    "HDF5 outside its rooms": ("src/la/a.c", "#  include <hdf5.h>\n"),
    "BLAS outside la": ("src/store/a.c", "#include <cblas.h>\n"),
    "a room without a row": ("src/attic/a.c", "\n"),
    "a long file": ("src/la/a.c", "\n" * MAX_FILE),
    "a long function": ("src/la/a.c", "int f(void)\n{\n" + "\n" * MAX_FUNCTION + "}\n"),
    "a guard that is no path": ("src/la/inside.h", "#ifndef ASSAY_LA_INSIDE_H\n#define ASSAY_LA_INSIDE_H\n#endif\n"),
    "a public guard that is no path": ("include/assay/la.h", "#ifndef LA_H\n#define LA_H\n#endif\n"),
    "no SPDX line": ("tests/a.py", None),
    "a row that uses a higher room": ("src/meson.build", "rooms = {\n'a': {'use': ['b'], 'lib': []},\n"
                                      "'b': {'use': [], 'lib': []}}\n"),
}


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    comment = "" if name.endswith("meson.build") else f"// {SPDX}\n"
    path.write_text("no licence\n" if text is None else comment + text)


def errors_of(name, text):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        write(root, "src/meson.build", TABLE)
        write(root, "src/base/a.c", '#include "assay/base.h"\n#include <xxhash.h>\n')
        write(root, "src/la/b.c", '#include "assay/base.h"\n#include "inside.h"\n#include <cblas.h>\n')
        write(root, "src/la/inside.h", "#ifndef ASSAY_SRC_LA_INSIDE_H\n#define ASSAY_SRC_LA_INSIDE_H\n#endif\n")
        write(root, "src/la/b.h", "int g(void);\n")
        write(root, "src/store/inside.h", '#include "assay/store.h"\n#include <hdf5.h>\n')
        write(root, "include/assay/store.h", '#ifndef ASSAY_STORE_H\n#define ASSAY_STORE_H\n#include "assay/base.h"\n#endif\n')
        if name:
            write(root, name, text)
        return check(root)


def self_test():
    errors = [f"self-test: a sound tree is red: {e}" for e in errors_of(None, None)]
    for what, (name, text) in FAULTS.items():
        if not errors_of(name, text):
            errors.append(f"self-test: {what} is not seen")
    return errors


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    errors = self_test() + check(root)
    print("\n".join(errors) if errors else f"rooms: {', '.join(read_rooms(root))}: in order")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())

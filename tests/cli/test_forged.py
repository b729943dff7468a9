#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that are not what their name says: pipes, devices, links, forged HDF5, names that would repaint a terminal.

usage: test_forged.py ASSAY SOURCE_ROOT
"""
import os
import re
import resource
import shutil
import sys
import unittest
import zlib

import h5py
import numpy as np

from test_cli import ASSAY, ROOT, Case, run

sys.path.insert(0, os.path.join(ROOT, "tests/mpi"))
import launch  # noqa: E402

TINY = "[space]\nname = null\n[run]\nmetrics = null,cost\nrepeats = 1\n"
EVIL = "\33[2J\n\u202eassay: all is well\x9b\udcff"
SHOWN = r"\x1b[2J\x0a\xe2\x80\xaeassay: all is well"
SIZE = ["--set", "network.image=8", "--set", "run.metrics=ntk", "--set", "ntk.batch=2", "--set", "run.repeats=1"]


class Forged(Case):
    def setUp(self):
        super().setUp()
        self.config = self.write("c.ini", TINY)
        self.fifo = self.path("fifo")
        os.mkfifo(self.fifo)

    def refused(self, *words, says=()):
        """Exit code 1 and a line or more of plain text, at once."""
        p = run(*words, errors="surrogateescape")
        self.assertEqual((p.returncode, p.stdout), (1, ""), p.stderr)
        self.assertRegex(p.stderr, r"\Aassay: ")
        self.assertFalse(re.search(r"[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", p.stderr), repr(p.stderr))
        for text in says:
            self.assertIn(text, p.stderr)

    def sweep(self, name, *words):
        self.works("sweep", self.config, "-o", self.path(name), "-q", *words)
        return self.path(name)

    # ---- what is no file
    def test_no_place_for_a_file_waits(self):
        """A pipe without a writer, a directory, a device: each an error that names it."""
        good = self.sweep("run")
        device = "/dev/zero"
        shard = self.sweep("other")
        for bad in (self.fifo, self.dir, device, self.path("dangling")):
            if bad.endswith("dangling"):
                os.symlink("nowhere", bad)
            os.remove(os.path.join(shard, "config.ini"))
            os.symlink(bad, os.path.join(shard, "config.ini"))
            for words in (["sweep", bad, "-o", self.path("out")], ["plan", bad], ["eval", "null", "0", "-c", bad],
                          ["search", bad, "-o", self.path("out")],
                          ["sweep", self.config, "-o", self.path("out"), "--archs", bad],
                          ["correlate", good + "/results.h5", "--truth", bad],
                          ["show", "nas-bench-201", "0", "--order", bad], ["rank", bad],
                          ["eval", "null", "0", "--weights", bad + ":/w", "--batch", bad + ":/x"],
                          ["eval", "null", "0", "--set", "data.source=hdf5", "--set", f"data.path={bad}:/x"],
                          ["eval", "null", "0", "--set", "data.source=cifar10", "--set", f"data.path={bad}"],
                          ["pack", bad], ["merge", bad, "-o", self.path("out")]):
                with self.subTest(words):
                    self.refused(*words, says=[bad])
                    self.assertFalse(os.path.exists(self.path("out")))
            if os.path.exists(bad):
                with self.subTest("merge", config=bad):
                    self.refused("merge", shard, "-o", self.path("out"), says=["config.ini"])
                    self.assertFalse(os.path.exists(self.path("out")))
        for name in ("data_batch_1.bin", "journal"):
            os.mkfifo(self.path(name))
        cifar = ["--set", "data.source=cifar10", "--set", "data.path=" + self.dir]
        self.refused("eval", "nas-bench-201", "0", *SIZE[2:], *cifar, says=["data_batch_1.bin: not a regular file"])
        self.refused("pack", self.dir, says=["journal: not a regular file"])

    def test_no_place_for_a_file_is_replaced(self):
        """A pipe, a directory and what /dev/stdout is: the file of a verb would take its place."""
        good = self.sweep("run")
        os.symlink("/proc/self/fd/1", self.path("stdout"))
        os.mkdir(self.path("folder"))
        for bad in (self.fifo, self.path("stdout"), self.path("folder")):
            kind = os.lstat(bad).st_mode
            for words in (["export", good, "--format", "csv", "-o", bad], ["report", good, "-o", bad]):
                if words[0] == "export" or shutil.which("gnuplot"):
                    with self.subTest(words):
                        self.refused(*words, says=[f"{bad}: exists and is not a regular file"])
                        self.assertEqual(os.lstat(bad).st_mode, kind)

    def test_pipes_that_end_are_files(self):
        read, write = os.pipe()
        os.write(write, b"conv_3x3\nnone\n")
        os.close(write)
        p = run("sweep", self.config, "-o", self.path("run"), "-q", "--archs", f"/dev/fd/{read}", pass_fds=[read])
        os.close(read)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        with h5py.File(self.path("run/results.h5")) as f:
            self.assertEqual(len(f["table/index"]), 2)
        self.works("sweep", "/dev/null", "--dry-run", "-o", self.path("none"))

    def test_a_journal_that_is_a_link(self):
        run_dir = self.sweep("run")
        os.rename(run_dir + "/journal", self.path("journal"))
        os.symlink("../journal", run_dir + "/journal")
        before = os.stat(self.path("journal")).st_mtime_ns
        self.refused("sweep", self.config, "-o", run_dir, says=["journal: a symbolic link"])
        self.assertEqual(os.stat(self.path("journal")).st_mtime_ns, before)

    # ---- texts
    def test_zero_bytes(self):
        for text in (b"[run]\nseed = 1\0 2", b"[run]\nseed = 1\n\0", b"\0", b"[run]\n# \0\nseed = 1\n"):
            with self.subTest(text):
                with open(self.path("zero.ini"), "wb") as f:
                    f.write(text)
                self.refused("sweep", self.path("zero.ini"), "-o", self.path("out"), says=["zero.ini:", "a zero byte"])
        with open(self.path("archs"), "wb") as f:
            f.write(b"conv_3x3\nnone\0conv_1x1\n")
        self.refused("sweep", self.config, "-o", self.path("out"), "--archs", self.path("archs"), says=["archs:2: a zero byte"])

    def test_messages_do_not_repaint(self):
        evil = self.path(EVIL)
        with open(evil, "w", errors="surrogateescape") as f:
            f.write(f"arch,{EVIL},x\n|{EVIL}~0|,1\n")
        results = self.sweep("run") + "/results.h5"
        line = re.sub(r"[\n]", "", EVIL)
        for words in (["rank", evil], ["sweep", evil, "-o", self.path("out")], ["correlate", results, "--truth", evil],
                      ["correlate", results, "--truth", results, "--target", EVIL],
                      ["show", "nas-bench-201", EVIL], ["show", EVIL, "0"], ["show", "darts", EVIL],
                      ["show", "darts", "--supernet", EVIL], ["eval", "nas-bench-201", "0", "--set", f"data.path={EVIL}"],
                      ["eval", "nas-bench-201", "0", "--set", f"space.{EVIL}=3"], ["rank", results, "--by", EVIL],
                      ["rank", results, "--columns", EVIL], ["sweep", self.config, "-o", self.path("out"), "--archs", evil],
                      ["pack", evil], ["merge", evil, "-o", self.path("out")], [EVIL], ["rank", "--" + EVIL],
                      ["rank", results, "--top", EVIL], ["eval", "null", "0", "--weights", evil + ":/w", "--batch", "x:/y"]):
            with self.subTest(words):
                p = run(*words, errors="surrogateescape")
                self.assertIn(p.returncode, (1, 2))
                self.assertRegex(p.stderr, r"\Aassay: [ -~]+\n\Z")
        self.refused("rank", evil, says=[SHOWN])
        with open(evil, "w", errors="surrogateescape") as f:
            f.write("arch,test_accuracy,index\n" + "".join(f"conv_{k}x{k},{k},{k}\n" for k in (1, 3, 5)))
        for words in (["show", "null", "conv_3x3", "--order", evil], ["correlate", results, "--truth", evil],
                      ["sweep", self.config, "-o", evil + "2", "--dry-run"],
                      ["sweep", self.config, "-o", evil + "2", "--dry-run", "--set", "data.path=\u202ex"]):
            with self.subTest(words):
                self.assertRegex(self.works(*words, errors="surrogateescape"), r"\A[ -~τρ\n]+\Z")
        with open(self.path("archs"), "w", errors="surrogateescape") as f:
            f.write(line)
        self.refused("sweep", self.config, "-o", self.path("out"), "--archs", self.path("archs"), says=["archs:1:", r"\x1b"])

    def test_a_forged_journal(self):
        run_dir = self.sweep("run")
        journal = launch.pathlib.Path(run_dir, "journal")
        good = journal.read_bytes()
        cases = {
            "reason": ({"edit_record": lambda r: r[:24] + b"\33]0;x\7".ljust(120, b"\0") + r[144:]}, "holds control characters"),
            "no UTF-8": ({"edit_record": lambda r: r[:24] + b"\xff".ljust(120, b"\0") + r[144:]}, "is not in UTF-8"),
            "never": ({"edit_record": lambda r: r[:16] + launch.struct.pack("d", float("nan")) + r[24:]}, "took nan seconds"),
            "backwards": ({"edit_record": lambda r: r[:16] + launch.struct.pack("d", -1) + r[24:]}, "took -1 seconds"),
            "no task": ({"edit_record": lambda r: launch.struct.pack("Q", 5) + r[8:]}, "which is none of this run's tasks"),
            "setting": ({"edit_identity": lambda i: i.replace(b"[run]\n", b"[run]\ncpu = \33[2J\n")}, r"run.cpu = '\x1b[2J'"),
            "key": ({"edit_identity": lambda i: i.replace(b"[run]\n", b"[run]\n\33[2J = 2\n")}, r"\x1b[2J"),
            "section": ({"edit_identity": lambda i: b"[\33[2J]\nx = 1\n" + i}, r"\x1b[2J"),
            "long": ({"edit_identity": lambda i: b"#\n" * 40000 + i}, "header is truncated or damaged"),
        }
        for name, (edits, says) in cases.items():
            journal.write_bytes(good)
            launch.forge(journal, **edits)
            for words in (["pack", run_dir], ["merge", run_dir, "-o", self.path("out")]):
                with self.subTest(name, verb=words[0]):
                    self.refused(*words, says=["journal", says])
        journal.write_bytes(good)
        launch.forge(journal, edit_identity=lambda i: i.replace(b"[run]\n", b"# \33[2J\n[run]\n"))
        self.refused("sweep", self.config, "-o", run_dir, says=["another configuration", "\n- # \\x1b[2J\n"])

    def test_a_journal_that_asks_for_all_memory(self):
        if b"__asan_init" in launch.pathlib.Path(ASSAY).read_bytes():
            self.skipTest("a sanitizer needs terabytes of address space")
        darts = self.write("d.ini", TINY.replace("null\n", "darts\n", 1))
        self.works("sweep", darts, "-o", self.path("run"), "-q", "--sample", "2")
        journal = launch.pathlib.Path(self.path("run/journal"))
        spans = launch.struct.pack("QQ", 0, 10**8)
        launch.forge(journal, edit_list=lambda _: spans)
        p = run("pack", self.path("run"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)))
        self.assertEqual(p.returncode, 1, p.stderr)
        self.assertIn("100000000 candidates of at least", p.stderr)


class Arrays(Case):
    """Weights and images from HDF5."""
    def make(self, edit):
        with h5py.File(self.path("in.h5"), "w") as f:
            f["x"] = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
            f["labels"] = np.zeros(4, "u1")
            f["w/a"] = np.ones(3)
            edit(f)

    def both(self, says, edit):
        self.make(edit)
        where = self.path("in.h5")
        for words in (["--weights", where + ":/w", "--batch", where + ":/x"],
                      ["--set", "data.source=hdf5", "--set", f"data.path={where}:/x", "--set", "data.normalise=false"] + SIZE):
            with self.subTest(says, words=words[0]):
                self.fails(1, "eval", "nas-bench-201", "0", *words, says=["in.h5", says])

    def test_links(self):
        os.mkfifo(self.path("fifo"))

        def link(to):
            def edit(f):
                del f["x"], f["w/a"]
                f["x"] = f["w/a"] = to
            return edit

        self.both("is a link into another file", link(h5py.ExternalLink("fifo", "/x")))
        self.both("is a link into another file", link(h5py.ExternalLink("/etc/passwd", "/x")))
        self.both("in.h5", link(h5py.SoftLink("/nowhere")))
        self.both("in.h5", link(h5py.SoftLink("/x")))
        self.both("in.h5", link(h5py.SoftLink("/w")))

        def group(f):
            del f["w"], f["x"]
            f["w"] = f["x"] = h5py.ExternalLink("fifo", "/")
        self.both("is a link into another file", group)

        def labels(f):
            del f["labels"]
            f["labels"] = h5py.ExternalLink("fifo", "/x")
        self.make(labels)
        self.fails(1, "eval", "nas-bench-201", "0", "--set", "data.source=hdf5", "--set",
                   f"data.path={self.path('in.h5')}:/x", *SIZE, says=["/labels' is a link into another file"])

    def test_values_elsewhere(self):
        os.mkfifo(self.path("fifo"))

        def external(f):
            del f["x"], f["w/a"]
            f.create_dataset("x", (4, 3, 8, 8), "f4", external=[(self.path("fifo"), 0, h5py.h5f.UNLIMITED)])
            f.create_dataset("w/a", (3,), "f4", external=[(self.path("fifo"), 0, h5py.h5f.UNLIMITED)])

        def virtual(f):
            del f["x"], f["w/a"]
            for name, shape in (("x", (4, 3, 8, 8)), ("w/a", (3,))):
                layout = h5py.VirtualLayout(shape, "f4")
                layout[:] = h5py.VirtualSource(self.path("fifo"), "s", shape)
                f.create_virtual_dataset(name, layout)

        self.both("not a regular file", external)
        self.both("no such HDF5 file", virtual)

    def test_wide_numbers(self):
        def wide(f):
            del f["x"], f["w/a"]
            kind = h5py.h5t.IEEE_F64LE.copy()
            kind.set_size(300 << 20)
            for name, shape in ((b"x", (4, 3, 8, 8)), (b"w/a", (3,))):
                try:
                    h5py.h5d.create(f.id, name, kind, h5py.h5s.create_simple(shape))
                except ValueError as why:
                    self.skipTest(f"this HDF5 makes no such file: {why}")
        self.both("in.h5", wide)

    def test_sizes(self):
        def sets(**how):
            def edit(f):
                del f["x"], f["w/a"]
                f.create_dataset("x", **{"shape": (1 << 34, 3, 8, 8), "dtype": "f4", **how.get("x", {})})
                f.create_dataset("w/a", **{"shape": (1 << 40,), "dtype": "f4", **how.get("a", {})})
            return edit

        def chunk(compression):
            def edit(f):
                sets(x={"shape": (4, 3, 8, 8), "chunks": (1 << 20, 3, 8, 8), "maxshape": (None, 3, 8, 8), "compression": compression},
                     a={"shape": (3,), "chunks": (1 << 29,), "maxshape": (None,), "compression": compression})(f)
                f["x"].id.write_direct_chunk((0, 0, 0, 0), b"x" * 100)
                f["w/a"].id.write_direct_chunk((0,), b"x" * 100)
            return edit

        def short(chunks, **how):
            """Chunks of which only the first values are there, once they are unpacked."""
            values = np.random.default_rng(1).bytes(4000)

            def edit(f):
                del f["x"], f["w/a"]
                for name, shape, first in (("x", (1200, 3, 8, 8), (0,) * 4), ("w/a", (1 << 18,), (0,))):
                    f.create_dataset(name, shape, "f4", chunks=shape, **how)
                    f[name].id.write_direct_chunk(first, chunks(values))
            return edit

        checksum = lambda x: x + bytes(4)  # noqa: E731
        self.both("has a chunk of another size", short(zlib.compress, compression="gzip"))
        self.both("has a chunk of another size", short(zlib.compress, compression="gzip", shuffle=True))
        self.both("has a chunk of another size", short(lambda x: checksum(zlib.compress(x)), compression="gzip", fletcher32=True))
        self.both("has a chunk of another size", short(checksum, fletcher32=True))
        self.both("has a chunk of another size", short(bytes, shuffle=True))
        self.both("has a chunk that was cut short", short(lambda _: b"x", fletcher32=True, shuffle=True))
        self.both("has a chunk of another size", short(bytes))
        self.both("has a chunk of another size", short(lambda _: zlib.compress(bytes(9 << 20)), compression="gzip"))
        self.both("a filter that cannot be checked", lambda f: (f.pop("x"), f.pop("w/a"), f.create_dataset(
            "x", data=np.ones((4, 3, 8, 8), "f4"), chunks=(4, 3, 8, 8), scaleoffset=3), f.create_dataset(
                "w/a", data=np.ones(30), chunks=(30,), scaleoffset=3)))
        self.both("never written", sets())
        self.both("never written", sets(x={"chunks": (1 << 20, 3, 8, 8)}, a={"chunks": (1 << 20,)}))
        self.both("larger than its file", chunk("gzip"))
        self.both("larger than its file", chunk(None))


if __name__ == "__main__":
    sys.argv[1:] = sys.argv[3:]
    unittest.main(verbosity=1)

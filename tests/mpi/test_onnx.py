#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks in files: swept on any number of ranks, interrupted, divided, and found by their names.

usage: test_onnx.py ASSAY
"""
import csv
import io
import os
import pathlib
import random
import struct
import subprocess
import sys

import launch
from launch import COMPLETE, ERROR, FAILED_CANDIDATES

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "onnx"))
import write  # noqa: E402

SETTINGS = {"space": {"name": "onnx"}, "network": {"image": 8, "classes": 5}, "data": {"source": "gaussian"},
            "ntk": {"batch": 4}, "run": {"repeats": 2, "metrics": "ntk,cost"}}
SHAPES = [(c, k, d) for c in (4, 6) for k in (1, 3) for d in (1, 2)]


class Onnx(launch.SweepTest):
    def setUp(self):
        super().setUp()
        self.ini = self.config(SETTINGS)
        self.nets = self.scratch / "nets"
        self.nets.mkdir()
        for shape in SHAPES:
            self.net("c%dk%dd%d" % shape, write.chain(*shape))
        self.net("again", write.chain(*SHAPES[3], name="other", weight=0.25))  # the same network, other weights and names
        self.net("broken", b"no network")
        self.list = self.scratch / "list.txt"
        self.names = sorted(f"nets/{path.name}" for path in self.nets.iterdir())
        random.Random(1).shuffle(self.names)
        self.list.write_text("# ours\n\n" + "\r\n".join(self.names + self.names[:2]))

    def net(self, name, content):
        path = self.nets / f"{name}.onnx"
        path.write_bytes(content)
        return path

    def run_sweep(self, name, *options, ranks=0, archs=None, **keywords):
        directory = self.scratch / name
        text = self.sweep(self.ini, directory, "--archs", archs or self.list, *options, ranks=ranks,
                          **keywords)
        return directory, text

    def assay(self, *words, expect=COMPLETE):
        p = subprocess.run([launch.ASSAY, *map(str, words)], capture_output=True, text=True, cwd=self.scratch)
        self.assertEqual(p.returncode, expect, p.stderr)
        return p.stdout if expect == COMPLETE else p.stderr

    def rows(self, directory):
        return {row["arch"]: row for row in csv.DictReader(io.StringIO(self.assay("export", directory, "--format", "csv")))}

    def test_ranks(self):
        whole, text = self.run_sweep("1")
        self.assertIn("onnx: 10 candidates, 9 to evaluate", text)
        self.assertIn("list.txt: 1 of 10 files have no network that can be read", text)
        rows = self.rows(whole)
        self.assertEqual([*rows], self.names)
        self.assertEqual(rows["nets/broken.onnx"]["status"], "failed")
        self.assertIn("network: no ONNX model", rows["nets/broken.onnx"]["reason"])
        self.assertEqual((rows["nets/broken.onnx"]["kappa"], rows["nets/broken.onnx"]["params"]), ("", ""))
        equal = [rows[f"nets/{name}.onnx"] for name in ("again", "c4k3d2")]
        self.assertEqual(*[{k: v for k, v in row.items() if k not in ("index", "arch")} for row in equal])
        self.assertEqual(len({row["kappa"] for row in rows.values()}), 9)
        for ranks in (2, 3):
            self.assertSame(whole, self.run_sweep(str(ranks), ranks=ranks)[0])
        # Without the file a journal is enough, and a stopped run goes on.
        self.cut(whole, 3)
        self.assertIn("6 of 9", self.assay("status", whole))
        (whole / "results.h5").unlink()
        self.nets.rename(self.scratch / "away")
        self.assay("pack", whole)
        self.assertIn([row["status"] for row in self.rows(whole).values()].count("unfinished"), (3, 4))
        (self.scratch / "away").rename(self.nets)
        self.assertIn("resuming", self.run_sweep("1", ranks=2)[1])
        self.assertSame(whole, self.scratch / "2")

    def cut(self, directory, n):
        """Takes the last records off a journal, as if the run had been killed before them."""
        journal = directory / "journal"
        data = journal.read_bytes()
        journal.write_bytes(data[:len(data) - n * (struct.unpack_from("Q", data, 16)[0] + 8)])

    def test_changed_files_are_refused(self):
        directory, _ = self.run_sweep("r")
        original = (self.nets / "c4k1d1.onnx").read_bytes()
        self.net("c4k1d1", write.chain(4, 1, 1, weight=0.125))
        self.refused(self.ini, directory, "--archs", self.list, ranks=2,
                     says=["r: 'nets/c4k1d1.onnx' is not the file that it was", "restore it"])
        self.assertIn("would be refused", self.assay("sweep", self.ini, "-o", directory, "--archs", self.list, "--dry-run"))
        self.net("c4k1d1", original)
        (self.nets / "c4k1d1.onnx").rename(self.nets / "x.onnx")
        self.refused(self.ini, directory, "--archs", self.list, ranks=0, says=["'nets/c4k1d1.onnx' is not the file"])
        (self.nets / "x.onnx").rename(self.nets / "c4k1d1.onnx")
        self.list.write_text("\n".join(self.names[1:]))
        self.refused(self.ini, directory, "--archs", self.list, ranks=0, says=["the list had 10 networks", "has 9 now"])

    def test_shards_teams_folders(self):
        whole, _ = self.run_sweep("whole")
        parts = [self.run_sweep(f"s{i}", "--shard", f"{i}/2", ranks=i)[0] for i in (1, 2)]
        self.assay("merge", *parts, "-o", self.scratch / "m", expect=FAILED_CANDIDATES)
        self.assertSame(whole, self.scratch / "m")
        teams, _ = self.run_sweep("t", "--set", "run.team=2", ranks=2)
        folder, _ = self.run_sweep("f", archs=self.nets)
        self.assertEqual([*self.rows(folder)], sorted(os.path.basename(name) for name in self.names))
        kappas = {os.path.basename(name): row["kappa"] for name, row in self.rows(whole).items()}
        self.assertEqual({name: row["kappa"] for name, row in self.rows(folder).items()}, kappas)
        for name, row in self.rows(teams).items():
            self.assertAlmostEqual(float(row["log_kappa"]) if row["status"] == "ok" else 0,
                                   float(self.rows(whole)[name]["log_kappa"]) if row["status"] == "ok" else 0, places=4)

    def test_what_is_not_executed_fails_alone(self):
        """A kernel that is read, and too large for the engine, is its network's failure, also where memory is weighed."""
        self.net("wide", write.chain(4, 61, 1))
        self.list.write_text("nets/wide.onnx\nnets/c4k1d1.onnx\n")
        for ranks, options in enumerate(([], ["--memory", "4000"], ["--set", "run.team=2"])):
            rows = self.rows(self.run_sweep(f"w{ranks}", *options, ranks=max(ranks, 1))[0])
            self.assertEqual([row["status"] for row in rows.values()], ["failed", "ok"])
            self.assertRegex(rows["nets/wide.onnx"]["reason"], "61")
        self.assertIn("2 to evaluate", self.assay("plan", self.ini, "--archs", self.list, "--seconds", "0"))

    def test_a_lack_of_memory_names_the_network(self):
        pads = write.constant("pads", [8], [0, 0] + [32767] * 2 + [0, 0] + [32767] * 2, write.INT64)
        nodes = [pads, write.node("Pad", ["x", "pads"], ["b"], "pad"), write.node("Conv", ["b", "w"], ["c"], "conv")]
        self.net("huge", write.headed(nodes, c=16384, inputs=[write.value("w", [16384, 3, 1, 1])]))
        self.list.write_text("nets/c4k1d1.onnx\nnets/huge.onnx\n")
        self.refused(self.ini, self.scratch / "x", "--archs", self.list, "--memory", "4000", ranks=2, says=["(nets/huge.onnx)"])
        if b"__asan_init" not in pathlib.Path(launch.ASSAY).read_bytes():
            self.refused(self.ini, self.scratch / "x", "--archs", self.list, ranks=0, says=["candidate 1 (nets/huge.onnx)"])

    def test_names(self):
        directory, _ = self.run_sweep("r")
        (self.scratch / "acc.csv").write_text("arch,acc\nc4k1d1,1\nnets/c4k3d2.onnx,2\nc6k3d2.onnx,3\n")
        text = self.assay("correlate", directory, "--truth", "acc.csv", "--target", "acc", "--columns", "params")
        self.assertIn("3 architectures with acc, 3 of them among the results", text)
        self.assertIn("c6k3d2", self.assay("rank", directory, "--top", "3", "--by", "params"))
        (self.scratch / "acc.csv").write_text("arch,acc\nabsent.onnx,1\n")
        self.assertIn("acc.csv:2: 'absent.onnx' is none of the 10 networks",
                      self.assay("correlate", directory, "--truth", "acc.csv", "--target", "acc", expect=ERROR))

    def test_refused(self):
        self.refused(self.ini, self.scratch / "x", ranks=2, says=["--archs (candidates.archs) is missing"])
        self.list.write_text("nets/broken.onnx\nnets/none.onnx\n")
        self.refused(self.ini, self.scratch / "x", "--archs", self.list, ranks=2, says=["none of its 2 files is a network"])
        self.list.write_text("# nothing\n")
        self.refused(self.ini, self.scratch / "x", "--archs", self.list, ranks=0, says=["list.txt: no path"])
        self.list.write_text("nets/c4k1d1.onnx\na\x1b[2Jb.onnx\n")
        self.refused(self.ini, self.scratch / "x", "--archs", self.list, ranks=0,
                     says=["list.txt:2: 'a\\x1b[2Jb.onnx' is no name for a network: it holds control characters"])
        (self.nets / os.fsdecode(b"b\xff.onnx")).write_bytes(b"")
        self.refused(self.ini, self.scratch / "x", "--archs", self.nets, ranks=0,
                     says=["nets: 'b\\xff.onnx' is no name for a network: it is not in UTF-8"])
        self.assertIn("a search makes its own", self.assay("search", self.ini, "-o", self.scratch / "x", expect=ERROR))
        self.assertFalse((self.scratch / "x").exists())

    def test_forged_journals(self):
        """Bytes of networks that no program wrote end in an error, or in results, and in no crash."""
        directory, _ = self.run_sweep("r", "--set", "run.metrics=cost")
        journal = directory / "journal"
        sound = journal.read_bytes()
        rng = random.Random(2)
        for i in range(40):
            def damage(extra):
                forged = bytearray(extra)
                for _ in range(rng.choice((1, 1, 4))):
                    at = rng.randrange(len(forged)) if i % 2 else rng.randrange(min(160, len(forged)))
                    forged[at] = rng.randrange(256)
                return bytes(forged[:rng.randrange(len(forged))] if i % 5 == 0 else forged)
            journal.write_bytes(sound)
            launch.forge(journal, edit_list=damage)
            p = subprocess.run([launch.ASSAY, "pack", directory], capture_output=True, text=True, errors="replace")
            self.assertIn(p.returncode, (0, 1), p.stderr)


if __name__ == "__main__":
    launch.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`assay status` of runs that are complete, running, stopped, dead, sharded, searches, damaged.

usage: test_status.py ASSAY SOURCE_ROOT
"""
import collections
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

import h5py

from test_cli import ASSAY, ENV, ROOT, Case, run

CHEAP = ["data.source=gaussian", "network.image=8", "network.channels=2", "ntk.batch=4", "az.batch=4", "run.repeats=1",
         "run.metrics=az,ntk,cost"]
SMALL = [word for key in CHEAP for word in ("--set", key)]


class Status(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"assay-status-{os.getpid()}")
        cls.addClassCleanup(shutil.rmtree, cls.made, ignore_errors=True)
        p = run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", cls.made, "--sample", "300", "-q", *SMALL)
        assert p.returncode == 0, p.stderr

    def setUp(self):
        super().setUp()
        self.run_dir = shutil.copytree(self.made, self.path("run"))

    def status(self, directory=None):
        return json.loads(self.works("status", directory or self.run_dir, "--format", "json"))

    def sign(self, *lines, pid=4711):
        with open(f"{self.run_dir}/lock", "w") as f:
            f.write(f"node7 {pid}\n" + "".join(line + "\n" for line in lines))

    def hold(self):
        lock = open(f"{self.run_dir}/lock")
        self.addCleanup(lock.close)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def tear(self, part):
        """Takes the end of the journal away, as a kill does."""
        os.truncate(f"{self.run_dir}/journal", int(os.path.getsize(f"{self.run_dir}/journal") * part))

    def test_complete(self):
        with h5py.File(f"{self.run_dir}/results.h5") as f:
            first = {int(c): i for i, c in reversed(list(enumerate(f["table/class"][:])))}
            status = [f["table/status"][i].decode() for i in first.values()]
            reason = [f["table/reason"][i].decode() for i in first.values()]
            seconds = sum(f["run/seconds"][i] for i in first.values())
        seen = self.status()
        self.assertEqual((seen["state"], seen["job"], seen["space"]), ("complete", "sweep", "nas-bench-201"))
        self.assertEqual((seen["done"], seen["total"]), (len(first), len(first)))
        for name, n in collections.Counter(status).items():
            self.assertEqual(seen[name], n)
        reasons = collections.Counter(r for r, s in zip(reason, status) if r and s == "degenerate")
        self.assertTrue(reasons)
        self.assertEqual({r["reason"]: r["n"] for r in seen["reasons"] if r["status"] == "degenerate"}, reasons)
        self.assertAlmostEqual(seen["cpu_seconds"], seconds, 9)
        owner = seen["owner"]
        self.assertEqual((owner["lives"], owner["exit_code"], owner["ranks"]), (False, 0, 1))
        self.assertEqual(owner["hosts"], f"{owner['host']} (1)")
        self.assertLessEqual(owner["begun"], owner["ended"])
        self.assertLess(abs(seen["published"] - os.path.getmtime(f"{self.run_dir}/results.h5")), 1)
        text = self.works("status", self.run_dir)
        self.assertIn(f"done        {len(first)} of {len(first)} (100.0 %): ", text)
        self.assertIn(f"degenerate  {max(reasons.values())} by {reasons.most_common(1)[0][0]}", text)
        self.assertIn("state       complete\n", text)

    def test_nothing_is_changed(self):
        def state():
            return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in pathlib.Path(self.run_dir).iterdir()}
        self.tear(0.7)
        before = state()
        for words in ([], ["--format", "json"], ["--watch"]):
            self.works("status", self.run_dir, *words)
        self.assertEqual(state(), before)

    def test_running_stopped_and_dead(self):
        n = self.status()["total"]
        self.tear(0.5)
        now = int(time.time())
        begun = [f"begun {now - 100}", "records 10", "ranks 5", "hosts node7 (3), node8 (2)"]
        self.sign(*begun)
        dead = self.status()
        self.assertEqual((dead["state"], dead["owner"]["lives"], dead["total"]), ("dead", False, n))
        self.assertTrue(0 < dead["done"] < n)
        self.assertIsNone(dead["left"])
        self.assertIn("owner       process 4711 on node7 has ended", self.works("status", self.run_dir))
        self.sign(*begun, f"ended {now - 50} 75")
        stopped = self.status()
        self.assertEqual((stopped["state"], stopped["owner"]["exit_code"]), ("stopped", 75))
        self.assertAlmostEqual(stopped["rate"], (dead["done"] - 10) / 50, 6)
        self.sign(*begun, f"ended {now - 50} 1")
        self.assertEqual(self.status()["state"], "failed")
        self.sign(*begun)
        lock = self.hold()
        running = self.status()
        self.assertEqual((running["state"], running["owner"]["lives"], running["owner"]["pid"]), ("running", True, 4711))
        self.assertEqual(running["owner"]["hosts"], "node7 (3), node8 (2)")
        self.assertAlmostEqual(running["rate"], (dead["done"] - 10) / 100, delta=0.02)
        self.assertAlmostEqual(running["left"], (n - dead["done"]) / running["rate"], delta=1)
        text = self.works("status", self.run_dir)
        for says in ("state       running: ", "ranks       5 on node7 (3), node8 (2); 1 evaluated", "lives and has the lock",
                     "at this rate", " ago\n"):
            self.assertIn(says, text)
        p = subprocess.Popen([ASSAY, "status", self.run_dir, "--watch"], env=ENV, stdout=subprocess.PIPE, text=True)
        self.assertEqual(p.stdout.readline(), f"directory   {self.run_dir}\n")
        lock.close()
        rest = p.stdout.read()
        p.stdout.close()
        self.assertEqual(p.wait(timeout=60), 0)
        self.assertEqual((rest.count("state       running"), rest.count("state       dead")), (1, 1))

    def test_what_older_programs_left(self):
        self.sign()
        self.assertEqual(self.status()["state"], "complete")
        self.tear(0.5)
        self.assertEqual(self.status()["state"], "unfinished")
        os.remove(f"{self.run_dir}/lock")
        seen = self.status()
        self.assertEqual((seen["state"], seen["owner"]["lives"], seen["owner"]["pid"]), ("unfinished", None, None))

    def test_before_the_journal(self):
        os.remove(f"{self.run_dir}/journal")
        self.sign(f"begun {int(time.time())}")
        self.fails(1, "status", self.run_dir, says=["journal"])
        self.hold()
        self.assertEqual(self.status()["state"], "starting")

    def test_a_resumed_run_is_not_disturbed(self):
        """Looking takes the lock for a moment, in which a run that starts must not be refused."""
        self.tear(0.5)
        stop = self.path("stop")
        watcher = subprocess.Popen(["sh", "-c", 'until [ -e "$0" ]; do "$1" status "$2" >&2 || exit 1; done', stop, ASSAY, self.run_dir],
                                   env=ENV, stderr=subprocess.PIPE)
        for _ in range(3):
            p = run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", self.run_dir, "--sample", "300", "-q", *SMALL)
            self.assertEqual(p.returncode, 0, p.stderr)
        self.write("stop", "")
        text = watcher.communicate(timeout=60)[1].decode()
        self.assertEqual(watcher.returncode, 0)
        self.assertIn("state       complete", text)

    def test_a_shard(self):
        self.works("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", self.path("part"), "--sample", "300", "-q", "--shard", "2/3",
                   *SMALL)
        seen, whole = self.status(self.path("part")), self.status()["total"]
        self.assertEqual((seen["state"], seen["shard"], seen["done"]), ("complete", "2/3", seen["total"]))
        self.assertLess(abs(seen["total"] - whole / 3), 1)
        self.assertIn("sweep of nas-bench-201, shard 2/3", self.works("status", self.path("part")))

    def test_a_search(self):
        run("search", f"{ROOT}/configs/nb201-nasi-search.ini", "-o", self.path("search"), *SMALL, "--set", "search.steps=3",
            "--set", "nasi.batch=4", "--set", "nasi.labels=random", "--set", "search.seeds=0-1", "--set", "search.method=nasi")
        seen = self.status(self.path("search"))
        self.assertEqual((seen["state"], seen["job"], seen["method"], seen["total"]), ("complete", "search", "nasi", None))
        self.assertGreater(seen["done"], 2)
        self.assertIn("search of nas-bench-201 by nasi, seeds 0-1", self.works("status", self.path("search")))

    def test_refuses(self):
        self.fails(1, "status", self.path("none"), says=["none", "No such file"])
        self.fails(1, "status", self.dir, says=["journal"])
        self.fails(1, "status", self.write("file", ""), says=["is a file, expected a directory"])
        self.fails(2, "status", says=["too few words"])
        with open(f"{self.run_dir}/journal", "r+b") as f:
            f.seek(-400, os.SEEK_END)
            f.write(b"\xff" * 8)
        self.fails(1, "status", self.run_dir, says=["its checksum is wrong and more data follow"])
        with open(f"{self.run_dir}/journal", "r+b") as f:
            f.seek(16)
            f.write(b"\xff" * 8)
        self.fails(1, "status", self.run_dir, says=["journal"])
        for name in ("lock", "journal"):
            os.remove(f"{self.run_dir}/{name}")
            os.mkfifo(f"{self.run_dir}/{name}")
        self.fails(1, "status", self.run_dir, says=["journal: not a regular file"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What h5py, and where they are installed xarray by h5netcdf and pandas, make of a result file.

usage: test_netcdf.py ASSAY SOURCE_ROOT
"""
import os
import re
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy as np

from test_cli import ROOT, Case, run

try:
    import h5netcdf  # noqa: F401
    import pandas as pd
    import xarray as xr
except ImportError:
    xr = None

CHEAP = ["data.source=gaussian", "network.image=8", "network.channels=2", "ntk.batch=4", "run.repeats=2"]
DIMENSIONS = {"table": ["index"], "ranks": ["index"], "repeats": ["index", "repeat"]}
CODES = {"ok": 0, "degenerate": 1, "dead": 2, "failed": 3, "unfinished": -1}


def plain(f):
    return {k: v.asstr()[:] if v.dtype.kind == "S" else v[:] for k, v in f["table"].items()}


class NetCDF(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.mkdtemp(prefix="assay-netcdf-")
        cls.addClassCleanup(shutil.rmtree, cls.made)
        words = [word for key in CHEAP for word in ("--set", key)]
        p = run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", cls.made, "--sample", "60", "-q", "--metrics", "ntk,cost", *words)
        assert p.returncode == 0, p.stderr
        cls.file = f"{cls.made}/results.h5"

    def test_h5py(self):
        with h5py.File(self.file) as f:
            for group, names in DIMENSIONS.items():
                for name, data in f[group].items():
                    if name != "index":
                        self.assertEqual([list(d.keys()) for d in data.dims], [[n] for n in names], name)
            self.assertEqual([list(d.keys()) for d in f["spectrum"].dims], [["index"], ["repeat"], ["eigenvalue"]])
            self.assertEqual(f["index"], f["table/index"])
            self.assertEqual((list(f["repeat"]), list(f["eigenvalue"])), ([0, 1], [0, 1, 2, 3]))
            self.assertEqual(h5py.check_enum_dtype(f["table/status_code"].dtype), CODES)
            code = {v: k for k, v in CODES.items()}
            table = plain(f)
            self.assertEqual([code[c] for c in table["status_code"]], list(table["status"]))
            for group in ("table", "columns"):
                for name, data in f[group].items():
                    if data.dtype.kind == "S":
                        self.assertEqual((h5py.check_string_dtype(data.dtype).encoding, data.attrs["_Encoding"]), ("utf-8", "utf-8"))
            self.assertEqual((f["table/kappa"].attrs["units"], f["table/log_kappa"].attrs["units"]), ("1", "nat"))
            self.assertEqual(f["table/kappa_stderr"].attrs["units"], "1")

    def test_xarray_and_pandas(self):
        if not xr:
            self.skipTest("no xarray, h5netcdf and pandas")
        with h5py.File(self.file) as f:
            table, spectrum = plain(f), f["spectrum"][:]
        with xr.open_dataset(self.file, group="table", engine="h5netcdf") as data:
            df = data.to_dataframe()
        self.assertEqual((df.index.name, list(df.index)), ("index", list(table["index"])))
        self.assertEqual(set(df.columns), set(table) - {"index"})
        for name in df.columns:
            np.testing.assert_array_equal(np.asarray(df[name]), table[name], err_msg=name)
        self.assertIsInstance(df.arch.iloc[0], str)
        with xr.open_datatree(self.file, engine="h5netcdf") as tree:
            self.assertEqual(tree["repeats/kappa"].dims, ("index", "repeat"))
            np.testing.assert_array_equal(tree["spectrum"].sel(index=df.index[3], repeat=1), spectrum[3, 1])
        with open(f"{ROOT}/README.md", encoding="utf-8") as f:
            lines = re.split(r"\n(?=df)", re.search(r"(?s)```python\n(df = xr\..*?)```", f.read())[1])
        self.assertEqual(len(lines), 2)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.made)
        for line in lines:
            scope = {"xr": xr, "pd": pd, "h5py": h5py}
            exec(line, scope)  # pylint: disable=exec-used
            self.assertEqual(list(scope["df"].arch), list(table["arch"]))

    def test_files_of_format_1(self):
        """Texts in ASCII, plain numbers, no scales: as all published files are."""
        for name in ("nb201-default-cifar10", "nats-sss-cheap-gaussian"):
            with h5py.File(f"{ROOT}/results/{name}.h5") as f:
                self.assertEqual(f.attrs["assay_results"], 1)
                arch = f["table/arch"][f["rankings/params"][0]].decode()
            self.assertIn(arch, self.works("rank", f"{ROOT}/results/{name}.h5", "--by", "params", "--top", "1"))
        later = shutil.copy(self.file, self.path("later.h5"))
        with h5py.File(later, "r+") as f:
            f.attrs.modify("assay_results", np.int32(3))
        self.fails(1, "rank", later, says=["results of format 3; this program reads formats 1 to 2"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

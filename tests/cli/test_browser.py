#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports in a browser, 1,280 and 400 pixels wide: nothing is wider than the window, every text can be read and lies
in its picture, and every picture has a caption. Pictures of the pages stay in $ASSAY_SCREENSHOTS, where it is set.
Skipped where there is no chromium or gnuplot.

usage: test_browser.py ASSAY SOURCE_ROOT
"""
import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest

import h5py
import numpy

import test_report
from test_cli import ROOT, Case

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALLEST = 8.5  # pixels of a text in a picture, whatever the picture is shrunk to

# Runs in a copy of the page, since a report itself forbids scripts.
MEASURE = """<script>
const seen = {width: innerWidth, page: document.documentElement.scrollWidth, small: [], outside: [], wide: [], bare: [],
              pictures: document.querySelectorAll('svg').length, sections: []};
for (const s of document.querySelectorAll('section')) seen.sections.push(s.id);
for (const svg of document.querySelectorAll('svg')) {
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const figure = svg.closest('figure');
    if (box.right > innerWidth || box.width < 150) seen.wide.push(box.right + ' ' + box.width);
    if (figure && !(figure.querySelector('figcaption') || {}).innerText) seen.bare.push(svg.outerHTML.slice(0, 80));
    for (const text of svg.querySelectorAll('text')) {
        const at = text.getBoundingClientRect(), size = scale * parseFloat(getComputedStyle(text).fontSize);
        if (!text.textContent.trim() || !at.width) continue;
        if (size < %f) seen.small.push(text.textContent + ' ' + size);
        if (at.left < box.left - 2 || at.right > box.right + 2 || at.top < box.top - 2 || at.bottom > box.bottom + 2)
            seen.outside.push(text.textContent);
    }
}
parent.postMessage(JSON.stringify(seen), '*');
</script>""" % SMALLEST

# A window is at least 500 pixels wide, a frame is as wide as one wants.
FRAME = """<body><iframe src="copy.html" width="%d" height="1000" style="border:0"></iframe><script>
onmessage = event => {
    const out = document.createElement('pre');
    out.id = 'seen';
    out.textContent = event.data;
    document.body.append(out);
};
</script>"""


def browse(*words):
    return subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *words],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
@unittest.skipUnless(BROWSER, "chromium is not installed")
class Browser(Case):
    def measure(self, page, width):
        with open(page, encoding="utf-8") as f:
            text = f.read()
        text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace("</body>", MEASURE + "</body>")
        self.write("copy.html", text)
        frame = self.write("frame.html", FRAME % width)
        dom = browse("--window-size=1400,1100", "--virtual-time-budget=10000", "--dump-dom", f"file://{frame}").stdout.decode()
        return json.loads(html.unescape(re.search(r'(?s)<pre id="seen">(.*?)</pre>', dom)[1]))

    def picture(self, page, width, name):
        folder = os.environ.get("ASSAY_SCREENSHOTS", self.dir)
        file = os.path.join(folder, f"{name}-{width}.png")
        browse(f"--window-size={width},1600", f"--screenshot={file}", f"file://{page}")
        with open(file, "rb") as f:
            data = f.read()
        self.assertEqual(struct.unpack(">II", data[16:24]), (width, 1600))
        self.assertGreater(len(data), 20000)  # it is not blank

    def looks_right(self, name, sections, *words):
        page = self.path(name + ".html")
        self.works("report", *words, "-o", page)
        for width in (1280, 400):
            with self.subTest(name, width=width):
                seen = self.measure(page, width)
                self.assertEqual(seen["width"], width)
                self.assertLessEqual(seen["page"], width)
                for fault in ("small", "outside", "wide", "bare"):
                    self.assertEqual(seen[fault], [])
                self.assertEqual(seen["sections"], sections)
                self.assertGreater(seen["pictures"], 3)
                self.picture(page, width, name)

    def truth(self, file):
        """Accuracies that nobody measured: the larger, the better, and a little chance."""
        with h5py.File(file) as f:
            archs, params = f["table/arch"][:], f["table/params"][:]
        rng = numpy.random.default_rng(1)
        accuracy = 90 + numpy.log10(params + 1) + rng.normal(size=len(archs)) / 5
        lines = [f"{arch.decode()},{value:.3f}" for arch, value in zip(archs, accuracy)]
        return self.write("truth.csv", "\n".join(["arch,test_accuracy", *lines]) + "\n")

    def test_sweeps_of_two_spaces(self):
        sections = ["run", "top", "agree", "top-k", "matrix", "operations"]
        for name in ("nb201-default-cifar10", "transnas-macro-cheap-cifar10"):
            file = f"{ROOT}/results/{name}.h5"
            self.looks_right(name, sections, file, "--truth", self.truth(file), "--bootstrap", "0")

    def test_cells_of_darts(self):
        """The architectures with the longest texts."""
        config = self.write("darts.ini", "[space]\nname = darts\n[data]\nsource = gaussian\n[run]\nmetrics = cost\nrepeats = 1\n")
        self.works("sweep", config, "-o", self.path("run"), "--sample", "30", "-q")
        self.looks_right("darts", ["run", "top", "agree", "matrix", "operations"], self.path("run"))


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
@unittest.skipUnless(BROWSER, "chromium is not installed")
class BrowsedSearch(Browser, test_report.MadeUpSearch):
    test_sweeps_of_two_spaces = test_cells_of_darts = None

    def test_a_search(self):
        self.add_rounds()
        self.add_steps()
        self.looks_right("search", ["run", "found", "pruning", "steps", "choices"], self.search)


if __name__ == "__main__":
    if not BROWSER or not shutil.which("gnuplot"):
        print("skipped: chromium or gnuplot is not installed")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)

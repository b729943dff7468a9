#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what meson's testlog.json holds: the cases of a cmocka or unittest program, others as one.

Names what was skipped or failed, and closes with "N passed, N failed, N skipped". Fails when
anything failed or nothing passed.
"""
import json
import re
import sys

CMOCKA = re.compile(r"^\[\s*(OK|FAILED|ERROR|SKIPPED)\s*\] (\w+)$", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.M)
WHOLE = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def cmocka_counts(text):
    # A case that failed or was skipped is named again in the program's own summary.
    verdict = {name: word for word, name in CMOCKA.findall(text)}
    words = list(verdict.values())
    return words.count("OK"), words.count("FAILED") + words.count("ERROR"), words.count("SKIPPED")


def unittest_counts(text):
    passed = failed = skipped = 0
    for ran, details in UNITTEST.findall(text):
        by_kind = dict(item.split("=") for item in details.split(", ") if item)
        bad = sum(int(by_kind.get(kind, 0)) for kind in ("failures", "errors", "unexpected successes"))
        missed = int(by_kind.get("skipped", 0))
        passed, failed, skipped = passed + int(ran) - bad - missed, failed + bad, skipped + missed
    return passed, failed, skipped


def counts(test):
    """(passed, failed, skipped) of a program; one that failed counts at least one failure."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    whole = WHOLE.get(test["result"], "failed")
    found = [a + b for a, b in zip(cmocka_counts(text), unittest_counts(text))]
    if not any(found) or (whole == "failed" and not found[1]):
        found[("passed", "failed", "skipped").index(whole)] += 1
    return found


def main(path):
    total = [0, 0, 0]
    with open(path, encoding="utf-8") as lines:
        for test in map(json.loads, lines):
            passed, failed, skipped = counts(test)
            total = [a + b for a, b in zip(total, (passed, failed, skipped))]
            if failed or skipped:
                print(f"{test['name']}: {failed} failed, {skipped} skipped ({test['result']})")
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Counts the cases of an Autobahn report; fails where a case did, or none was run."""
import json
import sys

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")

with open(sys.argv[1]) as report:
    cases = json.load(report)["crosspoint"]
bad = [
    "case %s: %s, close %s" % (name, case["behavior"], case["behaviorClose"])
    for name, case in sorted(cases.items())
    if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD
]
sys.stdout.write("".join(line + "\n" for line in bad))
sys.stdout.write("autobahn: %d passed, %d failed, 0 skipped\n" % (len(cases) - len(bad), len(bad)))
sys.exit(1 if bad or not cases else 0)

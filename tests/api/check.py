"""Starts hubs, has somebody in them, and lets schemathesis ask them everything that the document describes."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).parent
KEY = "a-key-for-schemathesis"
# A hub that drains answers all else differently: that operation has a hub of its own.
RUNS = {
    "ascii": ["--exclude-path", "/drain", "--generation-codec", "ascii"],
    # Lengths are bytes in the hub and characters in the document: names that fit there may be too long here.
    "unicode": ["--exclude-path", "/drain", "--exclude-checks", "positive_data_acceptance"],
    "drain": ["--include-path", "/drain", "--phases", "examples,coverage,fuzzing", "--generation-codec", "ascii"],
}


class Hub:
    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "serve", "--config", HERE / "hub.toml"], stdout=subprocess.PIPE, text=True
        )
        self.url = re.search(r"https?://[^\s/]+", self.process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers)) as answer:
            return json.load(answer)


class Person(threading.Thread):
    """Somebody in a room, who comes again when they were sent away."""

    def __init__(self, binary, url, name):
        super().__init__(daemon=True)
        self.command = [binary, "subscribe", "chat:lobby", "--url", url, "--user", name]
        self.over = threading.Event()
        self.process = None

    def run(self):
        while not self.over.is_set():
            self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while self.process.poll() is None and not self.over.wait(0.2):
                pass
            self.process.kill()
            self.process.wait()
            self.over.wait(0.2)

    def end(self):
        self.over.set()
        self.join()


def check(binary, name, options):
    """How many operations passed and failed."""
    with Hub(binary) as hub, tempfile.TemporaryDirectory() as folder:
        people = [Person(binary, hub.url, name) for name in ("alice", "bob")]
        for n in range(3):
            hub.ask("/api/v1/rooms/chat%3Alobby/events", {"type": "message", "data": n, "id": f"m{n}"})
        report = pathlib.Path(folder) / "report.xml"
        command = [
            pathlib.Path(sys.executable).parent / "schemathesis",
            "--config-file", HERE / "schemathesis.toml",
            "run", hub.url + "/openapi.json",
            "--report", "junit", "--report-junit-path", report,
            "--no-color", *options,
        ]
        print(f"--- {name}", flush=True)
        for person in people:
            person.start()
        code = subprocess.run([str(part) for part in command], cwd=folder, env=os.environ | {"NO_PROXY": "*"}).returncode
        for person in people:
            person.end()
        if hub.process.poll() is not None:
            print(f"the hub has ended: {hub.process.returncode}")
            return 0, 1
        cases = list(xml.parse(report).getroot().iter("testcase")) if report.exists() else []
        failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
        if code and not failed:
            failed = 1
        return len(cases) - failed, failed


def main():
    binary, *names = sys.argv[1:]
    passed = failed = 0
    for name in names or RUNS:
        good, bad = check(binary, name, RUNS[name])
        passed, failed = passed + good, failed + bad
    print(f"api: {passed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


main()

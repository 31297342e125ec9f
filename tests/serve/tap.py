"""A Singer tap of the tests: numbers as contacts, with the faults that its config asks for."""

import json
import os
import signal
import subprocess
import sys
import time

arguments = sys.argv[1:]


def given(option):
    if option not in arguments:
        return None
    with open(arguments[arguments.index(option) + 1]) as file:
        return json.load(file)


def tell(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def note(name, text):
    """Appends a line to a file that the test reads."""
    with open(name, "a") as file:
        file.write(text + "\n")


config, state, catalog = given("--config"), given("--state"), given("--catalog")
path = arguments[arguments.index("--config") + 1]
note(config.get("log", "starts"), json.dumps({
    "state": state, "config": config, "catalog": catalog, "environment": dict(os.environ),
    "pid": os.getpid(), "first": arguments[0], "folder": os.getcwd(), "path": path,
    "modes": [oct(os.stat(place).st_mode & 0o777) for place in (path, os.path.dirname(path))],
}))
if config.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if config.get("helper"):
    output = None if config["helper"] in ("holds", "dribbles", "floods") else subprocess.DEVNULL
    script = {"dribbles": "while echo; do sleep 0.2; done", "floods": "while echo; do :; done"}
    script = script.get(config["helper"], "exec sleep 600")
    helper = subprocess.Popen(["sh", "-c", script], stdout=output)
    note("helpers", str(helper.pid))
say = config.get("say")
if say:
    for n in range(say["lines"]):
        print("line", n, config["token"], file=sys.stderr)
    sys.stderr.write("x" * say["endless"] + config["token"] + "\n")
stream = config.get("stream", "contacts")
tell({"type": "SCHEMA", "stream": stream, "key_properties": [],
      "schema": {"type": "object", "properties": {"externalId": {"type": "string"}}}})
number = (state or {}).get("next", 0)
while number < config["to"]:
    if number == config.get("die_at") and not os.path.exists("died"):
        note("died", "")
        sys.stdout.write('{"type": "RECORD", "stream": "cont')
        sys.stdout.flush()
        print("Traceback\nboom: not let in with", config["token"], file=sys.stderr)
        sys.exit(3)
    if number == config.get("hang_at"):
        note("hangs", str(os.getpid()))
        while True:
            time.sleep(60)
    if number == config.get("garbage_at"):
        sys.stdout.write("no message\n")
        sys.stdout.flush()
        while True:
            time.sleep(60)
    email = "none" if number == config.get("bad") else f"{number}@example.com"
    tell({"type": "RECORD", "stream": stream, "record": {"externalId": f"c-{number}", "email": email}})
    number += 1
    if number % config.get("per", 10) == 0:
        tell({"type": "STATE", "value": {"next": number}})
    time.sleep(config.get("pause", 0))
note("ends", str(number))

"""The Singer SDK's own tests of targets, with all of its data files, over our program.

The SDK tests a target that is a Python class. Here the class is a shell: it hands the messages of a
case to the program, passes its stdout on, and raises what the SDK expects where the program has
refused the same thing. Beyond what the SDK looks at, each case compares what the remote holds with
what its data file says, record by record, and each record's row in the results.

What must not be is told by `pytest.fail`, which is no `Exception`: cases that wait for one must not
take it for theirs.

`PROGRAM` is the program, `REMOTE` the address of a sandbox that nobody else uses.
"""

import importlib.resources
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest
from singer_sdk import Target
from singer_sdk.exceptions import (
    InvalidJSONSchema,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.testing import get_target_test_class, target_test_streams
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import (
    TargetMultipleStateMessages,
    TargetRecordMissingRequiredProperty,
)
from singer_sdk.testing.templates import TargetFileTestTemplate

PROGRAM = os.environ["PROGRAM"]
REMOTE = os.environ["REMOTE"]
# A name that no object of the remote can have; its records go to another.
SPECIAL = "test:SpecialChars!in?attributes"

CONFIG = {
    "connector": "rest",
    "manifest": "sandbox",
    "base_url": REMOTE,
    "access_token": "sandbox-token",
    "identity": "source",
    "state": {"format": "tap"},
    "streams": {
        # The remote keeps its own id under `id`; ours is to arrive all the same.
        "*": {"fields": {"source_id": {"from": "id"}}},
        SPECIAL: {"object": "special"},
    },
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Gives each case an empty remote, a folder, and nothing to remember."""
    monkeypatch.chdir(tmp_path)
    ask("/_sandbox/reset", b"")
    Upsert.remote = {}


def ask(path, body=None):
    with urllib.request.urlopen(REMOTE + path, body) as answer:
        return answer.read()


def call(*arguments, lines=""):
    return subprocess.run(
        [PROGRAM, *arguments], input=lines, capture_output=True, encoding="utf-8", timeout=60
    )


class Upsert(Target):
    """The program, as the SDK sees it."""

    name = "target-upsert"
    config_jsonschema = {"properties": {}, "additionalProperties": True}
    # What the remote must hold by now: records by object.
    remote = {}

    def process_lines(self, file_input):
        lines = file_input.read()
        with open("config.json", "w") as config:
            json.dump(dict(self.config), config)
        files = ["--results", "results.jsonl", "--summary", "summary.json"]
        ran = call("--config", "config.json", *files, lines=lines)
        sys.stdout.write(ran.stdout)
        said = Said(lines, self.remote)
        self.compare_remote(said)
        if ran.returncode == 4 and said.record_before_schema:
            place = f"line 1 of the input: a record of stream `{said.record_before_schema}` before"
            must(place in ran.stderr, ran.stderr)
            raise RecordsWithoutSchemaException(ran.stderr)
        if ran.returncode == 4 and "the schema of stream" in ran.stderr:
            must(not said.rows, "records were there")
            raise InvalidJSONSchema(ran.stderr)
        must(ran.returncode == 0, f"exit code {ran.returncode}: {ran.stderr}")
        must(not said.record_before_schema, "a record before its schema was taken")
        self.compare_results(said)
        self.compare_states(said, ran.stdout)
        if said.missing_key:
            raise MissingKeyPropertiesError(ran.stderr)

    def process_endofpipe(self):
        """Nothing is left to do: the program has ended."""

    @staticmethod
    def compare_remote(said):
        for name, expected in said.remote.items():
            held = json.loads(ask(f"/_sandbox/objects/{urllib.parse.quote(name)}"))
            found = []
            for record in held:
                record.pop("id")
                if "source_id" in record:
                    record["id"] = record.pop("source_id")
                found.append((record.pop("ext_id", None), record))
            must(same(found, expected), f"{name}: the remote holds {found}, not {expected}")

    @staticmethod
    def compare_results(said):
        with open("results.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        must(len(rows) == len(said.rows), f"{len(rows)} results of {len(said.rows)} records")
        for row in rows:
            missing = said.rows[row["position"] - 1]
            is_rejected = row["outcome"] == "rejected"
            must(is_rejected == bool(missing), f"{row} though it misses {missing}")
            must(row["success"] is not is_rejected, row)
            # Who reads it must see what the record lacks.
            must(not missing or missing in row["error_message"], row)
        with open("summary.json", encoding="utf-8") as file:
            must(json.load(file)["proof"]["holds"], "the summary's proof")

    @staticmethod
    def compare_states(said, stdout):
        """Each line is a STATE of the input as it stands there, in order, the last one for sure."""
        states = iter(said.states)
        lines = stdout.splitlines()
        must(all(line in states for line in lines), f"{lines} of {said.states}")
        must(lines[-1:] == said.states[-1:], f"{lines} of {said.states}")

    @classmethod
    def print_version(cls, print_fn=print):
        ran = call("--version")
        must(ran.returncode == 0 and ran.stdout.startswith("target-upsert "), ran)
        print_fn(ran.stdout)

    @classmethod
    def print_about(cls, output_format=None):
        ran = call("--about", *([f"--format={output_format}"] if output_format else []))
        must(ran.returncode == 0 and "base_url" in ran.stdout, ran)
        if output_format == "json":
            about = json.loads(ran.stdout)
            must(about["name"] == "target-upsert" and about["version"], about)
            must("manifest" in about["settings"]["properties"], about)
        print(ran.stdout)


class Said:
    """What a data file says should become of its records."""

    def __init__(self, lines, remote):
        self.remote = remote
        # Per record, in order: the field that it must have and misses, or nothing.
        self.rows = []
        self.states = []
        self.record_before_schema = None
        self.missing_key = False
        schemas = {}
        for line in filter(str.strip, lines.splitlines()):
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                schemas[message["stream"]] = message
                remote.setdefault(self.object_of(message["stream"]), [])
            elif message["type"] == "STATE":
                # As the text stands in the line.
                self.states.append(line[line.index("{", 1) : line.rindex("}")])
            elif message["stream"] in schemas:
                self.take(schemas[message["stream"]], message["record"])
            else:
                self.record_before_schema = message["stream"]
                remote.setdefault(message["stream"], [])
                return

    @staticmethod
    def object_of(stream):
        return "special" if stream == SPECIAL else stream

    def take(self, schema, record):
        keys = schema.get("key_properties") or []
        lacks = [name for name in keys if name not in record]
        self.missing_key |= bool(lacks)
        lacks += [name for name in schema["schema"].get("required", []) if name not in record]
        self.rows.append(lacks[0] if lacks else None)
        if lacks:
            return
        held = self.remote[self.object_of(schema["stream"])]
        if not keys:
            held.append((None, record))
            return
        (key,) = keys
        for ext_id, there in held:
            if ext_id == str(record[key]):
                there.update(record)
                return
        held.append((str(record[key]), dict(record)))


def same(one, other):
    def key(pair):
        return json.dumps(pair, sort_keys=True)

    return sorted(map(key, one)) == sorted(map(key, other))


def must(condition, told):
    if not condition:
        pytest.fail(str(told))


TestStandard = get_target_test_class(Upsert, config=CONFIG)

class MultipleStateMessages(TargetMultipleStateMessages):
    """The SDK's case, less a fault of the SDK that nothing could pass: its runner reads the lines of
    stdout into objects, and the case compares them with text. Here they stay text.
    """

    def run(self, config, resource, runner):
        runner._clean_sync_output = str.splitlines
        super().run(config, resource, runner)


# The SDK has these two and does not run them. Of the five STATEs of the first it expects those that
# are the newest safe ones whenever three records of a stream have gone out.
LEFT_OUT = SingerTestSuite("target", [MultipleStateMessages, TargetRecordMissingRequiredProperty])
TestLeftOut = get_target_test_class(
    Upsert,
    config=CONFIG | {"batch": {"records": 3, "secs": 60}, "max_in_flight": 1},
    include_target_tests=False,
    custom_suites=[LEFT_OUT],
)


class Continued(TargetFileTestTemplate):
    """A data file with no case of its own, after the one that it goes on from."""

    before = None

    def setup(self):
        if self.before:
            file = importlib.resources.files(target_test_streams) / f"{self.before}.singer"
            with file.open(encoding="utf-8") as lines:
                self.target.process_lines(lines)


class NoPrimaryKeysAppend(Continued):
    name = "no_primary_keys_append"
    before = "no_primary_keys"


class UserLocation(Continued):
    name = "user_location_data"


class UserLocationUpsert(Continued):
    name = "user_location_upsert_data"
    before = "user_location_data"


FILES = SingerTestSuite("target", [NoPrimaryKeysAppend, UserLocation, UserLocationUpsert])
TestFiles = get_target_test_class(
    Upsert, config=CONFIG, include_target_tests=False, custom_suites=[FILES]
)


def test_every_data_file_has_a_case():
    cases = target_tests.tests + LEFT_OUT.tests + FILES.tests
    names = {case.name for case in cases} - {"cli_prints"}
    folder = importlib.resources.files(target_test_streams)
    files = {file.name.removesuffix(".singer") for file in folder.iterdir()}
    assert names == {name for name in files if not name.startswith("__")}
    assert len(target_tests.tests) == 16

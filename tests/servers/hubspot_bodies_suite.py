"""What the connector sends to HubSpot, read by the models of HubSpot's own client: jobs of all kinds
run against a sandbox behind a proxy that remembers each body, and each is then made into the model of
its call and back. A member that the model does not know, or one that it needs and has not, fails.

`REMOTE` is the address of a sandbox that nobody else uses, `PROGRAM` the program.
"""

import http.client
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.parse

import pytest
from hubspot.crm import lists, objects, properties
from hubspot.crm.associations import v4

# What calls take: method, path, client, model.
MODELS = [
    ("POST", r"/crm/objects/[^/]+/[^/]+/batch/create", objects, "BatchInputSimplePublicObjectBatchInputForCreate"),
    ("POST", r"/crm/objects/[^/]+/[^/]+/batch/update", objects, "BatchInputSimplePublicObjectBatchInput"),
    ("POST", r"/crm/objects/[^/]+/[^/]+/batch/upsert", objects, "BatchInputSimplePublicObjectBatchInputUpsert"),
    ("POST", r"/crm/objects/[^/]+/[^/]+/batch/read", objects, "BatchReadInputSimplePublicObjectId"),
    ("POST", r"/crm/objects/[^/]+/[^/]+/batch/archive", objects, "BatchInputSimplePublicObjectId"),
    ("POST", r"/crm/objects/[^/]+/[^/]+/search", objects, "PublicObjectSearchRequest"),
    ("POST", r"/crm/associations/[^/]+/[^/]+/[^/]+/batch/create", v4, "BatchInputPublicAssociationMultiPost"),
    ("POST", r"/crm/associations/[^/]+/[^/]+/[^/]+/batch/read", v4, "BatchInputPublicFetchAssociationsBatchRequest"),
    ("POST", r"/crm/properties/[^/]+/[^/]+", properties, "PropertyCreate"),
    ("POST", r"/crm/lists/[^/]+", lists, "ListCreateRequest"),
    ("PUT", r"/crm/lists/[^/]+/[^/]+/memberships/add-and-remove", lists, "MembershipChangeRequest"),
]


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies = []

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        Proxy.bodies.append((self.command, self.path, body))
        remote = http.client.HTTPConnection(urllib.parse.urlparse(os.environ["REMOTE"]).netloc)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        remote.request(self.command, self.path, body, headers)
        answer = remote.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, *arguments):
        pass


def line(**message):
    return json.dumps(message) + "\n"


def records(stream, contents):
    names = {name: {} for content in contents for name in content}
    schema = {"type": "object", "properties": names}
    head = line(type="SCHEMA", stream=stream, key_properties=[], schema=schema)
    return head + "".join(line(type="RECORD", stream=stream, record=one) for one in contents)


def association(to, kind, object_type):
    return [{
        "to": {"id": to, "objectType": object_type},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}],
    }]


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("job")

    def job(text, command=(), **config):
        config = {
            "connector": "hubspot", "base_url": f"http://127.0.0.1:{server.server_port}",
            "access_token": "sandbox-token", "search_lag_secs": 0, **config,
        }
        (folder / "config.json").write_text(json.dumps(config))
        ran = subprocess.run(
            [os.environ["PROGRAM"], *command, "--config", "config.json"],
            input=text, capture_output=True, text=True, cwd=folder, timeout=60,
        )
        assert ran.returncode == 0, ran.stderr + ran.stdout
        return ran.stdout

    unique = {"companies": {"external_id_property": "erp_id"}}
    job("", ["check", "--create"], streams=unique)
    companies = [{"externalId": n, "name": f"Acme {n}", "n": None} for n in ("a", "b")]
    companies = [{name: value for name, value in one.items() if name != "n"} for one in companies]
    state = json.loads(job(records("companies", companies), streams=unique))
    company = state["mappings"]["companies"][0]["RemoteId"]
    companies[0]["name"] = "Apex"
    job(records("companies", companies), streams=unique)
    for name in ("Ann", None):
        contact = {"email": "ann@example.com", "firstname": name, "phone": "+1555",
                   "associations": association(company, 279, "companies")}
        state = json.loads(job(records("contacts", [contact])))
    contact = state["bookmarks"]["contacts"][0]["id"]
    job(records("deals", [{"dealname": "Big", "amount": 1.5}, {"dealname": "Small"}]),
        lookup_fields={"deals": "dealname"})
    job(records("deals", [{"dealname": "Big", "amount": 2}]), lookup_fields={"deals": "dealname"})
    job(records("contacts", [{"email": "ann@example.com", "city": "Lyon"}]), only_upsert_empty_fields=True)
    unified = {"unified_api_schema": True}
    job(records("contacts", [{"email": "bob@example.com", "lists": ["news"], "custom_fields": [
        {"name": "tier", "type": "enumeration", "value": "gold"}, {"name": "vip", "type": "bool", "value": "true"},
        {"name": "since", "type": "date", "value": "2026-01-02"}, {"name": "points", "type": "number", "value": 5},
        {"name": "about", "value": "x"}]}]), **unified)
    job(records("deals", [{"title": "Deal", "contact_email": "bob@example.com"}]), **unified)
    job(records("activities", [{"type": "call", "title": "Call", "contact_id": contact, "duration_seconds": 5},
                               {"type": "task", "title": "Task"}]), **unified)
    job(records("notes", [{"content": "x", "company_name": "Apex", "created_at": "2026-01-02T03:04:05Z"}]), **unified)
    job(records("companies", companies), streams={"companies": {"mode": "delete"}})
    server.shutdown()
    return [(method, urllib.parse.urlparse(path).path, body) for method, path, body in Proxy.bodies if body]


def read(client, model, body):
    class Answer:
        data = body.decode()

    api = client.ApiClient()
    return api.sanitize_for_serialization(api.deserialize(Answer(), model))


def test_each_body_is_one_of_a_model(sent):
    seen = set()
    for method, path, body in sent:
        kinds = [(client, model) for verb, route, client, model in MODELS
                 if verb == method and re.fullmatch(route, path)]
        assert len(kinds) == 1, f"{method} {path}"
        client, model = kinds[0]
        assert read(client, model, body) == json.loads(body), f"{method} {path}: {body.decode()}"
        seen.add(model)
    assert seen == {model for *_, model in MODELS}

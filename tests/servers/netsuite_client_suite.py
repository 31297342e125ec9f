"""`netsuite`, a client of NetSuite's that others wrote and many use, over the sandbox's NetSuite: signed
calls, records by ids and external ids, queries with their pages, jobs, and tokens for assertions. The
client makes the requests and signs them.

`REMOTE` is the address of a sandbox that nobody else uses, whose pages have two rows and whose jobs are
under way for a while.
"""

import asyncio
import datetime
import json
import os
import time
import uuid

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from netsuite import Config, NetSuiteRestApi, TokenAuth
from netsuite.exceptions import NetsuiteAPIRequestError

REMOTE = os.environ["REMOTE"]
COLLECTION = "application/vnd.oracle.resource+json; type=collection"


class Api(NetSuiteRestApi):
    """The client speaks TLS to hosts of NetSuite's only; this brings all of it to the sandbox."""

    def _make_url(self, subpath):
        return f"{REMOTE}/services/rest{subpath}"


def api(account="1234567_SB1", secret="sandbox-consumer-secret", token="sandbox-token-key", **more):
    auth = TokenAuth(
        consumer_key="sandbox-consumer-key",
        consumer_secret=secret,
        token_id=token,
        token_secret="sandbox-token-secret",
    )
    return Api(Config(account=account, auth=auth), **more)


@pytest.fixture
def ns():
    return api()


def run(call):
    return asyncio.run(call)


def refusal(call):
    """Status and code of what a call is refused for."""
    with pytest.raises(NetsuiteAPIRequestError) as refused:
        run(call)
    error = json.loads(refused.value.response_text)
    assert error["status"] == refused.value.status_code
    return refused.value.status_code, error["o:errorDetails"][0]["o:errorCode"]


def key():
    return uuid.uuid4().hex


def vendor(name):
    return {"companyName": name, "externalId": name, "subsidiary": {"id": "1"}}


def made(response):
    """The id of the record that a call has made or changed."""
    assert response.status_code == 204, response.text
    base, _, id = response.headers["location"].rpartition("/")
    assert base.startswith(f"{REMOTE}/services/rest/record/v1/")
    return id


class TestLogin:
    def test_a_signature_is_taken(self, ns):
        assert run(ns.get("/record/v1/currency"))["totalResults"] == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            {"secret": "another"},
            {"token": "another"},
            {"account": "1234567_SB2"},
            {"signature_method": "HMAC-SHA1"},
        ],
    )
    def test_a_wrong_one_is_refused(self, wrong):
        assert refusal(api(**wrong).get("/record/v1/currency")) == (401, "INVALID_LOGIN")

    def certificate(self, private):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(private.public_key()).serial_number(1)
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        signed = builder.sign(private, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def test_a_token_for_an_assertion(self):
        token = f"{REMOTE}/services/rest/auth/oauth2/v1/token"
        keys = {
            "PS256": rsa.generate_private_key(public_exponent=65537, key_size=3072),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
        }
        for algorithm, private in keys.items():
            body = {"certificate_id": algorithm, "certificate": self.certificate(private)}
            set = httpx.post(f"{REMOTE}/_sandbox/netsuite/certificates", json=body)
            assert set.status_code == 204, set.text
            now = int(time.time())
            claims = {
                "iss": "sandbox-client-id",
                "scope": "restlets,rest_webservices",
                "aud": token,
                "iat": now,
                "exp": now + 600,
            }
            headers = {"kid": algorithm, "typ": "JWT"}
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": jwt.encode(claims, private, algorithm, headers),
            }
            given = httpx.post(token, data=form)
            assert given.status_code == 200, given.text
            assert given.json()["expires_in"] == "3600"
            headers = {"Authorization": f"Bearer {given.json()['access_token']}"}
            read = httpx.get(f"{REMOTE}/services/rest/record/v1/currency/1", headers=headers)
            assert read.json()["symbol"] == "USD"
        form["client_assertion"] = jwt.encode(claims, keys["PS256"], "RS256", {"kid": "PS256"})
        refused = httpx.post(token, data=form)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")


class TestRecords:
    def test_one_is_made_read_changed_and_deleted(self, ns):
        name = key()
        id = made(run(ns.request("POST", "/record/v1/vendor", json=vendor(name))))
        assert run(ns.patch(f"/record/v1/vendor/{id}", json={"email": "a@example.com"})) is None
        read = run(ns.get(f"/record/v1/vendor/eid:{name}"))
        assert (read["id"], read["entityId"], read["email"]) == (id, name, "a@example.com")
        assert read["subsidiary"]["refName"] == "Parent Company"
        assert run(ns.delete(f"/record/v1/vendor/{id}")) is None
        assert refusal(ns.get(f"/record/v1/vendor/{id}")) == (404, "NONEXISTENT_ID")

    def test_an_upsert_by_external_id(self, ns):
        name = key()
        path = f"/record/v1/customer/eid:{name}"
        body = {"companyName": name, "subsidiary": {"id": 1}}
        first = made(run(ns.request("PUT", path, json=body)))
        again = made(run(ns.request("PUT", path, json={"phone": "1"})))
        assert first == again
        assert run(ns.get(path))["phone"] == "1"

    def test_what_is_refused(self, ns):
        # The client asks to be told of names that are no fields.
        body = {**vendor(key()), "custentity_unknown": 1}
        assert refusal(ns.post("/record/v1/vendor", json=body)) == (400, "INVALID_CONTENT")
        assert refusal(ns.post("/record/v1/vendor", json={})) == (400, "USER_ERROR")
        twice = vendor(key())
        run(ns.post("/record/v1/vendor", json=twice))
        assert refusal(ns.post("/record/v1/vendor", json=twice)) == (400, "USER_ERROR")

    def test_lines_are_added_and_replaced(self, ns):
        party = made(run(ns.request("POST", "/record/v1/vendor", json=vendor(key()))))
        line = {"account": {"externalId": "GL-6000"}, "amount": 5}
        bill = {"entity": {"id": party}, "expense": {"items": [line, line]}}
        id = made(run(ns.request("POST", "/record/v1/vendorBill", json=bill)))
        more = {"expense": {"items": [line]}}
        for query, expected in [("", 3), ("?replace=expense", 1)]:
            run(ns.patch(f"/record/v1/vendorBill/{id}{query}", json=more))
            read = run(ns.get(f"/record/v1/vendorBill/{id}", params={"expandSubResources": "true"}))
            assert (len(read["expense"]["items"]), read["total"]) == (expected, 5 * expected)


class TestQueries:
    def test_pages_of_a_query(self, ns):
        names, offset = [], 0
        while True:
            page = run(
                ns.suiteql("SELECT acctnumber FROM account ORDER BY acctnumber", limit=2, offset=offset)
            )
            assert page["count"] == len(page["items"]) and page["totalResults"] == 10
            names += [row["acctnumber"] for row in page["items"]]
            if not page["hasMore"]:
                break
            offset += page["count"]
        assert names[:3] == ["1000", "1100", "1200"] and len(names) == 10
        assert refusal(ns.suiteql("SELECT x FROM account")) == (400, "INVALID_PARAMETER")


class TestJobs:
    def test_a_batch(self, ns):
        names = [key() for _ in range(3)]
        items = [vendor(name) for name in names] + [{"externalId": key()}]
        headers = {"Prefer": "respond-async", "Content-Type": COLLECTION}
        taken = run(
            ns.request("PUT", "/record/v1/vendor", json={"items": items}, headers=headers)
        )
        assert taken.status_code == 202
        job = taken.headers["location"].removeprefix(f"{REMOTE}/services/rest")
        while not run(ns.get(job))["completed"]:
            time.sleep(0.05)
        statuses = []
        for task in run(ns.get(f"{job}/task"))["items"]:
            result = run(ns.request("GET", f"{job}/task/{task['id']}/result"))
            statuses.append(result.status_code)
        assert statuses == [204, 204, 204, 400]
        for name in names:
            assert run(ns.get(f"/record/v1/vendor/eid:{name}"))["entityId"] == name

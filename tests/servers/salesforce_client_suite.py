"""simple-salesforce, a client of Salesforce's that others wrote and many use, over the sandbox's
Salesforce: logins, records, external ids, queries with their pages, collections and composites by its
own transport, bulk jobs. The client makes the requests and reads the answers.

`REMOTE` is the address of a sandbox that nobody else uses, whose queries have pages of two rows and
whose jobs are under way for a while; `PEOPLE` that of another, where accounts may be people, no two
contacts may be alike, and the first job of more than three rows fails after these.
"""

import csv
import io
import os
import uuid

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

REMOTE = os.environ["REMOTE"]


class Plain(requests.adapters.HTTPAdapter):
    """The client speaks TLS to hosts of Salesforce's only; this brings all of it to the sandbox."""

    def __init__(self, remote):
        super().__init__()
        self.remote = remote

    def send(self, request, **more):
        _, _, path = request.url.removeprefix("https://").partition("/")
        request.url = f"{self.remote}/{path}"
        return super().send(request, **more)


def session(remote=REMOTE):
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", Plain(remote))
    return session


def client(token="sandbox-token", remote=REMOTE, **more):
    host = remote.replace("http://", "https://")
    return Salesforce(session_id=token, instance_url=host, session=session(remote), **more)


@pytest.fixture
def sf():
    return client()


def key():
    return uuid.uuid4().hex


def refusal(call):
    """The code of what a call is refused for."""
    with pytest.raises(SalesforceError) as refused:
        call()
    return refused.value.content[0]["errorCode"]


class TestLogin:
    def test_with_a_password(self):
        login = dict(username="a@example.com", session=session(), security_token="x")
        sf = Salesforce(password="sandbox-password", **login)
        assert sf.User.describe()["keyPrefix"] == "005"
        with pytest.raises(SalesforceAuthenticationFailed) as refused:
            Salesforce(password="another", **login)
        assert refused.value.code == "INVALID_LOGIN"

    def test_with_an_assertion_and_as_a_client(self):
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        for login in [
            dict(username="a@example.com", consumer_key="app", privatekey=pem.decode()),
            dict(consumer_key="sandbox-client", consumer_secret="sandbox-secret", domain="own.my"),
        ]:
            sf = Salesforce(session=session(), **login)
            assert sf.sf_instance == REMOTE.removeprefix("http://")
            assert sf.limits()["DailyApiRequests"]["Max"] == 100_000
            assert sf.api_usage["api-usage"].total == 100_000
        with pytest.raises(SalesforceAuthenticationFailed) as refused:
            Salesforce(
                session=session(), domain="own.my", consumer_key="sandbox-client", consumer_secret="x"
            )
        assert refused.value.code == "invalid_client"

    def test_a_token_that_is_not_known(self):
        with pytest.raises(SalesforceExpiredSession) as refused:
            client("another").describe()
        assert refused.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


class TestOne:
    def test_is_made_read_changed_and_deleted(self, sf):
        made = sf.Contact.create({"LastName": "Lovelace", "FirstName": "Ada"})
        assert made["success"] and made["errors"] == []
        assert sf.Contact.update(made["id"], {"Title": "Countess"}) == 204
        read = sf.Contact.get(made["id"])
        assert (read["Name"], read["Title"], read["Email"]) == ("Ada Lovelace", "Countess", None)
        assert read["attributes"]["type"] == "Contact"
        assert sf.Contact.delete(made["id"]) == 204
        with pytest.raises(SalesforceResourceNotFound) as gone:
            sf.Contact.get(made["id"])
        assert gone.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"

    @pytest.mark.parametrize(
        ("record", "code", "fields"),
        [
            ({"FirstName": "Ada"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
            ({"LastName": "x", "Email": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
            ({"LastName": "x" * 81}, "STRING_TOO_LONG", ["LastName"]),
            ({"LastName": "x", "Nme": "x"}, "INVALID_FIELD", None),
        ],
    )
    def test_what_a_record_is_refused_for_is_told(self, sf, record, code, fields):
        with pytest.raises(SalesforceMalformedRequest) as refused:
            sf.Contact.create(record)
        [told] = refused.value.content
        assert (told["errorCode"], told.get("fields")) == (code, fields)

    def test_by_its_external_id(self, sf):
        known = f"a/b c+{key()}"
        path = "Ext_Id__c/" + requests.utils.quote(known, safe="")
        assert sf.Account.upsert(path, {"Name": "Acme"}) == 201
        assert sf.Account.upsert(path, {"Name": "ACME"}) == 200
        read = sf.Account.get(path)
        assert (read["Name"], read["Ext_Id__c"]) == ("ACME", known)
        child = sf.Contact.create({"LastName": "x", "Account": {"Ext_Id__c": known.upper()}})
        assert sf.Contact.get(child["id"])["AccountId"] == read["Id"]
        with pytest.raises(SalesforceMalformedRequest) as refused:
            sf.Contact.create({"LastName": "x", "Account": {"Ext_Id__c": key()}})
        assert "not found for field Ext_Id__c" in refused.value.content[0]["message"]

    def test_of_several_none_is_taken(self, sf):
        old = key()
        for _ in range(2):
            sf.Account.create({"Name": "Acme", "Legacy_Id__c": old})
        with pytest.raises(SalesforceMoreThanOneRecord) as refused:
            sf.Account.upsert(f"Legacy_Id__c/{old}", {"Name": "x"})
        assert len(refused.value.content) == 2


class TestObjects:
    def test_tell_their_fields(self, sf):
        names = {one["name"] for one in sf.describe()["sobjects"]}
        assert {"Account", "Invoice__c", "npe03__Recurring_Donation__c"} <= names
        fields = {one["name"]: one for one in sf.Contact.describe()["fields"]}
        assert fields["Ext_Id__c"]["externalId"] and not fields["Name"]["createable"]
        assert fields["AccountId"]["referenceTo"] == ["Account"]
        with pytest.raises(SalesforceResourceNotFound):
            sf.Dragon.describe()


    def test_files_and_their_documents(self, sf):
        account = sf.Account.create({"Name": "Acme"})["id"]
        file = {"PathOnClient": "a.b/notes.txt", "VersionData": "aGVsbG8=", "FirstPublishLocationId": account}
        first = sf.ContentVersion.get(sf.ContentVersion.create(file)["id"])
        assert (first["Title"], first["ContentSize"], first["FileType"]) == ("notes", 5, "TXT")
        document = first["ContentDocumentId"]
        links = "SELECT ShareType FROM ContentDocumentLink"
        by_both = format_soql(" WHERE LinkedEntityId = {} AND ContentDocumentId = {}", account, document)
        assert [one["ShareType"] for one in sf.query(links + by_both)["records"]] == ["V"]
        assert refusal(lambda: sf.query(links)) == "MALFORMED_QUERY"
        link = {"ContentDocumentId": document, "LinkedEntityId": account}
        assert refusal(lambda: sf.ContentDocumentLink.create(link)) == "DUPLICATE_VALUE"
        second = sf.ContentVersion.create(
            {"PathOnClient": "notes.txt", "VersionData": "aGVsbG8h", "ContentDocumentId": document}
        )["id"]
        assert sf.ContentDocument.get(document)["LatestPublishedVersionId"] == second
        assert sf.ContentVersion.get(first["Id"])["IsLatest"] is False
        cannot = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        assert refusal(lambda: sf.ContentDocument.create({"Title": "x"})) == cannot
        assert refusal(lambda: sf.ContentVersion.delete(second)) == cannot
        assert sf.ContentDocument.delete(document) == 204
        assert refusal(lambda: sf.ContentVersion.get(second)) == "ENTITY_IS_DELETED"

    def test_members_topics_and_deals(self, sf):
        campaign = sf.Campaign.create({"Name": "x"})["id"]
        contact = sf.Contact.create({"LastName": "x"})["id"]
        member = {"CampaignId": campaign, "ContactId": contact}
        made = sf.CampaignMember.create(member)["id"]
        assert refusal(lambda: sf.CampaignMember.create(member)) == "DUPLICATE_VALUE"
        closed = refusal(lambda: sf.CampaignMember.update(made, {"CampaignId": campaign}))
        assert closed == "INVALID_FIELD_FOR_INSERT_UPDATE"
        assert sf.CampaignMember.update(made, {"Status": "Responded"}) == 204
        read = sf.CampaignMember.get(made)
        assert (read["Type"], read["HasResponded"]) == ("Contact", True)
        topic = sf.Topic.create({"Name": key()})["id"]
        put = {"TopicId": topic, "EntityId": contact}
        made = sf.TopicAssignment.create(put)["id"]
        assert sf.TopicAssignment.get(made)["EntityType"] == "Contact"
        assert refusal(lambda: sf.TopicAssignment.create(put)) == "DUPLICATE_VALUE"
        assert not sf.TopicAssignment.describe()["updateable"]
        deal = {"Name": "x", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": 7}
        read = sf.Opportunity.get(sf.Opportunity.create(deal)["id"])
        assert (read["IsWon"], read["Probability"], read["ExpectedRevenue"]) == (True, 100, 7)

    def test_permissions_of_fields(self, sf):
        sets = sf.query_all("SELECT Id, IsOwnedByProfile FROM PermissionSet")["records"]
        assert [one["IsOwnedByProfile"] for one in sets] == [False, True, False]
        grant = {
            "ParentId": sets[0]["Id"],
            "SobjectType": "Contact",
            "Field": "Contact.Department",
            "PermissionsRead": True,
        }
        made = sf.FieldPermissions.create(grant)["id"]
        assert refusal(lambda: sf.FieldPermissions.create(grant)) == "DUPLICATE_VALUE"
        unknown = refusal(lambda: sf.FieldPermissions.create({**grant, "Field": "Contact.Nme"}))
        assert unknown == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        assert sf.FieldPermissions.update(made, {"PermissionsRead": False}) == 204
        assert refusal(lambda: sf.FieldPermissions.get(made)) == "ENTITY_IS_DELETED"


    def test_an_account_that_is_a_person(self):
        sf = client(remote=os.environ["PEOPLE"])
        fields = {one["name"]: one for one in sf.Account.describe()["fields"]}
        assert fields["PersonEmail"]["createable"] and not fields["IsPersonAccount"]["createable"]
        person = {"LastName": "Lovelace", "FirstName": "Ada", "PersonEmail": "ada@example.com"}
        made = sf.Account.create(person)["id"]
        read = sf.Account.get(made)
        assert (read["Name"], read["IsPersonAccount"]) == ("Ada Lovelace", True)
        contact = sf.Contact.get(read["PersonContactId"])
        assert (contact["AccountId"], contact["Email"]) == (made, "ada@example.com")
        sf.Account.update(made, {"LastName": "King"})
        assert sf.Contact.get(read["PersonContactId"])["Name"] == "Ada King"
        wrong = "INVALID_FIELD_FOR_INSERT_UPDATE"
        assert refusal(lambda: sf.Account.update(made, {"Name": "Acme"})) == wrong
        assert refusal(lambda: sf.Account.create({"Name": "Acme", "FirstName": "Ada"})) == wrong
        assert refusal(lambda: sf.Account.create({"Site": "x"})) == "REQUIRED_FIELD_MISSING"
        assert sf.Account.get(sf.Account.create({"Name": "Acme"})["id"])["IsPersonAccount"] is False

    def test_records_that_are_alike_are_told_to_who_makes_one_alone(self):
        sf = client(remote=os.environ["PEOPLE"])
        record = {"LastName": "x", "Email": f"{key()}@example.com"}
        first = sf.Contact.create(record)["id"]
        with pytest.raises(SalesforceMalformedRequest) as refused:
            sf.Contact.create(record)
        [told] = refused.value.content
        assert told["errorCode"] == "DUPLICATES_DETECTED"
        [match] = told["duplicateResut"]["matchResults"]
        assert [one["record"]["Id"] for one in match["matchRecords"]] == [first]
        records = [{"attributes": {"type": "Contact"}, **record}]
        [told] = sf.restful("composite/sobjects", method="POST", json={"records": records})
        message = "Use one of these records?"
        error = {"statusCode": "DUPLICATES_DETECTED", "message": message, "fields": []}
        assert told["errors"] == [error]
        allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        assert sf.Contact.create(record, headers=allow)["success"]


class TestQueries:
    def test_have_pages(self, sf):
        mark = key()
        for number in range(5):
            sf.Contact.create({"LastName": f"{number}", "Department": mark})
        query = format_soql(
            "SELECT Id, LastName FROM Contact WHERE Department = {} ORDER BY LastName", mark
        )
        first = sf.query(query)
        assert (first["totalSize"], first["done"], len(first["records"])) == (5, False, 2)
        second = sf.query_more(first["nextRecordsUrl"], True)
        assert [one["LastName"] for one in second["records"]] == ["2", "3"]
        everything = sf.query_all(query)
        assert [one["LastName"] for one in everything["records"]] == list("01234")
        sf.Contact.delete(first["records"][0]["Id"])
        assert sf.query(query)["totalSize"] == 4
        assert sf.query(query, include_deleted=True)["totalSize"] == 5

    def test_take_what_is_quoted_as_it_is(self, sf):
        name = f"O'Brien \\ \"{key()}\""
        account = sf.Account.create({"Name": name})["id"]
        sf.Contact.create({"LastName": "x", "AccountId": account})
        found = sf.query(
            format_soql("SELECT Account.Name FROM Contact WHERE Account.Name = {}", name)
        )
        assert [one["Account"]["Name"] for one in found["records"]] == [name]
        found = sf.query(format_soql("SELECT Id FROM Account WHERE Name IN {}", [name, key()]))
        assert [one["Id"] for one in found["records"]] == [account]
        found = sf.query(format_soql("SELECT Id FROM Account WHERE Name LIKE '{:like}%'", name[:12]))
        assert account in [one["Id"] for one in found["records"]]
        with pytest.raises(SalesforceMalformedRequest) as refused:
            sf.query("SELECT Id FROM Account WHERE Name = 'O'Brien'")
        assert refused.value.content[0]["errorCode"] == "MALFORMED_QUERY"


    def test_a_search(self, sf):
        address = f"{key()}@example.com"
        made = sf.Contact.create({"LastName": "x", "Email": address})["id"]
        found = sf.search(f"FIND {{{address}}} IN ALL FIELDS RETURNING Contact(Id, Email)")
        assert [(one["Id"], one["Email"]) for one in found["searchRecords"]] == [(made, address)]
        assert sf.quick_search(key())["searchRecords"] == []


class TestMany:
    def test_a_collection(self, sf):
        known, other = key(), key()
        records = [
            {"attributes": {"type": "Account"}, "Ext_Id__c": one, "Name": "Acme"}
            for one in [known, other, other]
        ]
        told = sf.restful(
            "composite/sobjects/Account/Ext_Id__c",
            method="PATCH",
            json={"allOrNone": False, "records": records},
        )
        assert [one["success"] for one in told] == [True, False, False]
        assert told[0]["created"] and told[1]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"

    def test_a_composite(self, sf):
        data = f"/services/data/v{sf.sf_version}/sobjects"
        calls = [
            {"method": "POST", "url": f"{data}/Account", "referenceId": "one", "body": {"Name": "x"}},
            {
                "method": "POST",
                "url": f"{data}/Contact",
                "referenceId": "two",
                "body": {"LastName": "x", "AccountId": "@{one.id}"},
            },
        ]
        told = sf.restful("composite", method="POST", json={"compositeRequest": calls})
        told = told["compositeResponse"]
        assert [one["httpStatusCode"] for one in told] == [201, 201]
        assert sf.Contact.get(told[1]["body"]["id"])["AccountId"] == told[0]["body"]["id"]


class TestJobs:
    def rows(self, text):
        return list(csv.DictReader(io.StringIO(text)))

    def test_insert_and_delete(self, sf):
        records = [{"LastName": f"x{number}", "Department": key()} for number in range(3)]
        [job] = sf.bulk2.Contact.insert(records=records, wait=0.1)
        assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 0)
        made = self.rows(sf.bulk2.Contact.get_successful_records(job["job_id"]))
        assert {one["sf__Created"] for one in made} == {"true"}
        assert sorted(one["LastName"] for one in made) == ["x0", "x1", "x2"]
        ids = [{"Id": one["sf__Id"]} for one in made]
        [job] = sf.bulk2.Contact.delete(records=[*ids, ids[0]], wait=0.1)
        assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (4, 1)
        [failed] = self.rows(sf.bulk2.Contact.get_failed_records(job["job_id"]))
        assert failed["sf__Error"] == "ENTITY_IS_DELETED:entity is deleted:--"

    def test_upsert_tells_what_is_new_and_what_failed(self, sf):
        account, known = key(), key()
        sf.Account.create({"Name": "Acme", "Ext_Id__c": account})
        old = sf.Contact.create({"LastName": "x", "Ext_Id__c": known, "Title": "Dr."})["id"]
        records = [
            {"Ext_Id__c": known, "LastName": "a,b", "Title": "#N/A", "Account.Ext_Id__c": account},
            {"Ext_Id__c": key(), "LastName": "c", "Title": "", "Account.Ext_Id__c": account},
            {"Ext_Id__c": key(), "LastName": "", "Title": "", "Account.Ext_Id__c": ""},
        ]
        [job] = sf.bulk2.Contact.upsert(records=records, external_id_field="Ext_Id__c", wait=0.1)
        made = self.rows(sf.bulk2.Contact.get_successful_records(job["job_id"]))
        assert {one["LastName"]: one["sf__Created"] for one in made} == {"a,b": "false", "c": "true"}
        [failed] = self.rows(sf.bulk2.Contact.get_failed_records(job["job_id"]))
        assert failed["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
        read = sf.Contact.get(old)
        assert (read["LastName"], read["Title"]) == ("a,b", None)

    def test_a_column_that_is_not_known_fails_the_job(self, sf):
        with pytest.raises(Exception, match="InvalidBatch : Field name not found : Nme"):
            sf.bulk2.Contact.insert(records=[{"Nme": "x"}], wait=0.1)
        with pytest.raises(SalesforceMalformedRequest, match="INVALIDENTITY"):
            sf.bulk2.Dragon.insert(records=[{"Name": "x"}], wait=0.1)

    def test_a_job_that_fails_halfway_tells_what_it_has_not_looked_at(self):
        sf = client(remote=os.environ["PEOPLE"])
        records = [{"LastName": f"x{number}"} for number in range(5)]
        with pytest.raises(Exception, match="InternalServerError"):
            sf.bulk2.Contact.insert(records=records, wait=0.1)
        [job] = sf.restful("jobs/ingest")["records"]
        made = self.rows(sf.bulk2.Contact.get_successful_records(job["id"]))
        left = self.rows(sf.bulk2.Contact.get_unprocessed_records(job["id"]))
        assert (len(made), len(left)) == (3, 2)
        assert sorted(one["LastName"] for one in [*made, *left]) == [f"x{n}" for n in range(5)]
        told = sf.restful(f"jobs/ingest/{job['id']}")
        assert (told["state"], told["retries"], told["numberRecordsProcessed"]) == ("Failed", 20, 3)

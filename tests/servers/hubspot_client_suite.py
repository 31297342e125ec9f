"""HubSpot's own client, generated from HubSpot's descriptions, over the sandbox's HubSpot: each call
that a writer of records makes. The client makes the requests and reads the answers; members that an
answer lacks it passes over, so what is needed is asserted here.

`REMOTE` is the address of a sandbox that nobody else uses, `LAGGING` one whose search shows what was
written after a while.
"""

import os
import time
import uuid

import hubspot
import pytest
from hubspot.crm import lists, objects, properties
from hubspot.crm.associations import v4
from hubspot.oauth import ApiException as OAuthException


def client_of(address, token="sandbox-token"):
    return hubspot.Client.create(access_token=token, host=os.environ[address])


@pytest.fixture
def crm():
    return client_of("REMOTE").crm


def email():
    return f"{uuid.uuid4().hex}@example.com"


def contact(crm, **more):
    made = objects.SimplePublicObjectInputForCreate(
        properties={"email": email(), **more}, associations=[]
    )
    return crm.objects.basic_api.create("contacts", made)


def trace(number):
    return f"trace-{number}"


class TestOne:
    def test_is_made_read_changed_and_archived(self, crm):
        address = email()
        made = objects.SimplePublicObjectInputForCreate(
            properties={"email": address.upper(), "firstname": "Ada"}, associations=[]
        )
        made = crm.objects.basic_api.create("contacts", made)
        assert made.properties["email"] == address and made.properties["firstname"] == "Ada"
        assert not made.archived and made.created_at and made.updated_at
        read = crm.objects.basic_api.get_by_id(
            "contacts", address, id_property="email", properties=["firstname", "lastname"]
        )
        assert (read.id, read.properties["firstname"]) == (made.id, "Ada")
        assert read.properties["lastname"] is None
        crm.objects.basic_api.update(
            "0-1", made.id, objects.SimplePublicObjectInput(properties={"firstname": ""})
        )
        read = crm.objects.basic_api.get_by_id("contact", made.id)
        assert read.properties["firstname"] is None
        crm.objects.basic_api.archive("contacts", made.id)
        with pytest.raises(objects.ApiException) as refused:
            crm.objects.basic_api.get_by_id("contacts", made.id)
        assert refused.value.status == 404

    def test_of_one_address_there_is_one(self, crm):
        made = contact(crm)
        twin = objects.SimplePublicObjectInputForCreate(
            properties={"email": made.properties["email"]}, associations=[]
        )
        with pytest.raises(objects.ApiException) as refused:
            crm.objects.basic_api.create("contacts", twin)
        assert refused.value.status == 409
        assert f"Contact already exists. Existing ID: {made.id}" in refused.value.body

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("no_such", "x", "PROPERTY_DOESNT_EXIST"),
            ("email", "nobody", "INVALID_EMAIL"),
            ("lifecyclestage", "asleep", "INVALID_OPTION"),
            ("hs_object_id", "7", "READ_ONLY_VALUE"),
        ],
    )
    def test_what_a_property_does_not_take_is_told(self, crm, name, value, code):
        made = objects.SimplePublicObjectInputForCreate(
            properties={name: value}, associations=[]
        )
        with pytest.raises(objects.ApiException) as refused:
            crm.objects.basic_api.create("contacts", made)
        assert refused.value.status == 400
        assert f'"code":"{code}"' in refused.value.body and name in refused.value.body

    def test_an_object_that_is_not_there(self, crm):
        with pytest.raises(objects.ApiException) as refused:
            crm.objects.basic_api.get_page("dragons")
        assert refused.value.status == 400
        assert "Unable to infer object type from: dragons" in refused.value.body


class TestBatch:
    def create(self, crm, inputs):
        batch = objects.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
        return crm.objects.batch_api.create("contacts", batch)

    def test_one_bad_input_refuses_all_or_is_told_by_its_trace(self, crm):
        def inputs(traced):
            return [
                objects.SimplePublicObjectBatchInputForCreate(
                    properties={"email": address},
                    associations=[],
                    object_write_trace_id=trace(number) if traced else None,
                )
                for number, address in enumerate([first, "nobody", last])
            ]

        first, last = email(), email()
        with pytest.raises(objects.ApiException) as refused:
            self.create(crm, inputs(traced=False))
        assert refused.value.status == 400
        assert self.read(crm, [first, last]) == {}
        made = self.create(crm, inputs(traced=True))
        assert made.num_errors == 1 and made.status == "COMPLETE"
        assert {one.object_write_trace_id for one in made.results} == {trace(0), trace(2)}
        assert made.errors[0].context["objectWriteTraceId"] == [trace(1)]
        assert set(self.read(crm, [first, last])) == {first, last}

    def read(self, crm, addresses):
        batch = objects.BatchReadInputSimplePublicObjectId(
            inputs=[objects.SimplePublicObjectId(id=address) for address in addresses],
            id_property="email",
            properties=["email"],
            properties_with_history=[],
        )
        read = crm.objects.batch_api.read("contacts", batch)
        missing = addresses if not read.results else []
        if missing:
            assert read.errors[0].category == "OBJECT_NOT_FOUND"
            assert sorted(read.errors[0].context["ids"]) == sorted(missing)
        return {one.properties["email"]: one.id for one in read.results}

    def test_what_is_not_there_is_not_changed(self, crm):
        made = contact(crm)
        batch = objects.BatchInputSimplePublicObjectBatchInput(
            inputs=[
                objects.SimplePublicObjectBatchInput(id=made.id, properties={"city": "Kiel"}),
                objects.SimplePublicObjectBatchInput(id="999999", properties={"city": "Kiel"}),
            ]
        )
        told = crm.objects.batch_api.update("contacts", batch)
        assert [one.id for one in told.results] == [made.id]
        assert told.errors[0].context["ids"] == ["999999"]
        read = crm.objects.basic_api.get_by_id("contacts", made.id, properties=["city"])
        assert read.properties["city"] == "Kiel"

    def test_upsert_by_a_property_of_ones_own(self, crm):
        name = f"key_{uuid.uuid4().hex[:8]}"
        crm.properties.core_api.create(
            "contacts",
            properties.PropertyCreate(
                name=name,
                label="Key",
                type="string",
                field_type="text",
                group_name="contactinformation",
                has_unique_value=True,
            ),
        )

        def upsert(keys, property=name):
            inputs = [
                objects.SimplePublicObjectBatchInputUpsert(
                    id=key,
                    id_property=property,
                    properties={"firstname": key},
                    object_write_trace_id=key,
                )
                for key in keys
            ]
            batch = objects.BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
            return crm.objects.batch_api.upsert("contacts", batch)

        first = upsert(["a", "b"])
        assert {one.object_write_trace_id: one.new for one in first.results} == {"a": True, "b": True}
        again = upsert(["b", "c"])
        assert {one.object_write_trace_id: one.new for one in again.results} == {"b": False, "c": True}
        ids = {one.object_write_trace_id: one.id for one in first.results}
        assert {one.object_write_trace_id: one.id for one in again.results}["b"] == ids["b"]
        for keys, property, told in [
            (["d", "d"], name, "Duplicate IDs found in batch input"),
            (["d"], "firstname", "by non-unique 0-1 property firstname"),
        ]:
            with pytest.raises(objects.ApiException) as refused:
                upsert(keys, property)
            assert refused.value.status == 400 and told in refused.value.body

    def test_more_than_a_hundred_are_refused(self, crm):
        inputs = [
            objects.SimplePublicObjectBatchInputForCreate(
                properties={"firstname": "x"}, associations=[]
            )
            for _ in range(101)
        ]
        with pytest.raises(objects.ApiException) as refused:
            self.create(crm, inputs)
        assert refused.value.status == 400

    def test_archived_are_gone(self, crm):
        made = [contact(crm).id for _ in range(2)]
        inputs = [objects.SimplePublicObjectId(id=one) for one in [*made, "999999"]]
        batch = objects.BatchInputSimplePublicObjectId(inputs=inputs)
        crm.objects.batch_api.archive("contacts", batch)
        for one in made:
            with pytest.raises(objects.ApiException):
                crm.objects.basic_api.get_by_id("contacts", one)


class TestSearch:
    def search(self, crm, operator, **value):
        search = objects.PublicObjectSearchRequest(
            filter_groups=[
                {"filters": [{"propertyName": "email", "operator": operator, **value}]}
            ],
            properties=["email"],
            limit=200,
        )
        return [one.id for one in crm.objects.search_api.do_search("contacts", search).results]

    def test_by_one_value_and_by_many(self, crm):
        made = [contact(crm) for _ in range(3)]
        addresses = [one.properties["email"] for one in made]
        assert self.search(crm, "EQ", value=addresses[0].upper()) == [made[0].id]
        found = self.search(crm, "IN", values=addresses)
        assert sorted(found) == sorted(one.id for one in made)
        assert self.search(crm, "EQ", value=email()) == []

    def test_what_was_just_written_is_not_shown_yet(self):
        crm = client_of("LAGGING").crm
        made = contact(crm)
        address = made.properties["email"]
        assert self.search(crm, "EQ", value=address) == []
        assert crm.objects.basic_api.get_by_id("contacts", address, id_property="email").id == made.id
        until = time.monotonic() + 20
        while self.search(crm, "EQ", value=address) != [made.id]:
            assert time.monotonic() < until
            time.sleep(0.1)


class TestAssociations:
    def company(self, crm):
        made = objects.SimplePublicObjectInputForCreate(
            properties={"name": "Acme"}, associations=[]
        )
        return crm.objects.basic_api.create("companies", made).id

    def of(self, crm, contact):
        page = crm.associations.v4.basic_api.get_page("contacts", contact, "companies")
        return {str(one.to_object_id): one.association_types[0].type_id for one in page.results}

    def test_with_the_record_that_is_made(self, crm):
        company = self.company(crm)
        made = objects.SimplePublicObjectInputForCreate(
            properties={"email": email()},
            associations=[
                {
                    "to": {"id": company},
                    "types": [
                        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
                    ],
                }
            ],
        )
        made = crm.objects.basic_api.create("contacts", made)
        assert self.of(crm, made.id) == {company: 279}

    def test_one_by_one_and_in_batches(self, crm):
        one, two = contact(crm).id, contact(crm).id
        company = self.company(crm)
        spec = v4.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)
        crm.associations.v4.basic_api.create("contacts", one, "companies", company, [spec])
        assert self.of(crm, one) == {company: 279}
        inputs = [
            v4.PublicAssociationMultiPost(
                _from=v4.PublicObjectId(id=contact), to=v4.PublicObjectId(id=company), types=[spec]
            )
            for contact in [two, "999999"]
        ]
        told = crm.associations.v4.batch_api.create(
            "contacts", "companies", v4.BatchInputPublicAssociationMultiPost(inputs=inputs)
        )
        assert len(told.results) == 1 and told.num_errors == 1
        assert self.of(crm, two) == {company: 279}


class TestAccount:
    def test_properties_are_listed_and_made_once(self, crm):
        held = crm.properties.core_api.get_all("contacts").results
        assert {"email", "firstname"} <= {one.name for one in held}
        name = f"own_{uuid.uuid4().hex[:8]}"
        made = properties.PropertyCreate(
            name=name, label="Own", type="number", field_type="number",
            group_name="contactinformation",
        )
        crm.properties.core_api.create("contacts", made)
        assert crm.properties.core_api.get_by_name("contacts", name).type == "number"
        with pytest.raises(properties.ApiException) as refused:
            crm.properties.core_api.create("contacts", made)
        assert refused.value.status == 409

    def test_lists_take_records_and_give_them_back(self, crm):
        name = f"List {uuid.uuid4().hex[:8]}"
        made = lists.ListCreateRequest(
            name=name, object_type_id="0-1", processing_type="MANUAL"
        )
        made = crm.lists.lists_api.create(made).list
        assert crm.lists.lists_api.get_by_name(name, "0-1").list.list_id == made.list_id
        one = contact(crm).id
        told = crm.lists.memberships_api.add(made.list_id, [one])
        assert [str(added) for added in told.records_ids_added] == [one]
        page = crm.lists.memberships_api.get_page(made.list_id)
        assert [str(member.record_id) for member in page.results] == [one]
        told = crm.lists.memberships_api.remove(made.list_id, [one])
        assert [str(removed) for removed in told.record_ids_removed] == [one]
        assert crm.lists.memberships_api.get_page(made.list_id).results == []
        with pytest.raises(lists.ApiException) as refused:
            crm.lists.lists_api.get_by_name("nobody's", "0-1")
        assert refused.value.status == 404

    def test_owners_and_pipelines(self, crm):
        assert crm.owners.owners_api.get_page().results[0].email == "owner@example.com"
        pipeline = crm.pipelines.pipelines_api.get_all("deals").results[0]
        assert "closedwon" in [stage.id for stage in pipeline.stages]

    def test_tokens(self):
        api = client_of("REMOTE").oauth.tokens_api
        form = dict(
            grant_type="refresh_token",
            client_id="sandbox-client",
            client_secret="sandbox-secret",
            refresh_token="sandbox-refresh",
        )
        token = api.create(**form).access_token
        assert client_of("REMOTE", token).crm.owners.owners_api.get_page().results
        with pytest.raises(OAuthException) as refused:
            api.create(**{**form, "refresh_token": "another"})
        assert refused.value.status == 400 and "BAD_REFRESH_TOKEN" in refused.value.body
        with pytest.raises(objects.ApiException) as refused:
            client_of("REMOTE", "another").crm.objects.basic_api.get_page("contacts")
        assert refused.value.status == 401

// jsforce, a client of Salesforce's that others wrote and many use, over the sandbox's Salesforce: its
// logins, records, external ids, collections, fields that are made, queries with their pages, and bulk
// jobs. The client makes the requests and reads the answers.
//
// `REMOTE` is the address of a sandbox that nobody else uses, whose queries have pages of two rows and
// whose jobs are under way for a while; `JSFORCE` the folder where npm has installed the client.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";

const { REMOTE, JSFORCE } = process.env;
const jsforce = createRequire(`${JSFORCE}/`)("jsforce");

const client = (more) =>
  new jsforce.Connection({ instanceUrl: REMOTE, accessToken: "sandbox-token", version: "60.0", ...more });
const conn = client();

// The code of what a call is refused for.
const refusal = (call) => call.then(() => "taken", (error) => error.errorCode ?? error.name);

test("a password, a refresh token and a token that has expired", async () => {
  const own = new jsforce.Connection({ loginUrl: REMOTE, version: "60.0" });
  await own.login("a@example.com", "sandbox-password");
  assert.equal(own.instanceUrl, REMOTE);
  assert.equal((await own.identity()).username, "sandbox@example.com");
  await assert.rejects(own.login("a@example.com", "another"), /INVALID_LOGIN/);

  const oauth2 = { loginUrl: REMOTE, clientId: "sandbox-client", clientSecret: "sandbox-secret" };
  const late = client({ oauth2, accessToken: "expired", refreshToken: "sandbox-refresh" });
  assert.equal((await late.sobject("User").describe()).keyPrefix, "005");
  assert.match(late.accessToken, /^sandbox-access-/);
  assert.equal(await refusal(client({ accessToken: "another" }).limits()), "INVALID_SESSION_ID");
});

test("a record is made, read, changed and deleted", async () => {
  const contacts = conn.sobject("Contact");
  const made = await contacts.create({ LastName: "Lovelace", FirstName: "Ada" });
  assert.equal(made.success, true);
  await contacts.update({ Id: made.id, Title: "Countess" });
  const read = await contacts.retrieve(made.id);
  assert.deepEqual([read.Name, read.Title], ["Ada Lovelace", "Countess"]);
  assert.match(conn.limitInfo.apiUsage.limit.toString(), /^100000$/);
  await contacts.destroy(made.id);
  assert.equal(await refusal(contacts.retrieve(made.id)), "ENTITY_IS_DELETED");
  assert.equal(await refusal(contacts.create({ FirstName: "Ada" })), "REQUIRED_FIELD_MISSING");
  assert.equal(await refusal(conn.sobject("Dragon").describe()), "NOT_FOUND");
});

test("an external id makes and changes one record", async () => {
  // No slash: jsforce puts the value into the path as it is.
  const Ext_Id__c = `a b ${randomUUID()}`;
  const accounts = conn.sobject("Account");
  const made = await accounts.upsert({ Ext_Id__c, Name: "Acme" }, "Ext_Id__c");
  const again = await accounts.upsert({ Ext_Id__c, Name: "ACME" }, "Ext_Id__c");
  assert.deepEqual([made.created, again.created, again.id], [true, false, made.id]);
  const child = await conn.sobject("Contact").create({ LastName: "x", Account: { Ext_Id__c } });
  assert.equal((await conn.sobject("Contact").retrieve(child.id)).AccountId, made.id);
});

test("a collection tells each record where it stood", async () => {
  const [one, two] = [randomUUID(), randomUUID()];
  const invoices = conn.sobject("Invoice__c");
  const told = await invoices.create([{ Ext_Id__c: one }, { Ext_Id__c: two, Status__c: "Lost" }]);
  assert.equal(told[0].success, true);
  assert.equal(told[1].errors[0].statusCode, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
  const upserted = await invoices.upsert(
    [{ Ext_Id__c: one, Memo__c: "x" }, { Ext_Id__c: two }],
    "Ext_Id__c",
  );
  assert.deepEqual(upserted.map((row) => row.created), [false, true]);
  const rolledBack = await invoices.update(
    [{ Id: told[0].id, Memo__c: "y" }, { Id: told[0].id, Status__c: "Lost" }],
    { allOrNone: true },
  );
  assert.equal(rolledBack[0].errors[0].statusCode, "ALL_OR_NONE_OPERATION_ROLLED_BACK");
  const read = await invoices.retrieve(upserted.map((row) => row.id));
  assert.deepEqual(read.map((row) => row.Memo__c), ["x", null]);
  const gone = await invoices.destroy(upserted.map((row) => row.id));
  assert.deepEqual(gone.map((row) => row.success), [true, true]);
});

test("a field that is made is seen by who is permitted it", async () => {
  const name = `Own_${randomUUID().slice(0, 8)}__c`;
  const field = { fullName: `Contact.${name}`, label: "Own & more", type: "Text", length: 100, externalId: true };
  assert.equal((await conn.metadata.create("CustomField", field)).success, true);
  const again = await conn.metadata.create("CustomField", [
    { ...field, fullName: `Contact.${name.toUpperCase().replace("__C", "__c")}` },
    { fullName: "Dragon.Own__c", label: "x", type: "Checkbox", defaultValue: "false" },
    { fullName: "Contact.Own2__c", label: "x", type: "Text" },
  ]);
  assert.deepEqual(again.map((one) => one.success), [false, false, false]);
  assert.equal(again[0].errors[0].statusCode, "DUPLICATE_DEVELOPER_NAME");
  assert.match(again[2].errors[0].message, /Must specify 'length'/);

  const seen = async () => (await conn.sobject("Contact").describe()).fields.find((one) => one.name === name);
  const contacts = conn.sobject("Contact");
  assert.equal(await seen(), undefined);
  assert.equal(await refusal(contacts.create({ LastName: "x", [name]: "y" })), "INVALID_FIELD");

  const [set] = await conn.sobject("PermissionSet").find({ Name: "Sandbox" }, "Id");
  const grant = { SobjectType: "Contact", Field: `Contact.${name}`, PermissionsRead: true };
  const { id } = await conn.sobject("FieldPermissions").create({ ParentId: set.Id, ...grant });
  assert.deepEqual([(await seen()).label, (await seen()).createable], ["Own & more", false]);
  assert.equal(
    await refusal(contacts.create({ LastName: "x", [name]: "y" })),
    "INVALID_FIELD_FOR_INSERT_UPDATE",
  );
  await conn.sobject("FieldPermissions").update({ Id: id, PermissionsEdit: true });
  const made = await contacts.upsert({ LastName: "x", [name]: "Y" }, name);
  assert.equal((await contacts.upsert({ LastName: "z", [name]: "y" }, name)).id, made.id);
  assert.equal((await contacts.find({ [name]: "y" }, `Id, ${name}`)).length, 1);
  await conn.sobject("FieldPermissions").destroy(id);
  assert.equal(await seen(), undefined);

  const late = client({ accessToken: "expired" });
  assert.equal(await refusal(late.metadata.create("CustomField", field)), "sf:INVALID_SESSION_ID");
});

test("a query has pages", async () => {
  const Department = randomUUID();
  const records = ["a", "b", "c", "d", "e"].map((LastName) => ({ LastName, Department }));
  await conn.sobject("Contact").create(records);
  const query = `SELECT LastName FROM Contact WHERE Department = '${Department}' ORDER BY LastName`;
  const first = await conn.query(query, { autoFetch: false });
  assert.deepEqual([first.totalSize, first.done, first.records.length], [5, false, 2]);
  const second = await conn.queryMore(first.nextRecordsUrl, { autoFetch: false });
  assert.deepEqual(second.records.map((row) => row.LastName), ["c", "d"]);
  const all = await conn.query(query, { autoFetch: true, maxFetch: 100 });
  assert.equal(all.records.length, 5);
  assert.equal(await conn.sobject("Contact").count({ Department, LastName: { $in: ["a", "E"] } }), 2);
  const found = await conn.sobject("Contact").find({ Department, LastName: { $like: "B%" } }, "Id, LastName");
  assert.deepEqual(found.map((row) => row.LastName), ["b"]);
  assert.equal(await refusal(conn.query("SELECT Id FROM Contact WHERE")), "MALFORMED_QUERY");
  const { searchRecords } = await conn.search(`FIND {${Department}} RETURNING Contact(Id, LastName)`);
  assert.equal(searchRecords.length, 5);
});

test("calls in a call know of each other", async () => {
  const url = (object) => `/services/data/v60.0/sobjects/${object}`;
  const told = await conn.requestPost("/services/data/v60.0/composite", {
    allOrNone: true,
    compositeRequest: [
      { method: "POST", url: url("Account"), referenceId: "one", body: { Name: "x" } },
      {
        method: "POST",
        url: url("Contact"),
        referenceId: "two",
        body: { LastName: "x", AccountId: "@{one.id}" },
      },
    ],
  });
  assert.deepEqual(told.compositeResponse.map((one) => one.httpStatusCode), [201, 201]);
});

test("a job writes its rows and tells each", async () => {
  conn.bulk2.pollInterval = 50;
  const [old, young] = [randomUUID(), randomUUID()];
  await conn.sobject("Contact").create({ LastName: "x", Ext_Id__c: old, Title: "Dr." });
  const { successfulResults, failedResults, unprocessedRecords } = await conn.bulk2.loadAndWaitForResults({
    object: "Contact",
    operation: "upsert",
    externalIdFieldName: "Ext_Id__c",
    input: [
      { Ext_Id__c: old, LastName: 'a, "b"', Title: null },
      { Ext_Id__c: young, LastName: "c", Title: "x" },
      { Ext_Id__c: randomUUID(), LastName: "y".repeat(81), Title: "x" },
    ],
    pollTimeout: 20000,
    pollInterval: 50,
  });
  const made = Object.fromEntries(successfulResults.map((row) => [row.Ext_Id__c, row.sf__Created]));
  assert.deepEqual(made, { [old]: "false", [young]: "true" });
  assert.match(failedResults[0].sf__Error, /^STRING_TOO_LONG:/);
  assert.deepEqual(unprocessedRecords, []);
  const [row] = await conn.sobject("Contact").find({ Ext_Id__c: old }, "LastName, Title");
  assert.deepEqual([row.LastName, row.Title], ['a, "b"', null]);

  const lost = conn.bulk2.loadAndWaitForResults({
    object: "Contact",
    operation: "insert",
    input: [{ Nme: "x" }],
    pollTimeout: 20000,
    pollInterval: 50,
  });
  await assert.rejects(lost, /InvalidBatch : Field name not found : Nme/);
});

test("a job takes one upload, and is aborted", async () => {
  const job = conn.bulk2.createJob({ operation: "insert", object: "Contact" });
  job.on("error", () => {}); // It tells everything twice.
  await job.open();
  await job.uploadData([{ LastName: "x" }]);
  const path = `/services/data/v60.0/jobs/ingest/${job.id}`;
  await conn.request({
    method: "PUT",
    url: `${path}/batches`,
    body: "LastName\ny\n",
    headers: { "content-type": "text/csv" },
  });
  await assert.rejects(job.close(), /INVALIDJOB|make sure you only do 'PUT' once/);
  await job.abort();
  assert.equal((await job.check()).state, "Aborted");
  assert.deepEqual(await job.getUnprocessedRecords(), [{ LastName: "x" }]);
  assert.deepEqual(await job.getSuccessfulResults(), []);
  await assert.rejects(job.abort(), /Aborting already Completed Job not allowed/);
  await job.delete();
  await assert.rejects(job.check(), { errorCode: "NOT_FOUND" });
});

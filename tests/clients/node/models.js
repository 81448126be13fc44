"use strict";
// Models, and errors as the SDK's classes with their ids.

const test = require("node:test");
const { OpenAI, all, ask, assert, client, refused } = require("./setup.js");

const model = "demo-chat";
const invalid = { type: "invalid_request_error" };

test("models are listed and found", async () => {
  const ids = (await all(client.models.list())).map((each) => each.id);
  for (const id of [model, "demo-chat-harmony", "demo-embed", "demo-image"]) assert.ok(ids.includes(id), id);
  const found = await client.models.retrieve(model);
  assert.deepEqual([found.id, found.object], [model, "model"]);
  assert.ok(found.max_model_len > 0);
  assert.ok(found._request_id);
});

test("a name that is nearly right is told the right one", async () => {
  const missing = { status: 404, code: "model_not_found", param: "model", ...invalid };
  const asked = client.chat.completions.create({ model: "demo-chta", messages: ask("Hello") });
  const error = await refused(asked, OpenAI.NotFoundError, missing);
  assert.match(error.message, /Did you mean `demo-chat`/);
  assert.ok(error.requestID);
  // The slash travels as %2F.
  await refused(client.models.retrieve("no/such"), OpenAI.NotFoundError, missing);
});

test("without the right key nothing is to be had", async () => {
  const wrong = client.withOptions({ apiKey: "sk-hanse-wrong" });
  const error = await refused(wrong.models.list(), OpenAI.AuthenticationError, {
    status: 401,
    code: "invalid_api_key",
    ...invalid,
  });
  assert.ok(error.requestID);
  const asked = wrong.chat.completions.create({ model, messages: ask("Hello"), stream: true });
  await refused(asked, OpenAI.AuthenticationError, { status: 401 });
});

test("a bad field is named by its path", async () => {
  const create = (fields) => client.chat.completions.create({ model, messages: ask("Hello"), ...fields });
  const bad = (code, param) => ({ status: 400, code, param, ...invalid });
  const cases = [
    [{ temperature: 3 }, "decimal_above_max_value", "temperature"],
    [{ messages: [{ role: "wizard", content: "x" }] }, "invalid_value", "messages[0].role"],
    [{ messages: ask("word ".repeat(9000)) }, "context_length_exceeded", "messages"],
    [{ tools: [{ type: "function", function: { name: "a b" } }] }, "invalid_value", "tools[0].function.name"],
  ];
  for (const [fields, code, param] of cases) {
    const error = await refused(create(fields), OpenAI.BadRequestError, bad(code, param));
    assert.ok(error.requestID);
  }
});

test("what is not served says so", async () => {
  const unknown = { status: 404, code: "unknown_url", ...invalid };
  const error = await refused(client.moderations.create({ input: "x" }), OpenAI.NotFoundError, unknown);
  assert.match(error.message, /\/v1\/chat\/completions/);
  await refused(client.files.list(), OpenAI.NotFoundError, unknown);
  const file = await OpenAI.toFile(Buffer.from("RIFF"), "a.wav");
  await refused(client.audio.transcriptions.create({ file, model }), OpenAI.NotFoundError, unknown);
});

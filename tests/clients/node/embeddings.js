"use strict";
// Embeddings: the SDK asks for Base64 and decodes it unless it is told otherwise.

const test = require("node:test");
const { OpenAI, assert, client, refused } = require("./setup.js");

const model = "demo-embed";
const TEXTS = ["A ship in the harbour.", "Ships lie in the harbour.", "Invoices are due within 14 days."];
const near = (one, other) => one.reduce((sum, value, index) => sum + value * other[index], 0);

test("vectors come decoded and in the order of the texts", async () => {
  const { data: answer, request_id } = await client.embeddings.create({ model, input: TEXTS }).withResponse();
  assert.ok(request_id);
  assert.deepEqual(answer.data.map((each) => each.index), [0, 1, 2]);
  const vectors = answer.data.map((each) => each.embedding);
  for (const vector of vectors) {
    assert.equal(vector.length, 256);
    assert.ok(Math.abs(near(vector, vector) - 1) < 1e-5);
  }
  assert.ok(near(vectors[0], vectors[1]) > near(vectors[0], vectors[2]) + 0.2);
  assert.equal(answer.usage.prompt_tokens, answer.usage.total_tokens);
  const last = await client.embeddings.create({ model, input: TEXTS[2] });
  assert.deepEqual(last.data[0].embedding, vectors[2]);
});

test("floats and Base64 are the same numbers", async () => {
  const ask = async (encoding_format) =>
    (await client.embeddings.create({ model, input: TEXTS[0], encoding_format })).data[0].embedding;
  const [decoded, floats, coded] = [await ask(undefined), await ask("float"), await ask("base64")];
  assert.deepEqual(floats.map(Math.fround), decoded);
  const bytes = Buffer.from(coded, "base64");
  assert.deepEqual(decoded, Array.from({ length: 256 }, (_, index) => bytes.readFloatLE(4 * index)));
});

test("many come in order", async () => {
  const input = Array.from({ length: 300 }, (_, number) => `Text number ${number}.`);
  const { data } = await client.embeddings.create({ model, input });
  assert.deepEqual(data.map((each) => each.index), [...input.keys()]);
  const alone = await client.embeddings.create({ model, input: input[257] });
  assert.deepEqual(data[257].embedding, alone.data[0].embedding);
});

test("they are cut where the model allows it and refused elsewhere", async () => {
  const cut = await client.embeddings.create({ model, input: "Hello", dimensions: 64 });
  assert.equal(cut.data[0].embedding.length, 64);
  const invalid = { status: 400, type: "invalid_request_error" };
  await refused(client.embeddings.create({ model, input: "Hello", dimensions: 100 }), OpenAI.BadRequestError, {
    ...invalid,
    code: "invalid_value",
    param: "dimensions",
  });
  await refused(client.embeddings.create({ model, input: ["a", ""] }), OpenAI.BadRequestError, {
    ...invalid,
    code: "empty_string",
    param: "input[1]",
  });
});

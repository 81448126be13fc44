"use strict";
// Completions: texts, several prompts, logprobs, streams.

const test = require("node:test");
const { OpenAI, all, assert, client, refused } = require("./setup.js");

const model = "demo-chat";
const create = (fields) => client.completions.create({ model, ...fields });

test("a text goes on, whole and streamed", async () => {
  const question = { prompt: "Describe the harbour.", temperature: 0, max_tokens: 40 };
  const answer = await create(question);
  assert.equal(answer.object, "text_completion");
  assert.equal(answer.id, `cmpl-${answer._request_id}`);
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 40);
  const chunks = await all(await create({ ...question, stream: true, stream_options: { include_usage: true } }));
  const { usage } = chunks.pop();
  assert.deepEqual(usage, answer.usage);
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), answer.choices[0].text);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("choices are numbered prompt by prompt", async () => {
  const question = { prompt: ["[[echo=one]]", "[[echo=two]]"], n: 2, max_tokens: 20 };
  const expected = ["one", "one", "two", "two"];
  const { choices } = await create(question);
  assert.deepEqual(choices.map(({ index, text }) => [index, text]), [...expected.entries()]);
  const texts = ["", "", "", ""];
  for await (const chunk of await create({ ...question, stream: true })) {
    for (const choice of chunk.choices) texts[choice.index] += choice.text;
  }
  assert.deepEqual(texts, expected);
});

test("logprobs are four arrays, the same in a stream", async () => {
  const question = { prompt: "Describe a ship.", logprobs: 2, seed: 3, max_tokens: 12 };
  const { logprobs } = (await create(question)).choices[0];
  const lengths = ["tokens", "token_logprobs", "top_logprobs", "text_offset"].map((name) => logprobs[name].length);
  assert.deepEqual(lengths, [12, 12, 12, 12]);
  const streamed = [];
  for await (const chunk of await create({ ...question, stream: true })) {
    streamed.push(...(chunk.choices[0]?.logprobs?.tokens ?? []));
  }
  assert.deepEqual(streamed, logprobs.tokens);
});

test("the prompt is echoed, a stop ends it, a gap is filled", async () => {
  const echoed = await create({ prompt: "[[echo= one two]]", echo: true, max_tokens: 20, stop: [" two"] });
  assert.equal(echoed.choices[0].text, "[[echo= one two]] one");
  const filled = await create({ prompt: "def add(a, b):", suffix: "    return total", max_tokens: 30 });
  assert.ok(filled.choices[0].text);
  const best = await create({ prompt: "Tell me a story.", best_of: 3, n: 2, max_tokens: 4 });
  assert.deepEqual([best.choices.length, best.usage.completion_tokens], [2, 12]);
});

test("what breaks is an error, before and after the first byte", async () => {
  const failed = { code: "backend_error", type: "server_error" };
  await refused(create({ prompt: "[[fail=2]]" }), OpenAI.InternalServerError, { status: 502, ...failed });
  const stream = await create({ prompt: "[[fail=2]]", stream: true });
  await refused(all(stream), OpenAI.APIError, failed);
});

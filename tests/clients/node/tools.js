"use strict";
// Tools and structured answers of chat completions: by hand, by runTools and by parse.

const test = require("node:test");
const { LengthFinishReasonError } = require("openai/core/error");
const { zodFunction, zodResponseFormat } = require("openai/helpers/zod");
const { z } = require("zod");
const { OpenAI, TIME, WEATHER, ask, assert, calling, client, refused } = require("./setup.js");

const model = "demo-chat";
const tools = [WEATHER, TIME].map((tool) => ({ type: "function", function: tool }));
const QUESTION = ask("What is the weather in Bremen?");
const TWO = ask(calling(["get_weather", { city: "Bremen" }], ["get_time", {}]));
const Berth = z.object({
  quay: z.string(),
  number: z.number().int(),
  free: z.boolean(),
  kind: z.enum(["river", "sea"]),
  tags: z.array(z.string()),
  owner: z.string().nullable(),
});

/** The names and arguments of an answer's calls. */
const callsOf = ({ choices: [{ message, finish_reason }] }) => {
  assert.equal(finish_reason, "tool_calls");
  return message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
};

test("a loop of calls and results, by hand", async () => {
  const first = await client.chat.completions.create({ model, messages: QUESTION, tools });
  assert.deepEqual(callsOf(first), [["get_weather", { city: "Bremen" }]]);
  const { message } = first.choices[0];
  assert.equal(message.content, null);
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "17 degrees and drizzle" };
  const second = await client.chat.completions.create({ model, messages: [...QUESTION, message, result], tools });
  assert.match(second.choices[0].message.content, /17 degrees and drizzle/);
});

const runnable = (seen) => ({
  type: "function",
  function: {
    ...WEATHER,
    parse: JSON.parse,
    function: ({ city }) => {
      seen.push(city);
      return `17 degrees in ${city}`;
    },
  },
});

for (const stream of [false, true]) {
  test(`runTools runs them, ${stream ? "streamed" : "whole"}`, async () => {
    const seen = [];
    const runner = client.chat.completions.runTools({ model, messages: QUESTION, tools: [runnable(seen)], stream });
    const results = [];
    runner.on("functionToolCallResult", (content) => results.push(content));
    assert.match(await runner.finalContent(), /17 degrees in Bremen/);
    assert.deepEqual(seen, ["Bremen"]);
    assert.deepEqual(results, ["17 degrees in Bremen"]);
    assert.equal(runner.allChatCompletions().length, 2);
    assert.deepEqual(runner.messages.map((message) => message.role), ["user", "assistant", "tool", "assistant"]);
  });
}

test("runTools checks arguments with zod", async () => {
  const book = zodFunction({ name: "book", parameters: Berth, function: ({ quay }) => `booked at ${quay}` });
  const messages = ask("Please book a berth.");
  const runner = client.chat.completions.runTools({ model, messages, tools: [book] });
  assert.match(await runner.finalContent(), /booked at/);
  const [made] = runner.allChatCompletions()[0].choices[0].message.tool_calls;
  Berth.parse(JSON.parse(made.function.arguments));
});

test("the streaming helper puts parallel calls together", async () => {
  const done = [];
  let deltas = 0;
  const stream = client.chat.completions
    .stream({ model, messages: TWO, tools })
    .on("tool_calls.function.arguments.delta", () => (deltas += 1))
    .on("tool_calls.function.arguments.done", (event) => done.push([event.index, event.name, event.arguments]));
  const final = await stream.finalChatCompletion();
  assert.deepEqual(callsOf(final), [["get_weather", { city: "Bremen" }], ["get_time", {}]]);
  assert.deepEqual(done.map(([index, name]) => [index, name]), [[0, "get_weather"], [1, "get_time"]]);
  assert.ok(deltas >= 2);
  assert.equal(new Set(final.choices[0].message.tool_calls.map((call) => call.id)).size, 2);
  const one = await client.chat.completions.create({ model, messages: TWO, tools, parallel_tool_calls: false });
  assert.equal(callsOf(one).length, 1);
});

test("calls that have to come do, and none where none may", async () => {
  const choose = (tool_choice, messages = ask("Hello")) =>
    client.chat.completions.create({ model, messages, tools, tool_choice });
  assert.ok(callsOf(await choose("required")).length > 0);
  assert.deepEqual(callsOf(await choose({ type: "function", function: { name: "get_time" } })), [["get_time", {}]]);
  const allowed = { type: "allowed_tools", allowed_tools: { mode: "required", tools: [tools[0]] } };
  assert.equal(callsOf(await choose(allowed))[0][0], "get_weather");
  assert.equal((await choose("none", QUESTION)).choices[0].finish_reason, "stop");
});

test("parse gives what the schema says", async () => {
  const asked = { model, messages: ask("Describe a berth."), response_format: zodResponseFormat(Berth, "berth") };
  const parsed = await client.chat.completions.parse({ ...asked, n: 2 });
  assert.equal(parsed.choices.length, 2);
  for (const { message, finish_reason } of parsed.choices) {
    assert.equal(finish_reason, "stop");
    assert.deepEqual(message.parsed, Berth.parse(JSON.parse(message.content)));
  }
  let done;
  const stream = client.chat.completions.stream(asked).on("content.done", (event) => (done = event.parsed));
  const final = await stream.finalChatCompletion();
  assert.deepEqual(final.choices[0].message.parsed, done);
  Berth.parse(done);
  const tool = zodFunction({ name: "book", parameters: Berth });
  const called = await client.chat.completions.parse({
    model,
    messages: asked.messages,
    tools: [tool],
    tool_choice: "required",
  });
  Berth.parse(called.choices[0].message.tool_calls[0].function.parsed_arguments);
});

test("what is cut short or fits nothing is never parsed", async () => {
  const response_format = zodResponseFormat(Berth, "berth");
  const parse = (content, more) =>
    client.chat.completions.parse({ model, messages: ask(content), response_format, ...more });
  await refused(parse("Describe a berth.", { max_tokens: 3 }), LengthFinishReasonError, {});
  await refused(parse("[[misfit]] Describe a berth."), OpenAI.InternalServerError, {
    status: 502,
    code: "invalid_structured_output",
  });
  const plain = await client.chat.completions.create({
    model,
    messages: ask("Anything."),
    response_format: { type: "json_object" },
  });
  assert.equal(typeof JSON.parse(plain.choices[0].message.content), "object");
});

test("a model in gpt-oss's format thinks, calls and goes on", async () => {
  const seen = [];
  const runner = client.chat.completions.runTools({
    model: "demo-chat-harmony",
    messages: QUESTION,
    tools: [runnable(seen)],
    stream: true,
  });
  assert.match(await runner.finalContent(), /17 degrees in Bremen/);
  assert.deepEqual(seen, ["Bremen"]);
  assert.ok(runner.allChatCompletions()[0].choices[0].message.reasoning);
});

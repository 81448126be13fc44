"use strict";
// Responses: whole, by the streaming helper, tools, forms, sealed thoughts, what is cut short and what fails.

const test = require("node:test");
const { zodResponsesFunction, zodTextFormat } = require("openai/helpers/zod");
const { z } = require("zod");
const { OpenAI, TIME, WEATHER, all, assert, calling, client, dataUrl, png, refused } = require("./setup.js");

const model = "demo-chat";
const create = (fields) => client.responses.create({ model, ...fields });
const tools = [WEATHER, TIME].map((tool) => ({ type: "function", strict: false, ...tool }));
const Place = z.object({ city: z.string(), inhabitants: z.number().int(), rivers: z.array(z.string()) });

/** The events of the streaming helper, and the response that it makes of them. */
async function streamed(fields) {
  const stream = client.responses.stream({ model, ...fields });
  const events = await all(stream);
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  return { events, names: events.map((event) => event.type), final: await stream.finalResponse() };
}

test("an answer has its text, its usage and its request's id", async () => {
  const answer = await create({ input: "Where is Hamburg?", instructions: "Be brief.", metadata: { a: "b" } });
  assert.equal(answer.id, `resp_${answer._request_id}`);
  assert.deepEqual([answer.object, answer.status, answer.store], ["response", "completed", false]);
  assert.equal(answer.output_text, answer.output[0].content[0].text);
  assert.ok(answer.output_text);
  assert.deepEqual(answer.metadata, { a: "b" });
  assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
  const counted = await client.responses.inputTokens.count({
    model,
    input: "Where is Hamburg?",
    instructions: "Be brief.",
  });
  assert.equal(counted.input_tokens, answer.usage.input_tokens);
});

test("the streaming helper tells each event and makes the same of them", async () => {
  const question = { input: "Describe the harbour.", temperature: 0 };
  const { names, events, final } = await streamed(question);
  const whole = await create(question);
  assert.deepEqual(final.usage, whole.usage);
  assert.equal(final.output_text, whole.output_text);
  assert.equal(final.status, "completed");
  assert.deepEqual([...new Set(names)], [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ]);
  const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
  assert.equal(text, final.output_text);
  const raw = await all(await create({ ...question, stream: true }));
  assert.deepEqual(raw.map((event) => event.type), names);
  let snapshot = "";
  const stream = client.responses.stream({ model, ...question });
  stream.on("response.output_text.delta", (event) => (snapshot = event.snapshot));
  await stream.done();
  assert.equal(snapshot, whole.output_text);
});

test("a tool loop ends with an answer", async () => {
  const history = [{ role: "user", content: "What is the weather in Hamburg?" }];
  const first = await create({ input: history, tools });
  const [call] = first.output;
  assert.deepEqual([call.type, call.name], ["function_call", "get_weather"]);
  assert.deepEqual(JSON.parse(call.arguments), { city: "Hamburg" });
  history.push(...first.output);
  history.push({ type: "function_call_output", call_id: call.call_id, output: "Rain, 7 degrees." });
  assert.match((await create({ input: history, tools })).output_text, /Rain, 7 degrees\./);
});

test("parallel and custom calls stream each in turn", async () => {
  const patch = { type: "custom", name: "apply_patch", description: "Edits." };
  const input = calling(["get_weather", { city: "Bremen" }], ["get_time", {}], ["apply_patch", { input: "*** Begin" }]);
  const asked = { input, tools: [...tools, patch] };
  const { names, final } = await streamed(asked);
  assert.deepEqual(final.output.map((item) => [item.type, item.name]), [
    ["function_call", "get_weather"],
    ["function_call", "get_time"],
    ["custom_tool_call", "apply_patch"],
  ]);
  assert.deepEqual(JSON.parse(final.output[0].arguments), { city: "Bremen" });
  assert.equal(final.output[2].input, "*** Begin");
  assert.equal(names.filter((name) => name === "response.function_call_arguments.done").length, 2);
  assert.ok(names.includes("response.custom_tool_call_input.done"));
});

test("parse gives what the schema says", async () => {
  const text = { format: zodTextFormat(Place, "place") };
  const parsed = await client.responses.parse({ model, input: "Name a place.", text });
  assert.deepEqual(parsed.output_parsed, Place.parse(JSON.parse(parsed.output_text)));
  const { final } = await streamed({ input: "Name a place.", text });
  Place.parse(final.output_parsed);
  const tool = zodResponsesFunction({ name: "visit", parameters: Place });
  const called = await client.responses.parse({ model, input: "Go.", tools: [tool], tool_choice: "required" });
  Place.parse(called.output[0].parsed_arguments);
});

test("thoughts are items, come sealed on request and go back", async () => {
  const asked = { reasoning: { effort: "low" }, include: ["reasoning.encrypted_content"], temperature: 0 };
  const question = { role: "user", content: "Why is the sky blue?" };
  const { names, final } = await streamed({ input: [question], ...asked });
  const [thought, said] = final.output;
  assert.deepEqual([thought.type, said.type], ["reasoning", "message"]);
  assert.match(thought.content[0].text, /sky/);
  assert.ok(thought.encrypted_content);
  assert.ok(names.includes("response.reasoning_text.delta"));
  assert.ok(names.includes("response.reasoning_text.done"));
  assert.ok(final.usage.output_tokens_details.reasoning_tokens > 0);
  const whole = await create({ input: [question], ...asked });
  assert.equal(whole.output_text, final.output_text);
  const { content, ...sealed } = thought;
  for (const reasoning of [sealed, thought, { ...sealed, encrypted_content: "AAAA" }]) {
    const input = [question, reasoning, said, { role: "user", content: "[[echo=gone on]]" }];
    assert.equal((await create({ input, ...asked })).output_text, "gone on");
  }
});

test("a model in gpt-oss's format goes on from its sealed thoughts", async () => {
  const asked = { model: "demo-chat-harmony", tools, include: ["reasoning.encrypted_content"] };
  const history = [{ role: "user", content: "What is the weather in Hamburg?" }];
  const { final } = await streamed({ input: history, ...asked });
  const [thought, call] = final.output;
  assert.deepEqual([thought.type, call.type], ["reasoning", "function_call"]);
  history.push(...final.output, { type: "function_call_output", call_id: call.call_id, output: "Rain, 7 degrees." });
  assert.match((await create({ input: history, ...asked })).output_text, /Rain, 7 degrees\./);
});

test("images are looked at", async () => {
  const image = { type: "input_image", image_url: dataUrl(png(30, 20, [255, 0, 0, 255])), detail: "auto" };
  const content = [{ type: "input_text", text: "What do you see?" }, image];
  const answer = await create({ input: [{ role: "user", content }] });
  assert.match(answer.output_text, /30/);
  assert.match(answer.output_text.toLowerCase(), /red/);
});

test("an answer cut short is incomplete", async () => {
  const cut = { input: "[[n=50]]", max_output_tokens: 7 };
  const { names, final } = await streamed(cut);
  assert.equal(names.at(-1), "response.incomplete");
  for (const answer of [final, await create(cut)]) {
    assert.equal(answer.status, "incomplete");
    assert.deepEqual(answer.incomplete_details, { reason: "max_output_tokens" });
    assert.equal(answer.usage.output_tokens, 7);
  }
});

test("a failure after the first byte is an event, before it an error", async () => {
  for (const input of ["[[fail=2]]", "[[dry]]"]) {
    const { names, final } = await streamed({ input });
    assert.equal(names.at(-1), "response.failed");
    assert.equal(final.status, "failed");
    assert.equal(final.error.code, "server_error");
  }
  const failed = { status: 502, code: "backend_error", type: "server_error" };
  await refused(create({ input: "[[fail=0]]", stream: true }), OpenAI.InternalServerError, failed);
  const stream = client.responses.stream({ model, input: "[[fail=0]]" });
  await refused(stream.finalResponse(), OpenAI.InternalServerError, failed);
});

test("what would have to be stored is refused", async () => {
  const bad = (code, param) => ({ status: 400, code, param, type: "invalid_request_error" });
  const gone = bad("previous_response_not_found", "previous_response_id");
  const input = "Hello";
  await refused(create({ input, previous_response_id: "resp_1" }), OpenAI.BadRequestError, gone);
  await refused(create({ input, background: true }), OpenAI.BadRequestError, bad("unsupported_value", "background"));
  await refused(client.responses.retrieve("resp_1"), OpenAI.NotFoundError, { status: 404 });
  await refused(client.responses.delete("resp_1"), OpenAI.NotFoundError, { status: 404 });
  await refused(client.responses.cancel("resp_1"), OpenAI.NotFoundError, { status: 404 });
  await refused(create({ input: [{ type: "item_reference", id: "msg_1" }] }), OpenAI.NotFoundError, { param: "input" });
});

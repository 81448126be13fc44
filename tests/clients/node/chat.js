"use strict";
// Chat completions: whole, streamed, by the streaming helper, with thoughts and with images.

const test = require("node:test");
const { ChatCompletionStream } = require("openai/lib/ChatCompletionStream");
const { OpenAI, all, ask, assert, client, dataUrl, png, refused } = require("./setup.js");

const model = "demo-chat";
const create = (fields) => client.chat.completions.create({ model, ...fields });

test("an answer has its text, its usage and its request's id", async () => {
  const answer = await create({ messages: ask("Where is Hamburg?"), temperature: 0 });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model);
  assert.equal(answer.id, `chatcmpl-${answer._request_id}`);
  const [choice] = answer.choices;
  assert.equal(choice.finish_reason, "stop");
  assert.ok(choice.message.content);
  assert.equal(choice.message.refusal, null);
  assert.ok(answer.usage.prompt_tokens > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("the answer's headers can be had too", async () => {
  const { data, response, request_id } = await create({ messages: ask("Hello"), max_tokens: 2 }).withResponse();
  assert.equal(data.choices[0].finish_reason, "length");
  assert.equal(data.usage.completion_tokens, 2);
  assert.equal(request_id, response.headers.get("x-request-id"));
  assert.ok(Number(response.headers.get("openai-processing-ms")) >= 0);
});

test("a stream says the same as the whole, and its usage last", async () => {
  const question = { messages: ask("Describe the harbour."), temperature: 0 };
  const stream = await create({ ...question, stream: true, stream_options: { include_usage: true } });
  const chunks = await all(stream);
  const { usage, choices } = chunks.pop();
  const whole = await create(question);
  assert.deepEqual(choices, []);
  assert.deepEqual(usage, whole.usage);
  assert.ok(chunks.length > 5);
  assert.ok(chunks.every((chunk) => chunk.usage === null));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), whole.choices[0].message.content);
});

test("the streaming helper tells each event", async () => {
  const seen = { chunk: 0, content: "", delta: "", logprobs: 0 };
  const stream = client.chat.completions
    .stream({
      model,
      messages: ask("Tell me about bricks."),
      logprobs: true,
      top_logprobs: 2,
      stream_options: { include_usage: true },
    })
    .on("chunk", () => (seen.chunk += 1))
    .on("content", (delta) => (seen.content += delta))
    .on("content.delta", ({ delta, snapshot }) => {
      seen.delta += delta;
      assert.equal(snapshot, seen.delta);
    })
    .on("content.done", ({ content }) => (seen.done = content))
    .on("logprobs.content.delta", ({ content }) => (seen.logprobs += content.length))
    .on("logprobs.content.done", ({ content }) => assert.equal(content.length, seen.logprobs));
  const final = await stream.finalChatCompletion();
  const [choice] = final.choices;
  assert.equal(choice.finish_reason, "stop");
  assert.equal(choice.message.role, "assistant");
  assert.ok(seen.chunk > 5);
  assert.ok(seen.logprobs > 5);
  for (const text of [seen.content, seen.delta, seen.done, await stream.finalContent()]) {
    assert.equal(text, choice.message.content);
  }
  assert.equal(choice.logprobs.content.length, seen.logprobs);
  assert.equal(choice.logprobs.content[0].top_logprobs.length, 2);
  assert.equal((await stream.totalUsage()).completion_tokens, final.usage.completion_tokens);
});

test("a stream goes on to a browser as lines", async () => {
  const stream = client.chat.completions.stream({ model, messages: ask("[[echo=passed on]]") });
  const again = ChatCompletionStream.fromReadableStream(stream.toReadableStream());
  assert.equal(await again.finalContent(), "passed on");
});

test("several choices come whole and as streams", async () => {
  const question = { messages: ask("Describe a ship."), temperature: 0, n: 3 };
  const whole = await create(question);
  assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
  const streamed = await client.chat.completions.stream({ model, ...question }).finalChatCompletion();
  assert.deepEqual(
    streamed.choices.map((choice) => [choice.index, choice.finish_reason, choice.message.content]),
    whole.choices.map((choice) => [choice.index, choice.finish_reason, choice.message.content]),
  );
});

test("thoughts stand beside the answer under both names", async () => {
  const question = { messages: ask("Why is the sky blue?"), reasoning_effort: "low", temperature: 0 };
  const answer = await create(question);
  const { message } = answer.choices[0];
  assert.match(message.reasoning, /sky/);
  assert.equal(message.reasoning_content, message.reasoning);
  assert.doesNotMatch(message.content, /think>/);
  assert.ok(answer.usage.completion_tokens_details.reasoning_tokens > 0);
  const deltas = (await all(await create({ ...question, stream: true }))).map((chunk) => chunk.choices[0].delta);
  assert.equal(deltas.map((delta) => delta.reasoning_content ?? "").join(""), message.reasoning);
  assert.equal(deltas.map((delta) => delta.reasoning ?? "").join(""), message.reasoning);
  assert.equal(deltas.map((delta) => delta.content ?? "").join(""), message.content);
  // Of fields that it does not know the helper keeps the last piece only: thoughts are read from its chunks.
  let thought = "";
  const stream = client.chat.completions.stream({ model, ...question });
  stream.on("chunk", (chunk) => (thought += chunk.choices[0].delta.reasoning ?? ""));
  assert.equal((await stream.finalMessage()).content, message.content);
  assert.equal(thought, message.reasoning);
});

test("images in a message are looked at", async () => {
  const content = [
    { type: "text", text: "What do you see?" },
    { type: "image_url", image_url: { url: dataUrl(png(40, 30, [255, 0, 0, 255])), detail: "low" } },
    { type: "image_url", image_url: { url: dataUrl(png(16, 8, [0, 0, 255, 255])) } },
  ];
  const said = (await create({ messages: [{ role: "user", content }] })).choices[0].message.content.toLowerCase();
  for (const word of ["red", "blue", "40", "16"]) assert.ok(said.includes(word), said);
});

test("all that the SDK has a type for is taken", async () => {
  const answer = await create({
    messages: [{ role: "developer", content: "Be brief." }, ...ask([{ type: "text", text: "[[echo=one two three]]" }])],
    stop: ["three"],
    seed: 3,
    top_p: 0.9,
    presence_penalty: 0.5,
    frequency_penalty: -0.5,
    logit_bias: { 5: -100 },
    max_completion_tokens: 50,
    metadata: { ticket: "1" },
    modalities: ["text"],
    parallel_tool_calls: true,
    prompt_cache_key: "a",
    safety_identifier: "b",
    service_tier: "auto",
    store: true,
    user: "c",
    verbosity: "low",
  });
  assert.equal(answer.choices[0].message.content.trim(), "one two");
  assert.equal(answer.service_tier, "default");
});

test("a stream that breaks is an error with the code of ours", async () => {
  const stream = await create({ messages: ask("[[fail=2]]"), stream: true });
  const seen = [];
  const broken = (async () => {
    for await (const chunk of stream) seen.push(chunk);
  })();
  await refused(broken, OpenAI.APIError, { code: "backend_error", type: "server_error", status: undefined });
  assert.ok(seen.length > 0);
  const helper = client.chat.completions.stream({ model, messages: ask("[[dry]]") });
  await refused(helper.finalChatCompletion(), OpenAI.APIError, { code: "backend_error", type: "server_error" });
  await refused(create({ messages: ask("[[fail=0]]"), stream: true }), OpenAI.InternalServerError, {
    status: 502,
    code: "backend_error",
  });
});

test("who has enough leaves", async () => {
  const stream = await create({ messages: ask("[[pace=20]][[n=500]]"), stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  assert.ok(stream.controller.signal.aborted);
  const helper = client.chat.completions.stream({ model, messages: ask("[[pace=20]][[n=500]]") });
  helper.once("content", () => helper.abort());
  await refused(helper.done(), OpenAI.APIUserAbortError, { status: undefined });
});

"use strict";
// Images: drawn, edited by upload (one, several, with a mask), streamed.

const test = require("node:test");
const { toFile } = require("openai");
const { OpenAI, all, assert, client, png, refused, sizeOf } = require("./setup.js");

const model = "demo-image";
const SMALL = "256x256";
const RED = png(80, 64, [200, 30, 30, 255]);
const upload = (data, name) => toFile(data, name, { type: "image/png" });

test("images are drawn in the size that was asked for", async () => {
  const answer = await client.images.generate({ model, prompt: "A harbour at night", size: SMALL, n: 2 });
  assert.ok(answer._request_id);
  assert.deepEqual(answer.data.map((image) => sizeOf(image.b64_json)), [[256, 256], [256, 256]]);
  assert.deepEqual([answer.size, answer.output_format], [SMALL, "png"]);
  assert.ok(answer.usage.input_tokens > 0);
});

test("the format is the client's", async () => {
  const prompt = "A brick gable";
  const answer = await client.images.generate({ model, prompt, size: SMALL, output_format: "webp", quality: "high" });
  assert.equal(answer.output_format, "webp");
  assert.equal(Buffer.from(answer.data[0].b64_json, "base64").toString("latin1", 8, 12), "WEBP");
});

test("a stream has an event for each image", async () => {
  const stream = await client.images.generate({ model, prompt: "Sails", size: SMALL, n: 2, stream: true });
  const events = await all(stream);
  assert.deepEqual(events.map((event) => event.type), Array(2).fill("image_generation.completed"));
  for (const event of events) assert.deepEqual(sizeOf(event.b64_json), [256, 256]);
});

test("one upload is edited", async () => {
  const image = await upload(RED, "red.png");
  const answer = await client.images.edit({ model, image, prompt: "invert it", response_format: "b64_json" });
  assert.deepEqual(sizeOf(answer.data[0].b64_json), [80, 64]);
  assert.equal(answer.size, "80x64");
  const events = await all(await client.images.edit({ model, image, prompt: "grey", stream: true }));
  assert.deepEqual(events.map((event) => event.type), ["image_edit.completed"]);
});

test("several uploads are, in their order", async () => {
  const other = png(64, 72, [0, 0, 255, 255]);
  const files = [await upload(RED, "red.png"), await upload(other, "blue.png")];
  const edit = async (image) =>
    (await client.images.edit({ model, image, prompt: "blur", n: 1 })).data[0].b64_json;
  const both = await edit(files);
  assert.deepEqual(sizeOf(both), [80, 64]);
  assert.notEqual(both, await edit(files.slice(0, 1)));
  assert.deepEqual(sizeOf(await edit([...files].reverse())), [64, 72]);
});

test("a mask says where", async () => {
  const image = await upload(RED, "red.png");
  const edit = async (prompt, alpha) => {
    const mask = await upload(png(80, 64, [0, 0, 0, alpha]), "mask.png");
    return (await client.images.edit({ model, image, mask, prompt })).data[0].b64_json;
  };
  // Nothing is transparent: nothing changes, whatever is asked for.
  const kept = await edit("invert", 255);
  assert.equal(await edit("grey", 255), kept);
  assert.notEqual(await edit("invert", 0), kept);
});

test("what cannot be is refused by name", async () => {
  const invalid = { status: 400, type: "invalid_request_error" };
  const text = await toFile(Buffer.from("no image"), "a.png", { type: "image/png" });
  await refused(client.images.edit({ model, image: text, prompt: "grey" }), OpenAI.BadRequestError, {
    ...invalid,
    code: "invalid_image_format",
    param: "image",
  });
  const url = client.images.generate({ model, prompt: "A tower", response_format: "url" });
  await refused(url, OpenAI.BadRequestError, { ...invalid, code: "unsupported_value", param: "response_format" });
  const failing = client.images.generate({ model, prompt: "A tower [[fail]]", size: SMALL });
  await refused(failing, OpenAI.InternalServerError, { status: 502, code: "backend_error" });
});

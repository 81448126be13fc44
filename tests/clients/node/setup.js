"use strict";
// What all areas share: the client as the environment says (OPENAI_BASE_URL, OPENAI_API_KEY), tools, images.

const assert = require("node:assert/strict");
const zlib = require("node:zlib");
const OpenAI = require("openai");

// It never tries again, so that a test sees every error.
const client = new OpenAI({ maxRetries: 0, timeout: 60_000 });

const ask = (content) => [{ role: "user", content }];

const WEATHER = {
  name: "get_weather",
  description: "The current weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const TIME = { name: "get_time", description: "What time it is.", parameters: { type: "object", properties: {} } };

/** A question that the demo answers with calls, as its model writes them. */
const calling = (...calls) => calls.map(([name, args]) => `[[call=${name} ${JSON.stringify(args)}]]`).join("");

/** A PNG file of one colour: [red, green, blue, alpha]. */
function png(width, height, colour) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    body.copy(framed, 4);
    framed.writeUInt32BE(zlib.crc32(body), body.length + 4);
    return framed;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6], 8); // 8 bits, RGBA
  const row = Buffer.concat([Buffer.alloc(1), Buffer.alloc(width * 4, Buffer.from(colour))]);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", zlib.deflateSync(Buffer.concat(Array(height).fill(row)))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const dataUrl = (file) => `data:image/png;base64,${file.toString("base64")}`;

/** Width and height of a PNG file in Base64. */
function sizeOf(encoded) {
  const file = Buffer.from(encoded, "base64");
  assert.equal(file.toString("latin1", 1, 4), "PNG");
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

/** All that an async iterable gives. */
async function all(iterable) {
  const found = [];
  for await (const each of iterable) found.push(each);
  return found;
}

/** The error that `asked` ends with, which is of this class and carries these fields. */
async function refused(asked, kind, fields) {
  const error = await asked.then(() => assert.fail("It was answered."), (reason) => reason);
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  assert.deepEqual(Object.fromEntries(Object.keys(fields).map((name) => [name, error[name]])), fields);
  return error;
}

module.exports = { OpenAI, WEATHER, TIME, all, ask, assert, calling, client, dataUrl, png, refused, sizeOf };

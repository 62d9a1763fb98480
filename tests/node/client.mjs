// An e-office that nobody here wrote a library for: npm's amqplib, and the published contract.
//
//     node client.mjs asyncapi.yaml access.json SENDER RECIPIENT
//
// Everything that it knows it reads while it runs: addresses, headers and properties from the contract, its
// access from access.json; even the document and the status that it sends are the contract's examples, with
// other organs in them.  Prints what came as one object of JSON.  Exits with 1 and a sentence where the
// gateway does not do what the contract says.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import amqp from "amqplib";
import { parse } from "yaml";

const PATIENCE_MS = 60_000;
// Who writes to whom in the examples.
const EXAMPLE = { sender: "000.00.00.H53", recipient: "000.00.13.H53" };

const [contractFile, accessFile, sender, recipient] = process.argv.slice(2);
const contract = parse(readFileSync(contractFile, "utf8"));
const access = JSON.parse(readFileSync(accessFile, "utf8"));

const must = (isSo, sentence) => {
  if (!isSo) throw new Error(sentence);
};

// --- the contract -----------------------------------------------------------------------------------------

const follow = (at) => {
  if (!at?.$ref) return at;
  const steps = at.$ref.replace("#/", "").split("/");
  return follow(steps.reduce((inner, step) => inner[step], contract));
};

const channelOf = (operation) => follow(contract.operations[operation].channel);

const addressOf = (operation, organ) => channelOf(operation).address.replace("{organ}", organ);

const messageOf = (operation, isMine) => Object.values(channelOf(operation).messages).map(follow).find(isMine);

const isXml = (message) => message.contentType === contract.defaultContentType;

// Header names are the contract's; what each is for is told by how it ends.
const headerOf = (message, purpose) => {
  const name = Object.keys(follow(message.headers).properties).find((known) => known.endsWith(purpose));
  must(name, `the contract has no header for ${purpose}`);
  return name;
};

// `message_id` in the contract and in AMQP, `messageId` in amqplib.
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function fits(what, values, schema) {
  for (const name of schema.required ?? []) must(values[name] !== undefined, `${what} lacks ${name}`);
  for (const [name, reference] of Object.entries(schema.properties)) {
    const value = values[name];
    if (value === undefined) continue;
    const { type, pattern, const: constant, enum: choice, minimum } = follow(reference);
    const says = `${what}: ${name} is ${JSON.stringify(value)}`;
    must(typeof value === (type === "integer" ? "number" : type), `${says}, not of type ${type}`);
    must(!pattern || new RegExp(pattern, "u").test(value), `${says}, not ${pattern}`);
    must(constant === undefined || value === constant, `${says}, not ${constant}`);
    must(!choice || choice.includes(value), `${says}, none of ${choice}`);
    must(minimum === undefined || value >= minimum, `${says}, below ${minimum}`);
  }
}

// --- sending ----------------------------------------------------------------------------------------------

async function publish(channel, operation, organ, body, messageId) {
  const { exchange } = channelOf(operation).bindings.amqp;
  must(exchange.name === access[organ].submit_exchange, "access.json and the contract name different exchanges");
  const message = messageOf(operation, isXml);
  const { deliveryMode, mandatory } = contract.operations[operation].bindings.amqp;
  const known = {
    message_id: messageId,
    user_id: decodeURIComponent(new URL(access[organ].amqp_url).username),
    content_type: message.contentType,
    delivery_mode: deliveryMode,
    timestamp: Math.floor(Date.now() / 1000),
  };
  fits("what we send", known, follow(message["x-amqp-properties"]));
  const properties = Object.fromEntries(Object.entries(known).map(([name, value]) => [camel(name), value]));
  let returned = null;
  const onReturn = (message) => (returned = message);
  channel.once("return", onReturn);
  channel.publish(exchange.name, addressOf(operation, organ), body, {
    ...properties,
    mandatory,
    headers: { [headerOf(message, "expires")]: new Date(Date.now() + 24 * 3600 * 1000).toISOString() },
  });
  await channel.waitForConfirms();
  channel.off("return", onReturn);
  must(returned === null, "the broker returned what we sent");
}

function exampleOf(operation) {
  const [example] = messageOf(operation, isXml).examples;
  return Buffer.from(example.payload.replaceAll(EXAMPLE.sender, sender).replaceAll(EXAMPLE.recipient, recipient));
}

// --- taking -----------------------------------------------------------------------------------------------

function letterBox(channel, operation, organ, queue) {
  must(queue === addressOf(operation, organ), `access.json names ${queue} where the contract has another`);
  const arrived = [];
  let onNews = () => {};
  const start = async () => {
    await channel.prefetch(10);
    await channel.checkQueue(queue);
    await channel.consume(queue, (message) => {
      arrived.push(look(message, operation));
      channel.ack(message); // it is as durable with us as it will be
      onNews();
    });
  };
  const until = async (enough, what) => {
    let isLate = false;
    const alarm = setTimeout(() => ((isLate = true), onNews()), PATIENCE_MS);
    while (!enough(arrived)) {
      must(!isLate, `${what} did not come; what came: ${JSON.stringify(arrived)}`);
      await new Promise((resolve) => (onNews = resolve));
    }
    clearTimeout(alarm);
  };
  return { arrived, start, until };
}

function look(message, operation) {
  const { headers, ...rest } = message.properties;
  const published = messageOf(operation, (one) => one.contentType === rest.contentType);
  must(published, `${operation}: the contract has no message of type ${rest.contentType}`);
  const schema = follow(published["x-amqp-properties"]);
  const properties = Object.fromEntries(
    Object.keys(schema.properties).map((name) => [name, rest[camel(name)]]),
  );
  fits(operation, properties, schema);
  fits(operation, headers, follow(published.headers));
  const sha256 = createHash("sha256").update(message.content).digest("hex");
  return { properties, headers, sha256, body: message.content.toString("utf8") };
}

// --- one document and its answer --------------------------------------------------------------------------

async function main() {
  for (const organ of [sender, recipient]) must(access[organ]?.amqp_url, `access.json has no queues for ${organ}`);
  const [ours, theirs] = await Promise.all([sender, recipient].map((organ) => amqp.connect(access[organ].amqp_url)));
  try {
    const [out, back] = await Promise.all([ours.createConfirmChannel(), theirs.createConfirmChannel()]);
    // The broker closes a channel over what it refuses: that ends us, with its sentence.
    for (const channel of [out, back]) channel.on("error", (error) => fail(error));
    const receipts = letterBox(out, "takeReceipt", sender, access[sender].receipts_queue);
    const answers = letterBox(out, "takeDelivery", sender, access[sender].deliver_queue);
    const inbox = letterBox(back, "takeDelivery", recipient, access[recipient].deliver_queue);
    for (const box of [receipts, answers, inbox]) await box.start();

    const messageId = `node-${process.pid}-${Date.now()}`;
    await publish(out, "submitDocument", sender, exampleOf("submitDocument"), messageId);
    await inbox.until((all) => all.length >= 1, "the delivery");
    const [delivery] = inbox.arrived;
    const digest = headerOf(messageOf("takeDelivery", isXml), "sha256");
    must(delivery.headers[digest] === delivery.sha256, "the delivery's digest is not that of its bytes");

    await publish(back, "reportStatus", recipient, exampleOf("reportStatus"), `${messageId}-01`);
    await answers.until((all) => all.length >= 1, "the status");
    const event = headerOf(messageOf("takeReceipt", isXml), "event");
    await receipts.until(
      (all) => all.some((receipt) => receipt.headers[event] === "ContentHandover"),
      "the receipt of the hand-over",
    );
    const came = { messageId, deliveries: inbox.arrived, answers: answers.arrived, receipts: receipts.arrived };
    process.stdout.write(JSON.stringify(came));
  } finally {
    await Promise.allSettled([ours.close(), theirs.close()]);
  }
}

function fail(error) {
  process.stderr.write(`${error.message}\n`, () => process.exit(1));
}

main().catch(fail);

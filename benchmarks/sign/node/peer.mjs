// @signpdf as the benchmark asks for it: for every line with a number on standard input that many
// signatures, answered for each with its milliseconds by the clock and of processor, and whether the process lost the processor meanwhile;
// the last signed file stays.
//
//   node peer.mjs IN.pdf KEY.p12 PASSPHRASE OUT.pdf

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { plainAddPlaceholder } from "@signpdf/placeholder-plain";
import { P12Signer } from "@signpdf/signer-p12";
import { SignPdf } from "@signpdf/signpdf";
import { SUBFILTER_ETSI_CADES_DETACHED } from "@signpdf/utils";

const [source, keys, passphrase, out] = process.argv.slice(2);
const pdf = readFileSync(source);
const store = readFileSync(keys);

function interruptions() {
  return process.resourceUsage().involuntaryContextSwitches;
}

async function sign() {
  const prepared = plainAddPlaceholder({
    pdfBuffer: pdf,
    reason: "",
    contactInfo: "",
    name: "",
    location: "",
    signatureLength: 8192,
    subFilter: SUBFILTER_ETSI_CADES_DETACHED,
  });
  // its signer reads the key once and for one signature
  return new SignPdf().sign(prepared, new P12Signer(store, { passphrase }));
}

for await (const order of createInterface({ input: process.stdin })) {
  const took = [];
  let signed = pdf;
  for (let i = 0; i < Number(order); i++) {
    const before = interruptions();
    const cpu = process.cpuUsage();
    const began = process.hrtime.bigint();
    signed = await sign();
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    const { user, system } = process.cpuUsage(cpu);
    took.push([ms, (user + system) / 1000, interruptions() > before]);
  }
  writeFileSync(out, signed);
  console.log(JSON.stringify(took));
}

// node read.mjs PROJECT SCHEMA: what balena's own parsers make of a project's directory, as one JSON.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import composeParser from "@balena/compose-parser";
import contrato from "@balena/contrato";
import template from "dockerfile-template";
import older from "resin-compose-parse";
import { parse } from "yaml";

const [project, schema] = process.argv.slice(2);
const read = (name) => readFileSync(join(project, name), "utf8");
const described = parse(read("balena.yml"));
const ajv = new Ajv({ allErrors: true });
ajv.validate(JSON.parse(readFileSync(schema, "utf8")), described);
const device = (slug) => new contrato.Contract({ type: "hw.device-type", slug, version: "1", name: slug });
const needs = described.data.supportedDeviceTypes.map((slug) => ({ type: "hw.device-type", slug }));
const runsOn = (slug) => {
  const universe = new contrato.Universe();
  universe.addChild(device(slug));
  const { name, type, version } = described;
  const contract = new contrato.Contract({ name, slug: name, type, version, requires: [{ or: needs }] });
  return universe.satisfiesChildContract(contract);
};
const path = join(project, "docker-compose.yml");
console.log(JSON.stringify({
  problems: ajv.errors ?? [],
  described,
  repository: parse(read("repo.yml")),
  runs: Object.fromEntries(["raspberrypi4-64", "raspberry-pi"].map((slug) => [slug, runsOn(slug)])),
  composition: await composeParser.parse(path),
  older: older.normalize(parse(read("docker-compose.yml"))),
  dockerfile: template.process(read("Dockerfile.template"), { BALENA_ARCH: "amd64" }),
}));

// Runs @huggingface/hub and transformers.js: client.mjs ENDPOINT CACHE STEPS, where STEPS are a JSON
// list of {"do": NAME, ...}. Prints a JSON list of {"ok": VALUE} or {"error": [class, text]}. Content
// is told by its SHA-256.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { downloadFile, fileDownloadInfo, listFiles, modelInfo, snapshotDownload, whoAmI } from "@huggingface/hub";
import { AutoConfig, AutoModel, env } from "@huggingface/transformers";

const [hubUrl, cacheDir, given] = process.argv.slice(2);
env.remoteHost = `${hubUrl}/`;
env.cacheDir = join(cacheDir, "transformers");
env.allowLocalModels = false;

const told = (data) => createHash("sha256").update(data).digest("hex");

// SHA-256 by path of all files in a folder.
function files(root) {
  const found = readdirSync(root, { recursive: true, withFileTypes: true });
  const paths = found.filter((each) => !each.isDirectory()).map((each) => join(each.parentPath, each.name));
  return Object.fromEntries(paths.sort().map((path) => [relative(root, path), told(readFileSync(path))]));
}

const steps = {
  // A file by @huggingface/hub, or the bytes of it from `start` up to `end`.
  async file({ repo, path, token, start, end }) {
    const blob = await downloadFile({ repo, path, hubUrl, accessToken: token });
    if (blob === null) return null;
    const wanted = end === undefined ? blob : blob.slice(start, end);
    return told(Buffer.from(await wanted.arrayBuffer()));
  },
  async about({ repo, path, token }) {
    const about = await fileDownloadInfo({ repo, path, hubUrl, accessToken: token });
    return about && { size: about.size, etag: about.etag, xet: about.xet !== undefined };
  },
  async listing({ repo }) {
    const found = [];
    for await (const entry of listFiles({ repo, hubUrl, recursive: true })) {
      if (entry.type === "file") found.push(entry.path);
    }
    return found.sort();
  },
  async snapshot({ repo }) {
    return files(await snapshotDownload({ repo, hubUrl, cacheDir: join(cacheDir, "hub") }));
  },
  async information({ name }) {
    return (await modelInfo({ name, hubUrl })).name;
  },
  async user({ token }) {
    return (await whoAmI({ hubUrl, accessToken: token })).name;
  },
  // A configuration by transformers.js.
  async config({ name }) {
    return (await AutoConfig.from_pretrained(name)).model_type;
  },
  // The files of a model by transformers.js, which then finds nothing to run it: ../nothing.
  async model({ name }) {
    await AutoModel.from_pretrained(name, { dtype: "fp32" }).catch(() => {});
    return files(env.cacheDir);
  },
};

const results = [];
for (const { do: name, ...options } of JSON.parse(given)) {
  try {
    results.push({ ok: await steps[name](options) });
  } catch (error) {
    results.push({ error: [error.constructor.name, `${error.message} ${error.statusCode ?? ""}`] });
  }
}
console.log(JSON.stringify(results));

// Opens the document in the viewers that people use for it, in headless Chromium. Each must
// show every operation, and what it sends must go to where the API is mounted, although the
// page is elsewhere. Usage: viewers.mjs DIRECTORY, which has the unpacked packages.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join, normalize } from "node:path";
import puppeteer from "puppeteer-core";

const api = new URL(process.env.AUTH_URL);
const address = `${api.pathname}/openapi.json`;
const operations = Object.values(JSON.parse(readFileSync(process.env.AUTH_DOCUMENT, "utf8")).paths)
  .flatMap((path) => ["get", "post", "put", "patch", "delete"].map((method) => path[method])).filter(Boolean);
const summaries = operations.map((operation) => operation.summary);
const tag = new RegExp(`^(${operations.flatMap((operation) => operation.tags).join("|")})$`);

// A viewer has a package and a page. opens is what must be pressed, wherever it is, before
// all operations are shown. tries is what must be pressed, the last of each kind, to send
// the last operation of the document: GET /openapi.json, which needs no credential.
const viewers = [
  {
    name: "Swagger UI", package: "swagger-ui-dist", opens: [],
    page: `<div id="ui"></div><link rel="stylesheet" href="swagger-ui.css"><script src="swagger-ui-bundle.js"></script>
      <script>SwaggerUIBundle({ url: "${address}", dom_id: "#ui" })</script>`,
    tries: [["button.opblock-summary-control"], ["button.try-out__btn"], ["button.execute"]],
  },
  {
    name: "Redoc", package: "redoc", opens: [], // it sends nothing, and shows the address
    page: `<div id="ui"></div><script src="bundles/redoc.standalone.js"></script>
      <script>Redoc.init("${address}", {}, document.getElementById("ui"))</script>`,
  },
  {
    name: "Scalar", package: "@scalar/api-reference", opens: [],
    page: `<div id="ui"></div><script src="dist/browser/standalone.js"></script>
      <script>Scalar.createApiReference("#ui", { url: "${address}", defaultOpenAllTags: true })</script>`,
    tries: [["button.show-api-client-button"], ["button", /^Send/]],
  },
  {
    name: "Stoplight Elements", package: "@stoplight/elements",
    page: `<link rel="stylesheet" href="styles.min.css"><script src="web-components.min.js"></script>
      <elements-api apiDescriptionUrl="${address}" router="hash" layout="stacked"></elements-api>`,
    opens: [["div", tag], ["div.sl-break-all", /^\//]],
    tries: [["[role=tab]", /^Try ?It/], ["button", /^Send/]],
  },
  {
    name: "RapiDoc", package: "rapidoc", opens: [],
    page: `<script type="module" src="dist/rapidoc-min.js"></script>
      <rapi-doc spec-url="${address}" render-style="read" load-fonts="false"></rapi-doc>`,
    tries: [["button.btn-try, button[part~=btn-try]"]],
  },
];

// The server has the pages at /docs/, and the API beside them.
const kinds = { css: "text/css", js: "text/javascript" };
const server = createServer((incoming, outgoing) => {
  const [, index, file] = incoming.url.match(/^\/docs\/(\d)\/([^?]*)/) ?? [];
  if (index === undefined) {
    const forwarded = request({ host: api.hostname, port: api.port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    incoming.pipe(forwarded);
  } else if (file === "") {
    outgoing.writeHead(200, { "Content-Type": "text/html" });
    outgoing.end(`<!doctype html><meta charset="utf-8"><title>API</title>${viewers[index].page}`);
  } else {
    outgoing.writeHead(200, { "Content-Type": kinds[file.split(".").pop()] ?? "application/octet-stream" });
    outgoing.end(readFileSync(join(process.argv[2], viewers[index].package.replace("/", "-").replace("@", ""), "package", normalize(file))));
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

// In the page: all elements, those in shadow trees too; the text; a press.
const inPage = `
  window.everything = (root = document) => [...root.querySelectorAll("*")].flatMap((e) => e.shadowRoot ? [e, ...everything(e.shadowRoot)] : [e]);
  window.shown = () => everything().flatMap((e) => ["SCRIPT", "STYLE"].includes(e.tagName) ? [] : [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data)).join("\\n");
  window.matching = (selector, source) => everything().filter((e) => e.matches(selector) && (!source || new RegExp(source).test(e.textContent.trim())))
    .filter((e, i, all) => !e.contains(all[i + 1])); // the innermost
  window.press = (e) => { e.scrollIntoView?.(); e.click(); };`;

async function eventually(what, condition) {
  for (const until = Date.now() + 60_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 250))) {
    if (await condition()) return;
  }
  throw new Error(`in a minute, not ${what}`);
}

async function open(viewer, index) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1400, height: 1800 });
  const sent = [];
  await page.setRequestInterception(true);
  page.on("request", (r) => {
    sent.push(`${r.method()} ${r.url()}`);
    const outside = !r.url().startsWith(origin) && /^https?:/.test(r.url()); // fonts and the like
    return outside ? r.abort() : r.continue();
  });
  page.on("pageerror", (error) => console.error(viewer.name, error.message));
  await page.evaluateOnNewDocument(inPage);
  try {
    await page.goto(`${origin}/docs/${index}/`, { timeout: 120_000 });
    const missing = async () => {
      const text = await page.evaluate("shown()");
      return summaries.filter((summary) => !text.includes(summary));
    };
    const press = (selector, source, which) => page.evaluate((s, x, w) => {
      const all = matching(s, x);
      all.slice(w === "last" ? -1 : 0).forEach(press);
      return all.length > 0;
    }, selector, source, which);
    for (const [selector, text] of viewer.opens) {
      await eventually(`there: ${text}`, () => press(selector, text?.source, "all"));
    }
    await eventually("all operations", async () => (await missing()).length === 0).catch(async (error) => {
      throw new Error(`${error.message}: ${(await missing()).join(", ")}`);
    });
    if (!viewer.tries) {
      await eventually("the address of the API", async () => (await page.evaluate("shown()")).includes(origin + api.pathname));
      return;
    }
    for (const [i, [selector, text]] of viewer.tries.entries()) {
      if (i === viewer.tries.length - 1) sent.length = 0;
      await eventually(`there: ${selector} ${text ?? ""}`, () => press(selector, text?.source, "last"));
    }
    await eventually("sent to the API", () => sent.includes(`GET ${origin}${address}`)).catch((error) => {
      throw new Error(`${error.message}: ${sent.join(", ")}`);
    });
  } catch (error) {
    await page.screenshot({ path: join(process.argv[2], `${index}.png`) });
    throw error;
  } finally {
    await page.close();
  }
}

const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"], protocolTimeout: 120_000 });
const only = process.argv.slice(3);
for (const [index, viewer] of viewers.entries()) {
  if (only.length > 0 && !only.includes(viewer.name)) continue;
  try {
    await open(viewer, index);
    console.log(viewer.name, "ok");
  } catch (error) {
    console.log(`${viewer.name}: ${error.message}`);
    process.exitCode = 1;
  }
}
await browser.close();
server.close();

// The import page: choose a list, see how it is understood, try it, import it, see what came of it.
import { call, make, startPage } from "./shell.js";
import { currentLanguage, learn, tell } from "./words.js";
import words from "./words.import.js";
import { drawPreview, forgetPreview } from "./import_preview.js";
import { drawEarlier, forgetEarlier, loadEarlier, startEarlier } from "./import_earlier.js";

learn(words);
const BYTES_MAX = 256 * 1024 * 1024; // as shared/limits.py says
const LOOKED_AT = 256 * 1024; // of a text: enough for ten rows
const ASK_EVERY_MS = 500;
const SHOWN_MAX = 100;
const byId = (id) => document.getElementById(id);

// What the page knows. `mapping` is what the reader chose: heading → field, null for "not used".
const page = { file: null, mapping: {}, sheet: null, preview: null, job: null, result: null, problem: null };

startPage({
  signedIn: loadEarlier,
  signedOut() {
    forget();
    forgetEarlier();
  },
  draw,
});
startEarlier(watch);
byId("file").addEventListener("change", () => take(byId("file").files[0]));
byId("sheet").addEventListener("change", () => {
  page.sheet = byId("sheet").value;
  page.mapping = {};
  look();
});
byId("try").addEventListener("click", () => send(true));
byId("import").addEventListener("click", () => send(false));
dragging(byId("drop"));

function dragging(place) {
  // A file that misses the place must not replace the page.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  place.addEventListener("dragover", () => place.classList.add("over"));
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    place.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}

function forget() {
  Object.assign(page, { file: null, mapping: {}, sheet: null, preview: null, job: null, result: null, problem: null });
  byId("file").value = "";
  forgetPreview();
}

async function take(file) {
  if (!file) return;
  Object.assign(page, { file, mapping: {}, sheet: null, preview: null, result: null, problem: null });
  if (file.size > BYTES_MAX) {
    page.problem = { key: "tooLarge", values: { mb: BYTES_MAX >> 20 } };
    draw();
    return;
  }
  await look();
}

// A workbook has its directory at its end, so it goes whole; of a text the beginning is enough.
async function beginning(file) {
  const first = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const packed = (first[0] === 0x50 && first[1] === 0x4b) || (first[0] === 0xd0 && first[1] === 0xcf);
  return packed ? file : new File([file.slice(0, LOOKED_AT)], file.name);
}

function form(file) {
  const sent = new FormData();
  sent.append("mapping", JSON.stringify(page.mapping));
  if (page.sheet) sent.append("sheet", page.sheet);
  sent.append("file", file, page.file.name);
  return sent;
}

async function look() {
  const { file } = page;
  page.problem = { key: "reading", values: { name: file.name } };
  draw();
  let part;
  try {
    part = await beginning(file);
  } catch (trouble) {
    page.problem = { text: String(trouble) }; // gone, or not ours to read
    draw();
    return;
  }
  const answer = await call("POST", `/participants/import/preview?reinstate=${byId("reinstate").checked}`, form(part));
  if (page.file !== file) return; // another was chosen in between
  page.problem = answer.ok ? null : { text: answer.message };
  page.preview = answer.ok ? answer.data : page.preview;
  draw();
}

async function send(dryRun) {
  page.job = { state: "sending", progress: null };
  page.result = null;
  page.problem = null;
  draw();
  byId("work").scrollIntoView({ block: "nearest" });
  const options = `job=true&dryRun=${dryRun}&reinstate=${byId("reinstate").checked}`;
  const answer = await call("POST", `/participants/import?${options}`, form(page.file));
  if (!answer.ok) {
    page.job = null;
    page.problem = { text: answer.message };
    draw();
    return;
  }
  await watch(answer.data.job);
}

// Ask until a job is through, then show what came of it.
async function watch(job) {
  page.job = job;
  while (page.job && ["waiting", "running", "undoing"].includes(page.job.state)) {
    draw();
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    const answer = await call("GET", `/participants/imports/${job.importId}`);
    if (answer.status === 401) return;
    if (answer.ok && page.job) page.job = answer.data;
  }
  if (!page.job) return;
  page.result = { job: page.job, rows: await refusedOf(page.job) };
  page.job = null;
  draw();
  byId("result").focus();
  await loadEarlier();
}

// The first refused rows with their reasons, out of the CSV that holds them all.
async function refusedOf(job) {
  if (!job.result?.refused || job.state === "undone") return [];
  const answer = await call("GET", `/participants/imports/${job.importId}/refused?limit=${SHOWN_MAX}`);
  return answer.ok ? answer.data.items : [];
}

// ---- drawing ----------------------------------------------------------------------------------

function draw() {
  const { problem, preview, job, result } = page;
  byId("problem").textContent = problem ? (problem.text ?? tell(problem.key, problem.values)) : "";
  byId("look").hidden = preview === null;
  if (preview) {
    drawPreview(preview, page.file.name, (heading, field) => {
      page.mapping[heading] = field;
      look();
    });
  }
  for (const id of ["try", "import"]) byId(id).disabled = job !== null || !preview || preview.missing.length > 0;
  byId("work").hidden = job === null;
  if (job) drawWork(job);
  byId("result").hidden = result === null;
  if (result) drawResult(result);
  drawEarlier();
}

function drawWork({ state, progress }) {
  const bar = byId("bar");
  const done = progress?.rowsDone ?? 0;
  const share = progress?.rowsTotal ? done / progress.rowsTotal : progress?.bytes ? progress.bytesDone / progress.bytes : 0;
  if (share > 0) bar.value = Math.min(1, share);
  else bar.removeAttribute("value");
  const key = state === "sending" || state === "waiting" ? state : progress?.rowsTotal ? "rowsOf" : "rowsDone";
  byId("work-words").textContent = tell(key, numbers({ n: done, total: progress?.rowsTotal ?? 0 }));
}

function drawResult({ job, rows }) {
  const title = job.state === "done" ? (job.dryRun ? "dryTitle" : "doneTitle") : `${job.state}Title`;
  byId("result-title").textContent = tell(title);
  const said = [];
  if (job.error) said.push(job.error[currentLanguage()]);
  if (job.state === "undone" && job.undo) said.push(tell("undone", numbers(job.undo)));
  else if (job.result && "created" in job.result) said.push(tell("counts", numbers(job.result)));
  byId("result-words").textContent = said.join(" ");
  const refused = job.state !== "undone" ? (job.result?.refused ?? 0) : 0;
  byId("result-download").hidden = refused === 0;
  byId("download").href = `/api/v1/participants/imports/${job.importId}/refused.csv?language=${currentLanguage()}`;
  byId("refused-place").hidden = rows.length === 0;
  const more = refused > rows.length ? ` ${tell("refusedSome", { n: rows.length })}` : "";
  byId("refused-title").textContent = tell("refusedTitle") + (more && ` – ${more.trim()}`);
  byId("refused-heads").replaceChildren(...["line", "why"].map((key) => make("th", { scope: "col" }, tell(key))));
  byId("refused-body").replaceChildren(
    ...rows.map((row) => make("tr", {}, make("th", { scope: "row" }, String(row.line)), make("td", {}, reasons(row)))),
  );
}

const reasons = ({ errors }) =>
  errors.map((error) => (currentLanguage() === "ko" ? error.messageKo : error.message)).join(" ");

const numbers = (values) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? value.toLocaleString() : value]),
  );

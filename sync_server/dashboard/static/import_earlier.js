// Earlier imports, and taking one back: what that does is shown before it is done.
import { call, make, theEvent } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const PAGE = 20;
const LEFT_SHOWN = 10;
const BUSY = ["waiting", "running", "undoing"];
const earlier = { items: [], cursor: null, problem: "", undoing: null, watch: null };

// `watch(job)` shows a job that runs until it is through.
export function startEarlier(watch) {
  earlier.watch = watch;
  byId("earlier-more").addEventListener("click", () => load(earlier.cursor));
  byId("undo-no").addEventListener("click", () => byId("undo").close());
  byId("undo-yes").addEventListener("click", undo);
}

export function forgetEarlier() {
  Object.assign(earlier, { items: [], cursor: null, problem: "", undoing: null });
  byId("undo").close();
}

export async function loadEarlier() {
  await load(null);
}

async function load(cursor) {
  const after = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  const answer = await call("GET", `/participants/imports?limit=${PAGE}${after}`);
  earlier.problem = answer.ok ? "" : answer.message;
  if (answer.ok) {
    earlier.items = cursor ? [...earlier.items, ...answer.data.items] : answer.data.items;
    earlier.cursor = answer.data.cursor;
  }
  drawEarlier();
}

export function drawEarlier() {
  const { items, cursor, problem } = earlier;
  byId("earlier-problem").textContent = problem;
  byId("earlier").hidden = items.length === 0;
  byId("earlier-none").hidden = items.length > 0;
  byId("earlier-more").hidden = cursor === null;
  const heads = ["when", "file", "by", "state", "result"];
  byId("earlier-heads").replaceChildren(...heads.map((key) => make("th", { scope: "col" }, tell(key))), make("td"));
  byId("earlier-body").replaceChildren(...items.map(lineOf));
  drawUndo();
}

function lineOf(item) {
  const { startedAt, source, by, state, result, dryRun, undo: undone } = item;
  const counts = state === "undone" && undone ? told("undone", undone) : result && "created" in result ? told("counts", result) : "";
  const may = item.undoable && !dryRun && state !== "undone";
  const button = make("button", { type: "button", "aria-label": tell("undoOf", { file: source }), onclick: () => ask(item) }, tell("undo"));
  const look = make("button", { type: "button", onclick: () => earlier.watch(item) }, tell(`state.${state}`));
  return make(
    "tr",
    {},
    make("td", {}, timeOf(startedAt)),
    make("th", { scope: "row" }, source),
    make("td", {}, by ?? "–"),
    make("td", {}, BUSY.includes(state) ? look : tell(`state.${state}`) + (dryRun ? ` (${tell("tried")})` : "")),
    make("td", {}, counts),
    make("td", {}, ...(may ? [button] : [])),
  );
}

// Words with large numbers set as the reader's language does.
const told = (key, values) =>
  tell(key, Object.fromEntries(Object.entries(values).map(([name, n]) => [name, n?.toLocaleString?.() ?? n])));

const timeOf = (text) =>
  new Date(text).toLocaleString(currentLanguage(), {
    dateStyle: "short",
    timeStyle: "short",
    timeZone: theEvent()?.timeZone,
  });

// ---- undoing ----------------------------------------------------------------------------------

async function ask(item) {
  const answer = await call("POST", `/participants/imports/${item.importId}/undo?dryRun=true`);
  earlier.problem = answer.ok ? "" : answer.message;
  earlier.undoing = answer.ok ? { item, effect: answer.data, problem: "" } : null;
  drawEarlier();
  if (answer.ok) byId("undo").showModal();
}

function drawUndo() {
  if (!earlier.undoing) return;
  const { item, effect, problem } = earlier.undoing;
  byId("undo-title").textContent = tell("undoTitle", { file: item.source });
  const any = effect.cancelled + effect.restored;
  byId("undo-words").textContent = any + effect.left ? told("undoWords", effect) : tell("undoNothing");
  const rows = effect.rows.slice(0, LEFT_SHOWN);
  byId("undo-left").replaceChildren(
    ...rows.map((row) => {
      const why = currentLanguage() === "ko" ? row.messageKo : row.message;
      return make("li", {}, tell("leftOne", { id: row.participantId, why }));
    }),
    ...(effect.left > rows.length ? [make("li", {}, tell("leftMore", { n: effect.left - rows.length }))] : []),
  );
  byId("undo-problem").textContent = problem;
  byId("undo-yes").disabled = any === 0;
}

async function undo() {
  const { item } = earlier.undoing;
  byId("undo-yes").disabled = true;
  const answer = await call("POST", `/participants/imports/${item.importId}/undo`);
  if (!answer.ok) {
    earlier.undoing.problem = answer.message;
    drawUndo();
    return;
  }
  byId("undo").close();
  earlier.undoing = null;
  const job = answer.data.job ?? (await call("GET", `/participants/imports/${item.importId}`)).data;
  if (job) await earlier.watch(job);
}

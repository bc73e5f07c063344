// People by group and permission, passages by method: asked for while somebody looks at them.
import { fill, number } from "./draw.js";
import { call } from "./shell.js";
import { tell } from "./words.js";

const ASK_MS = 10_000;
const place = document.querySelector("#people details");
const KINDS = { groups: "group", permissions: "permission" };
let found = {};
let timer;

async function ask() {
  clearTimeout(timer);
  if (!place.open || !latest?.person) return;
  const names = ["groups", "permissions", "methods"];
  const answers = await Promise.all(names.map((name) => call("GET", `/stats/${name}`)));
  answers.forEach(({ ok, data }, i) => {
    if (ok) found[names[i]] = data;
  });
  drawPeople(latest);
  timer = setTimeout(ask, ASK_MS);
}

let latest = null;
place.addEventListener("toggle", ask);

export function forgetPeople() {
  clearTimeout(timer);
  found = {};
  place.open = false;
}

const nameOf = (item, kind) => (item.small ? tell("small", { n: item.small }) : (item[kind] ?? tell(`no.${kind}`)));

export function drawPeople(facts) {
  latest = facts;
  if (!place.open) return;
  for (const [id, kind] of Object.entries(KINDS)) {
    const rows = (found[id] ?? []).map((item) => ({
      key: item.small ? "…" : `=${item[kind] ?? ""}`,
      cells: [
        nameOf(item, kind),
        number(item.registered),
        number(item.attended),
        `${number(item.attendanceRate)} %`,
        number(item.inside),
      ],
    }));
    fill(id, [kind, "registered", "attended", "rate", "inside"], rows);
  }
  const rows = (found.methods ?? []).map(({ method, count, percent }) => ({
    key: method,
    cells: [tell(`method.${method}`), number(count), `${number(percent)} %`],
  }));
  fill("methods", ["methods", "passages", "share"], rows);
}

// The participants' page: who there is, found while one types; several changed at once; badges.
import { call, make, startPage } from "./shell.js";
import { learn, tell } from "./words.js";
import words from "./words.participants.js";
import { closeOne, drawOne, openOne, startOne } from "./participant_one.js";
import { drawForm, openForm, startForm } from "./participant_form.js";
import { download } from "./download.js";
import { areYouSure } from "./sure.js";

learn(words);
const TYPING_MS = 150;
const PAGE = 50;
const AT_ONCE = 200; // as shared/limits.py says
const AGAIN_MS = 1000;
const LAYOUTS = ["1x2", "2x4", "2x5", "3x5", "3x7", "3x8", "4x8"];
const STATUSES = ["registered", "blocked", "cancelled"];
const HEADS = ["choose", "field.name", "field.email", "field.organization", "field.group", "status"];
const byId = (id) => document.getElementById(id);

// What the page knows. `asked` counts the questions: only the last one's answer is shown.
const page = { items: [], cursor: null, total: null, groups: [], chosen: new Set(), open: null, asked: 0, said: null, problem: null };
let typing;

startPage({
  signedIn() {
    refresh();
    const wanted = decodeURIComponent(location.hash.slice(1));
    if (wanted) open(wanted);
  },
  signedOut() {
    Object.assign(page, { items: [], cursor: null, total: null, groups: [], open: null, said: null, problem: null });
    page.chosen.clear();
    closeOne();
  },
  draw,
});
startOne({ changed: refresh, edit: (person) => openForm(person) });
startForm({
  saved(person) {
    refresh();
    open(person.id);
  },
});
byId("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(look, TYPING_MS);
});
for (const id of ["status", "group"]) byId(id).addEventListener("change", look);
byId("new").addEventListener("click", () => openForm(null));
byId("more").addEventListener("click", () => look(page.cursor));
byId("many-none").addEventListener("click", () => {
  page.chosen.clear();
  drawList();
});
byId("many-move").addEventListener("click", () => {
  const group = byId("many-group").value.trim();
  changeChosen({ group: group || null }, tell("moveSure", { group: group || tell("noGroup") }));
});
byId("many-block").addEventListener("click", () => changeChosen({ status: "blocked" }, tell("blockEffect"), true));
byId("many-registered").addEventListener("click", () => changeChosen({ status: "registered" }, tell("reinstateEffect")));
byId("many-cancel").addEventListener("click", () => changeChosen({ status: "cancelled" }, tell("cancelEffect"), true));
byId("many-mail").addEventListener("click", mailChosen);
byId("sheet-form").addEventListener("submit", makeSheet);

// ---- asking -----------------------------------------------------------------------------------

async function refresh() {
  const asked = await call("GET", "/groups");
  if (asked.ok) page.groups = asked.data.items;
  drawGroups();
  await look();
}

async function look(cursor = null) {
  const after = typeof cursor === "string" ? cursor : null;
  const mine = ++page.asked;
  const query = new URLSearchParams({ limit: PAGE });
  const q = byId("q").value.trim();
  if (q) query.set("q", q);
  if (byId("status").value) query.set("status", byId("status").value);
  if (byId("group").value) query.set("group", byId("group").value === "-" ? "" : byId("group").value.slice(1));
  if (after) query.set("cursor", after);
  const answer = await call("GET", `/participants?${query}`);
  if (mine !== page.asked) return;
  if (answer.code === "search_is_filling") {
    page.problem = tell("filling");
    setTimeout(() => mine === page.asked && look(after), AGAIN_MS);
  } else if (!answer.ok) {
    page.problem = answer.status === 401 ? null : answer.message;
  } else {
    page.problem = null;
    page.items = after ? [...page.items, ...answer.data.items] : answer.data.items;
    page.cursor = answer.data.cursor;
    page.total = answer.data.total;
  }
  drawList();
}

async function open(id) {
  page.open = id;
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  drawList();
  await openOne(id);
}

// ---- several at once --------------------------------------------------------------------------

async function changeChosen(change, effect, grave = false) {
  const ids = [...page.chosen];
  if (!(await areYouSure(tell("manySure", { n: ids.length }), effect, tell("doIt"), grave))) return;
  const sums = { changed: 0, unchanged: 0, refused: [] };
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    const body = { participantIds: ids.slice(start, start + AT_ONCE), ...change };
    const answer = await call("PATCH", "/participants", body);
    if (!answer.ok) {
      page.problem = answer.message;
      break;
    }
    sums.changed += answer.data.changed;
    sums.unchanged += answer.data.unchanged;
    sums.refused.push(...answer.data.refused);
  }
  page.said = tell("manyDone", { changed: sums.changed, unchanged: sums.unchanged, refused: sums.refused.length });
  page.chosen.clear();
  await refresh();
  if (page.open) openOne(page.open);
}

async function mailChosen() {
  const ids = [...page.chosen];
  if (!(await areYouSure(tell("mailThem"), tell("mailSure", { n: ids.length }), tell("doIt")))) return;
  const answer = await call("POST", "/mail/send", { participantIds: ids, again: true });
  page.said = answer.ok ? tell("mailQueued", { n: answer.data.queued }) : null;
  page.problem = answer.ok ? null : answer.code === "mail_not_configured" ? tell("mailMissing") : answer.message;
  drawList();
}

// ---- badges -----------------------------------------------------------------------------------

async function makeSheet(event) {
  event.preventDefault();
  const [columns, rows] = byId("layout").value.split("x");
  const fields = [...document.querySelectorAll("[name=fields]:checked")].map(({ value }) => value);
  const query = new URLSearchParams({ columns, rows, margin: byId("margin").value || 0, marks: byId("marks").checked, fields });
  if (byId("status").value) query.set("status", byId("status").value);
  if (byId("group").value) query.set("group", byId("group").value === "-" ? "" : byId("group").value.slice(1));
  byId("sheet-problem").textContent = "";
  byId("sheet-said").textContent = tell("sheetMaking");
  const made = await download(`/tickets/sheet.pdf?${query}`, "badges.pdf");
  byId("sheet-said").textContent = made.ok ? made.note : "";
  byId("sheet-problem").textContent = made.ok ? "" : made.message;
}

// ---- drawing ----------------------------------------------------------------------------------

function draw() {
  const chosen = byId("status").value;
  byId("status").replaceChildren(
    make("option", { value: "" }, tell("anyStatus")),
    ...STATUSES.map((status) => make("option", { value: status }, tell(`person.${status}`))),
  );
  byId("status").value = chosen;
  const layout = byId("layout").value || "2x4";
  byId("layout").replaceChildren(
    ...LAYOUTS.map((value) => {
      const [columns, rows] = value.split("x");
      return make("option", { value }, tell("layoutOf", { columns, rows, n: columns * rows }));
    }),
  );
  byId("layout").value = layout;
  byId("people-heads").replaceChildren(...HEADS.map((key) => make("th", { scope: "col" }, tell(key))));
  drawGroups();
  drawList();
  drawOne();
  drawForm();
}

function drawGroups() {
  const chosen = byId("group").value;
  const counted = ({ registered, blocked, cancelled }) => registered + blocked + cancelled;
  byId("group").replaceChildren(
    make("option", { value: "" }, tell("anyGroup")),
    ...page.groups.map((item) =>
      make("option", { value: item.group === null ? "-" : `=${item.group}` }, `${item.group ?? tell("noGroup")} (${counted(item)})`),
    ),
  );
  byId("group").value = chosen;
  if (byId("group").selectedIndex < 0) byId("group").value = "";
  byId("groups-known").replaceChildren(
    ...page.groups.filter(({ group }) => group).map(({ group }) => make("option", { value: group })),
  );
}

function drawList() {
  byId("list-problem").textContent = page.problem ?? "";
  const found = page.total === null ? "" : tell(byId("q").value.trim() ? "found" : "registeredAll", { n: page.total.toLocaleString() });
  byId("count").textContent = [page.said, found].filter(Boolean).join(" ");
  byId("more").hidden = !page.cursor;
  byId("many").hidden = page.chosen.size === 0;
  byId("many-count").textContent = tell("chosen", { n: page.chosen.size });
  const focused = document.activeElement?.dataset?.of;
  byId("people-body").replaceChildren(...page.items.map(rowOf));
  if (focused) document.querySelector(`#people-body [data-of="${CSS.escape(focused)}"]`)?.focus();
}

function rowOf(person) {
  const box = make("input", {
    type: "checkbox",
    checked: page.chosen.has(person.id),
    "aria-label": tell("chooseOne", { name: person.name }),
    onchange() {
      if (box.checked) page.chosen.add(person.id);
      else page.chosen.delete(person.id);
      drawList();
    },
  });
  box.dataset.of = `box ${person.id}`;
  const name = make("button", { type: "button", className: "name", onclick: () => open(person.id) }, person.name ?? person.id);
  name.dataset.of = `name ${person.id}`;
  const row = make(
    "tr",
    {},
    make("td", {}, box),
    make("th", { scope: "row" }, name),
    make("td", {}, person.email ?? ""),
    make("td", {}, person.organization ?? ""),
    make("td", {}, person.group ?? ""),
    make("td", {}, make("span", { className: `status-${person.status}` }, tell(`person.${person.status}`))),
  );
  if (person.id === page.open) row.setAttribute("aria-current", "true");
  return row;
}

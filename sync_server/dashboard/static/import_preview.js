// How a list is understood: its first rows, each column under what it is taken for.
import { make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const DELIMITERS = { ",": "comma", ";": "semicolon", "\t": "tab" };

export function forgetPreview() {
  for (const id of ["rows-fields", "rows-heads", "rows-body", "sheet"]) byId(id).replaceChildren();
}

// `choose(heading, field)` is called when the reader says what a column is; null: not used.
export function drawPreview(preview, name, choose) {
  byId("facts").textContent = facts(preview, name);
  const names = preview.missing.map((field) => tell(`field.${field}`)).join(", ");
  byId("missing").textContent = names ? tell("missing", { names }) : "";
  drawSheets(preview);
  const focused = document.activeElement?.id;
  byId("rows-fields").replaceChildren(
    ...preview.headings.map((column, place) => make("th", { scope: "col" }, selectOf(column, place, preview, choose))),
    make("td"),
  );
  byId("rows-heads").replaceChildren(
    ...preview.headings.map(({ heading }) => make("th", { scope: "col" }, heading)),
    make("th", { scope: "col" }, tell("outcome")),
  );
  byId("rows-body").replaceChildren(...preview.rows.map((row) => lineOf(row, preview)));
  if (focused?.startsWith("field-")) byId(focused)?.focus(); // what was drawn anew keeps the focus
}

function facts(preview, name) {
  const { encoding, delimiter, sheet, ignored } = preview;
  const said = [
    sheet
      ? tell("factsSheet", { name, sheet })
      : tell("factsText", { name, encoding: encoding.toUpperCase(), delimiter: tell(DELIMITERS[delimiter] ?? delimiter) }),
  ];
  if (preview.export) said.push(tell("factsExport", { export: preview.export }));
  if (ignored.length) said.push(tell("unused", { names: ignored.join(", ") }));
  return said.join(" ");
}

function drawSheets({ sheets, sheet }) {
  byId("sheet-field").hidden = !sheets || sheets.length < 2;
  byId("sheet").replaceChildren(
    ...(sheets ?? []).map((name) => make("option", { value: name, selected: name === sheet }, name)),
  );
}

function selectOf({ heading, field }, place, preview, choose) {
  const fields = preview.fields.includes(field) || !field ? preview.fields : [...preview.fields, field];
  const select = make(
    "select",
    { id: `field-${place}`, "aria-label": tell("fieldFor", { heading: heading || place + 1 }), disabled: !heading },
    make("option", { value: "" }, tell("notUsed")),
    ...fields.map((one) => make("option", { value: one, selected: one === field }, tell(`field.${one}`))),
  );
  select.addEventListener("change", () => choose(heading, select.value || null));
  return select;
}

function lineOf(row, { headings }) {
  const cells = headings.map((_, place) => make("td", {}, row.cells[place] ?? ""));
  const said = make("td");
  if (row.outcome) {
    said.append(make("strong", {}, tell(`outcome.${row.outcome}`)));
    const why = row.errors.map((error) => (currentLanguage() === "ko" ? error.messageKo : error.message)).join(" ");
    said.append(make("small", { className: "why" }, why || stored(row.stored)));
  }
  return make("tr", { className: row.outcome ?? "" }, ...cells, said);
}

// What would be kept, where it is not plain to see: the name put together, the phone in full …
const stored = (values) =>
  Object.entries(values ?? {})
    .map(([field, value]) => `${tell(`field.${field}`)}: ${Array.isArray(value) ? value.join(", ") : value}`)
    .join(" · ");

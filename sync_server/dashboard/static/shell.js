// What every organiser's page has around it: header, the ways to the other pages (`pages.json`),
// signing in and out, the language. A page calls `startPage` once and owns its <main>.
import { follow, signIn, signOut, whoAmI } from "./line.js";
import { CATALOGUES, currentLanguage, OTHER, switchLanguage, tell } from "./words.js";

export { follow };
const ROLES = ["viewer", "supervisor", "operator", "owner"]; // each may do what those before may
const byId = (id) => document.getElementById(id);
const shell = { person: null, problem: null, pages: [], page: null, event: null, on: null };

// What `GET /event` says, or null while it is not known; its zone is the one to show times in.
export const theEvent = () => shell.event;

export const atLeast = (role) =>
  shell.person !== null && ROLES.indexOf(shell.person.role) >= ROLES.indexOf(role);

// Makes an element: `make("button", {type: "button", onclick}, "text", child…)`. Names with a dash
// and `role` become attributes, the others properties.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

// One call of the API. Answers {ok, status, data, message, code, field}; never throws. `message` is
// one line for the reader; a status of 0 says that nobody answered.
export async function call(method, path, body) {
  const plain = body === undefined || body instanceof Blob || body instanceof FormData;
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: plain ? {} : { "Content-Type": "application/json" },
      body: plain ? body : JSON.stringify(body),
    });
  } catch (trouble) {
    console.error(trouble);
    return { ok: false, status: 0, data: null, message: tell("noAnswer") };
  }
  const data = await answer.json().catch(() => null);
  const known = { ok: answer.ok, status: answer.status, data };
  if (answer.ok) return known;
  if (answer.status === 401) showSignIn({ key: "sessionOver" });
  const error = data?.error ?? {};
  const own = currentLanguage() === "ko" ? error.messageKo : null; // where the server says it in Korean
  const message = own ?? error.message ?? tell("failed", { message: answer.status });
  return { ...known, message, code: error.code, field: error.field };
}

// `on.signedIn(person)` when the page may begin, `on.signedOut()` when it must forget what it knows,
// `on.draw()` after each change of language (and once at the start).
export async function startPage(on) {
  shell.on = { signedIn() {}, signedOut() {}, draw() {}, ...on };
  shell.pages = await (await fetch("/static/pages.json")).json();
  shell.page = shell.pages.find(({ address }) => address === location.pathname);
  build();
  await enter();
}

// The session ended, or never began: asks for name and password.
export function showSignIn(problem = null) {
  const was = shell.person;
  shell.person = null;
  shell.problem = problem;
  if (was) shell.on.signedOut();
  draw();
}

async function enter() {
  let person;
  try {
    person = await whoAmI();
  } catch (problem) {
    console.error(problem);
    showSignIn({ key: "unreachable" });
    return;
  }
  if (!person) {
    showSignIn();
    return;
  }
  shell.person = person;
  shell.problem = null;
  const asked = await call("GET", "/event");
  if (!shell.person) return; // the session ended in between
  shell.event = asked.ok ? asked.data : shell.event;
  if (allowed()) shell.on.signedIn(person);
  draw();
}

const allowed = () => atLeast(shell.page?.role ?? "viewer");

// ---- drawing ----------------------------------------------------------------------------------

function build() {
  const header = document.querySelector("header");
  header.append(
    make("h1", { id: "event" }, "Gatesync"),
    make("span", { id: "event-status" }),
    make("p", { id: "connection", role: "status" }),
    make("nav", { id: "pages" }),
    make(
      "div",
      { className: "tools" },
      make("span", { id: "person" }),
      make("button", { id: "language", type: "button", onclick: turnLanguage }),
      make("button", { id: "sign-out", type: "button", onclick: leave }),
    ),
  );
  for (const { address } of shell.pages) byId("pages").append(make("a", { href: address }));
  const form = make(
    "form",
    { id: "sign-in-form", onsubmit: enterName },
    make("h2", { id: "sign-in-title" }),
    make("p", { id: "sign-in-problem", className: "problem", role: "alert" }),
    make("label", { htmlFor: "name" }),
    make("input", { id: "name", name: "name", autocomplete: "username", required: true, maxLength: 200 }),
    make("label", { htmlFor: "password" }),
    make("input", {
      id: "password",
      name: "password",
      type: "password",
      autocomplete: "current-password",
      required: true,
      maxLength: 1000,
    }),
    make("button", { id: "sign-in-button" }),
  );
  const page = document.querySelector("main");
  page.before(make("main", { id: "sign-in", hidden: true }, form));
  page.before(make("main", { id: "not-for-you", hidden: true }, make("p", { className: "problem" })));
  page.hidden = true;
}

function draw() {
  const { person, problem } = shell;
  document.documentElement.lang = currentLanguage();
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = tell(element.dataset.words);
  }
  const other = OTHER[currentLanguage()];
  byId("language").lang = other;
  byId("language").textContent = CATALOGUES[other].language;
  drawPages();
  byId("event").textContent = (person && shell.event?.eventName) || "Gatesync";
  byId("event-status").textContent = person && shell.event ? tell(`status.${shell.event.status}`) : "";
  byId("sign-in").hidden = person !== null;
  byId("not-for-you").hidden = person === null || allowed();
  document.querySelector("main:last-of-type").hidden = person === null || !allowed();
  byId("sign-out").hidden = person === null;
  byId("sign-out").textContent = tell("signOut");
  byId("person").textContent = person?.name ?? "";
  for (const id of ["sign-in-title", "sign-in-button"]) byId(id).textContent = tell("signIn");
  document.querySelector("label[for=name]").textContent = tell("name");
  document.querySelector("label[for=password]").textContent = tell("password");
  byId("sign-in-problem").textContent = problem ? (problem.text ?? tell(problem.key, problem.values)) : "";
  if (person && !allowed()) {
    const may = ROLES.slice(ROLES.indexOf(shell.page.role)).map((role) => tell(`role.${role}`));
    const words = tell("notForYou", { roles: may.join(", "), role: tell(`role.${person.role}`) });
    byId("not-for-you").firstChild.textContent = words;
  }
  if (shell.page) document.title = `${shell.page[currentLanguage()]} · Gatesync`;
  shell.on.draw();
}

function drawPages() {
  const nav = byId("pages");
  nav.setAttribute("aria-label", tell("pages"));
  nav.hidden = shell.person === null;
  shell.pages.forEach((page, place) => {
    const link = nav.children[place];
    link.textContent = page[currentLanguage()];
    link.hidden = !atLeast(page.role);
    if (page === shell.page) link.setAttribute("aria-current", "page");
  });
}

// ---- what the header's buttons do -------------------------------------------------------------

function turnLanguage() {
  switchLanguage();
  draw();
}

async function leave() {
  try {
    await signOut();
  } catch (problem) {
    console.error(problem);
    return; // still signed in
  }
  showSignIn();
}

async function enterName(event) {
  event.preventDefault();
  const form = event.target;
  const problem = await signIn(form.elements.name.value.trim(), form.elements.password.value);
  if (!problem) {
    form.reset();
    await enter();
    return;
  }
  const known = {
    0: { key: "unreachable" },
    401: { key: "wrongPassword" },
    429: { key: "tooMany", values: { seconds: problem.retryAfterS } },
  };
  shell.problem = known[problem.status] ?? { text: problem.message };
  form.elements.password.value = "";
  form.elements.password.focus();
  draw();
}

// What a supervisor sets at the gate itself.
import { make } from "./page.js";

const MODES = [["open", "s.open"], ["held", "s.held"], ["closed", "s.closed"]];
const BRIGHTNESS_MIN = 20;

export async function gatePane(desk, pane) {
  let settings;
  try {
    settings = await desk.ask("gate");
  } catch {
    return;
  }
  const set = async (changes) => {
    try {
      settings = await desk.ask("gate", changes);
      draw();
    } catch (problem) {
      desk.told(desk.say("s.failed", { why: problem.message }));
    }
  };
  const choice = (text, pressed, press) =>
    make("button", { type: "button", text, "aria-pressed": String(pressed), onclick: press });
  const slider = (name, min) => {
    const label = desk.say(`s.${name}`);
    const field = make("input", { type: "range", min, max: 100, step: 10, value: settings[name], "aria-label": label });
    field.addEventListener("change", () => set({ [name]: Number(field.value) }));
    return make("p", { class: "field" }, make("span", { text: label }), field);
  };
  const draw = () => {
    const modes = MODES.map(([mode, key]) => choice(desk.say(key), settings.mode === mode, () => set({ mode })));
    const both = desk.health.gate?.direction === "both";
    const ways = ["entry", "exit"].map((way) =>
      choice(desk.say(`s.${way}`), (settings.direction ?? "entry") === way, () => set({ direction: way })));
    const checks = make("pre", { hidden: true });
    pane.replaceChildren(
      make("div", { class: "choices" }, ...modes),
      ...(both ? [make("h3", { text: desk.say("s.direction") }), make("div", { class: "choices" }, ...ways)] : []),
      slider("brightness", BRIGHTNESS_MIN),
      make("p", { text: desk.say(settings.dims === "screen" ? "s.dimsScreen" : "s.dimsPage") }),
      slider("volume", 0),
      make("div", { class: "choices" },
        choice(desk.say("s.checks"), false, () => check(desk, checks)),
        choice(desk.say("s.restart"), false, async () => {
          await desk.ask("restart");
          desk.told(desk.say("s.restarting"));
        })),
      checks);
  };
  draw();
}

async function check(desk, place) {
  const { readers } = await desk.ask("checks");
  place.hidden = false;
  place.textContent = readers.map((one) => {
    const figures = Object.entries(one.figures).map(([name, value]) => `${name} ${value}`).join(", ");
    return [`${one.name}: ${one.state}`, one.detail, one.advice, figures].filter(Boolean).join(" · ");
  }).join("\n");
}

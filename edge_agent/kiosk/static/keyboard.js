// Keys on the screen, for kiosks without a keyboard: digits, Latin letters, and Hangul by jamo.
import { compose } from "./hangul.js";
import { make } from "./page.js";

const ROWS = {
  digits: ["123", "456", "789"],
  latin: ["1234567890", "qwertyuiop", "asdfghjkl@", "zxcvbnm.-_+"],
  hangul: ["ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡㅃㅉㄸㄲㅆㅒㅖ"],
};

export function keyboard(desk, field, kind = "latin") {
  const board = make("div", { class: `keys ${kind}` });
  let shown = kind === "latin" && desk.facts.language === "ko" ? "hangul" : kind;
  const put = (letter) => {
    field.value = shown === "hangul" ? compose(field.value, letter) : field.value + letter;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const key = (text, press, attributes = {}) =>
    make("button", { type: "button", text, onclick: press, ...attributes });
  const draw = () => {
    const rows = ROWS[shown].map((letters) =>
      make("div", { class: "row" }, ...[...letters].map((letter) => key(letter, () => put(letter)))));
    const more = kind === "digits" ? [key("0", () => put("0"))] : [
      key(shown === "hangul" ? "abc" : "가나", () => {
        shown = shown === "hangul" ? "latin" : "hangul";
        draw();
      }),
      key(desk.say("s.space"), () => { field.value += " "; }),
    ];
    const back = key("⌫", () => { field.value = [...field.value].slice(0, -1).join(""); },
      { "aria-label": desk.say("s.back") });
    board.className = `keys ${shown}`;
    board.replaceChildren(...rows, make("div", { class: "row" }, ...more, back));
  };
  draw();
  return board;
}

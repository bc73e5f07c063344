// Keys on the screen, for kiosks without a keyboard: digits, Latin letters, Hangul by jamo, and codes.
import { compose } from "./hangul.js";
import { make } from "./page.js";

const ROWS = {
  digits: ["123", "456", "789"],
  latin: ["1234567890", "qwertyuiop", "asdfghjkl@", "zxcvbnm.-_+"],
  hangul: ["ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡㅃㅉㄸㄲㅆㅒㅖ"],
  code: ["1234567890", "QWERTYUIOP", "ASDFGHJKL-", "ZXCVBNM:"],
  codeUpright: ["1234567", "890-:", "ABCDEFG", "HIJKLMN", "OPQRSTU", "VWXYZ"], // seven keys are 480 px
};
const OF_ADDRESSES = "/.#=&_";
// What a screen reader may pass over in silence.
const SIGNS = {
  "-": "key.hyphen", ":": "key.colon", "/": "key.slash", ".": "key.dot", "#": "key.hash", "=": "key.equals",
  "&": "key.and", "_": "key.underscore",
};

// `kind`: digits, latin (and Hangul), code, or address (a code, or the address of an enrolment).
// `last`: more keys for the end of the last row.
export function keyboard(desk, field, kind = "latin", last = []) {
  const board = make("div", { class: "keys" });
  const codes = kind === "code" || kind === "address";
  let shown = kind === "latin" && desk.facts.language === "ko" ? "hangul" : kind;
  if (codes) shown = matchMedia("(orientation: portrait)").matches ? "codeUpright" : "code";
  let small = false;
  const put = (letter) => {
    field.value = shown === "hangul" ? compose(field.value, letter) : field.value + letter;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // `data-label`: said anew where the public page changes its language.
  const key = (text, press, name) =>
    make("button", { type: "button", text, onclick: press, "aria-label": name && desk.say(name), "data-label": name });
  const letterKey = (letter) => key(letter, () => put(letter), SIGNS[letter]);
  const space = () => { field.value += " "; };
  const more = () => {
    if (kind === "digits") return [letterKey("0")];
    if (kind === "code") return [];
    if (kind === "address") {
      const shift = key("⇧", () => {
        small = !small;
        draw();
        board.querySelector("[aria-pressed]").focus();
      }, "key.capitals");
      shift.setAttribute("aria-pressed", String(!small));
      return [shift, ...[...OF_ADDRESSES].map(letterKey), key("␣", space, "s.space")];
    }
    const other = key(shown === "hangul" ? "abc" : "가나", () => {
      shown = shown === "hangul" ? "latin" : "hangul";
      draw();
    });
    return [other, key(desk.say("s.space"), space)];
  };
  const draw = () => {
    const rows = ROWS[shown].map((letters) =>
      make("div", { class: "row" }, ...[...(small ? letters.toLowerCase() : letters)].map(letterKey)));
    const back = key("⌫", () => { field.value = [...field.value].slice(0, -1).join(""); }, "s.back");
    board.className = `keys ${shown}`;
    board.replaceChildren(...rows, make("div", { class: "row" }, ...more(), back, ...last));
  };
  draw();
  return board;
}

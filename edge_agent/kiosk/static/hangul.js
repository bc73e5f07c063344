// Joins jamo into syllables as they are typed (two-set layout): 1,2,3 → a final consonant may move on.
const FIRST = [..."ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"];
const VOWEL = [..."ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"];
const LAST = ["", ..."ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"];
const JOINED = {
  ㅗㅏ: "ㅘ", ㅗㅐ: "ㅙ", ㅗㅣ: "ㅚ", ㅜㅓ: "ㅝ", ㅜㅔ: "ㅞ", ㅜㅣ: "ㅟ", ㅡㅣ: "ㅢ",
  ㄱㅅ: "ㄳ", ㄴㅈ: "ㄵ", ㄴㅎ: "ㄶ", ㄹㄱ: "ㄺ", ㄹㅁ: "ㄻ", ㄹㅂ: "ㄼ", ㄹㅅ: "ㄽ", ㄹㅌ: "ㄾ", ㄹㅍ: "ㄿ", ㄹㅎ: "ㅀ", ㅂㅅ: "ㅄ",
};
const PARTS = Object.fromEntries(Object.entries(JOINED).map(([pair, one]) => [one, [...pair]]));
const BASE = 0xac00;

const syllable = (first, vowel, last = "") =>
  String.fromCharCode(BASE + (FIRST.indexOf(first) * 21 + VOWEL.indexOf(vowel)) * 28 + LAST.indexOf(last));

function taken(letter) {
  const code = letter?.charCodeAt(0) - BASE;
  if (!(code >= 0 && code < 11172)) return null;
  return [FIRST[Math.floor(code / 588)], VOWEL[Math.floor((code % 588) / 28)], LAST[code % 28]];
}

export function compose(text, jamo) {
  const before = text.slice(0, -1);
  const end = text.slice(-1);
  const parts = taken(end);
  if (VOWEL.includes(jamo)) {
    if (FIRST.includes(end)) return before + syllable(end, jamo);
    if (!parts) return text + jamo;
    const [first, vowel, last] = parts;
    if (!last) return JOINED[vowel + jamo] ? before + syllable(first, JOINED[vowel + jamo]) : text + jamo;
    const [stays, goes] = PARTS[last] ?? ["", last];
    return before + syllable(first, vowel, stays) + syllable(goes, jamo);
  }
  if (!parts) return text + jamo;
  const [first, vowel, last] = parts;
  const joined = last ? JOINED[last + jamo] : LAST.includes(jamo) && jamo;
  return joined ? before + syllable(first, vowel, joined) : text + jamo;
}

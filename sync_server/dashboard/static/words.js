// The words that every page has, one catalogue a language, and how a page says them. A page's own
// words stand in `words.PAGE.js`; it hands them to `learn`. `{…}` is filled in by `tell`.
export const CATALOGUES = {
  en: {
    language: "English",
    signIn: "Sign in",
    signOut: "Sign out",
    name: "Name",
    password: "Password",
    wrongPassword: "Name or password is wrong.",
    tooMany: "Too many tries. Wait {seconds} seconds, then try again.",
    unreachable: "The server does not answer. Is it running?",
    sessionOver: "Your session is over. Please sign in again.",
    "status.draft": "draft",
    "status.open": "open",
    "status.live": "live",
    "status.ended": "ended",
    "status.archived": "archived",
    pages: "Pages",
    notForYou: "This page is for: {roles}. You are signed in as {role}.",
    failed: "That did not work: {message}",
    noAnswer: "The server does not answer. Nothing was changed; try again.",
    "role.owner": "owner",
    "role.operator": "operator",
    "role.supervisor": "supervisor",
    "role.viewer": "viewer",
    seconds: "{n} s",
    minutes: "{n} min",
    hours: "{n} h",
  },
  ko: {
    language: "한국어",
    signIn: "로그인",
    signOut: "로그아웃",
    name: "이름",
    password: "비밀번호",
    wrongPassword: "이름 또는 비밀번호가 올바르지 않습니다.",
    tooMany: "시도 횟수가 너무 많습니다. {seconds}초 뒤에 다시 시도해 주세요.",
    unreachable: "서버가 응답하지 않습니다. 서버가 실행 중인지 확인해 주세요.",
    sessionOver: "로그인 시간이 끝났습니다. 다시 로그인해 주세요.",
    "status.draft": "준비 중",
    "status.open": "접수 중",
    "status.live": "진행 중",
    "status.ended": "종료",
    "status.archived": "보관됨",
    pages: "화면",
    notForYou: "이 화면은 {roles}만 볼 수 있습니다. 지금은 {role}(으)로 로그인되어 있습니다.",
    failed: "처리하지 못했습니다: {message}",
    noAnswer: "서버가 응답하지 않습니다. 바뀐 것은 없습니다. 다시 시도해 주세요.",
    "role.owner": "소유자",
    "role.operator": "운영자",
    "role.supervisor": "현장 관리자",
    "role.viewer": "열람자",
    seconds: "{n}초",
    minutes: "{n}분",
    hours: "{n}시간",
  },
};

// A page's own words: {en: {key: text}, ko: {…}}.
export function learn(words) {
  for (const [of, texts] of Object.entries(words)) Object.assign(CATALOGUES[of], texts);
}

export const OTHER = { en: "ko", ko: "en" };

// The page's language, kept by the browser; the first time as the browser prefers.
const kept = localStorage.getItem("language") ?? navigator.language;
let language = kept.startsWith("ko") ? "ko" : "en";

export const currentLanguage = () => language;

export function switchLanguage() {
  language = OTHER[language];
  localStorage.setItem("language", language);
}

// A name that this page does not know yet (a newer server's) is shown as it is.
export function tell(key, values = {}) {
  const text = CATALOGUES[language][key] ?? key.replace(/^\w+\./, "").replaceAll("_", " ");
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function tellAge(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 120) return tell("seconds", { n: s });
  if (s < 7200) return tell("minutes", { n: Math.round(s / 60) });
  return tell("hours", { n: Math.round(s / 3600) });
}

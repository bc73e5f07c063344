// Every text of the page itself, one catalogue a language. What a decision says comes with its
// frame (screens.py). `{…}` is filled in by `tell`.
export const CATALOGUES = {
  ko: {
    language: "한국어",
    starting: "시작하는 중입니다",
    waitingTitle: "티켓의 QR 코드를 카메라에 보여 주세요",
    waitingWords: "15–20cm 거리에서 잠시 멈춰 주세요.",
    outTitle: "잠시 이용할 수 없습니다",
    outWords: "다시 연결하는 중입니다. 직원에게 문의해 주세요. ({code})",
    notEnrolledTitle: "등록되지 않은 기기",
    notEnrolledWords: "설치 담당자: edge-agent enrol 로 등록해 주세요.",
    typeCode: "티켓 코드 입력",
    check: "확인",
    online: "온라인",
    offline: "오프라인 ({since}부터)",
    offlineNow: "오프라인",
    unlinked: "게이트 프로그램에 다시 연결하는 중",
    waiting: "전송 대기 {n}건",
    age: "명단 {age} 전",
    noList: "명단 없음",
    inside: "안에 {n}명",
    clock: "시계 확인 필요",
    reader: "리더 이상: {name}",
    doubleEntry: "중복 입장 {n}건 (다른 게이트: {gate} {time}) — 직원 확인",
    busy: "다시 시도해 주세요",
    seconds: "{n}초",
    minutes: "{n}분",
    hours: "{n}시간",
  },
  en: {
    language: "English",
    starting: "Starting",
    waitingTitle: "Hold your ticket’s QR code to the camera",
    waitingWords: "Keep it still, 15–20 cm away.",
    outTitle: "Out of order",
    outWords: "Connecting again. Please see staff. ({code})",
    notEnrolledTitle: "Not enrolled",
    notEnrolledWords: "Installer: enrol this device with edge-agent enrol.",
    typeCode: "Type a ticket code",
    check: "Check",
    online: "Online",
    offline: "Offline since {since}",
    offlineNow: "Offline",
    unlinked: "Connecting to the gate’s program again",
    waiting: "{n} scans to send",
    age: "List {age} old",
    noList: "No list yet",
    inside: "{n} inside",
    clock: "Check the clock",
    reader: "Reader trouble: {name}",
    doubleEntry: "Double entry: {n} (other gate: {gate} {time}) – see staff",
    busy: "Please try again",
    seconds: "{n} s",
    minutes: "{n} min",
    hours: "{n} h",
  },
};

export function tell(language, key, values = {}) {
  return CATALOGUES[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function tellAge(language, seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return tell(language, "seconds", { n: s });
  if (s < 7200) return tell(language, "minutes", { n: Math.round(s / 60) });
  return tell(language, "hours", { n: Math.round(s / 3600) });
}

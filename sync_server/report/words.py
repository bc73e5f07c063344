"""The report's words in both languages (P11)."""

from enum import Enum


class Word(Enum):
    """(English, Korean)."""

    TITLE = ("Final report", "결과 보고서")
    MADE = ("Made", "작성")
    WHO_CAME = ("Who came (CSV)", "참석자 명단 (CSV)")
    EVERYTHING = ("Everything (ZIP)", "전체 내보내기 (ZIP)")
    ATTENDANCE = ("Attendance", "참석")
    ARRIVALS = ("Arrivals by hour", "시간대별 입장")
    GATES = ("Gates", "게이트")
    GROUPS = ("Groups", "그룹")
    GROUPS_NOTE = (
        "Groups of fewer than five stand together, with the smallest of the others if need be.",
        "5명 미만 그룹은 합쳐서 표시하며, 합쳐도 5명 미만이면 가장 작은 다른 그룹과 함께 표시합니다.",
    )
    METHODS = ("Ways to pass", "통과 방법")
    METHOD = ("Way", "방법")
    SHARE = ("Share", "비율")
    ATTENDED_CANCELLED = ("Came, and are cancelled", "입장 후 취소된 참가자")
    BY_OPERATOR = ("Decisions by hand, by operator", "담당자별 수동 처리")
    COUNTS_AS = ("Counts as", "집계")
    MORE_NOTE = (
        "Only the first thousand are shown; the complete export has all.",
        "처음 1,000건만 표시합니다. 전체는 전체 내보내기에 있습니다.",
    )
    DOUBLE_ENTRY = ("Double entry", "중복 입장")
    KIND_REVOKED = ("Revoked ticket", "회수된 티켓")
    OUTSIDE_PERIOD = ("Outside the period", "기간 외")
    GATE_CLOSED = ("Gate closed", "게이트 닫힘")
    NOT_PERMITTED = ("Not permitted here", "이 게이트 권한 없음")
    UNKNOWN_PARTICIPANT = ("Not on the list", "명단에 없음")
    OVERRIDDEN = ("By hand", "수동 처리")
    QUARANTINED = ("From a revoked device", "회수된 기기의 기록")
    CONFIRMED = ("Confirmed", "확정")
    DUPLICATE = ("Repeated", "반복")
    CONFLICT = ("Conflict", "충돌")
    VOIDED = ("Taken back", "취소 처리")
    ACCEPTED = ("Accepted", "인정")
    STAY = ("Stay", "체류 시간")
    STAY_NOTE = (
        "Of those whose exit was scanned; shown from five people on.",
        "퇴장이 기록된 사람 기준이며, 5명부터 표시합니다.",
    )
    NO_SHOWS = ("Did not come", "불참")
    CONFLICTS = ("Conflicts", "충돌")
    OVERRIDES = ("Decisions by hand", "수동 처리")
    DATA_QUALITY = ("Quality of the data", "데이터 품질")
    FIGURE = ("Figure", "항목")
    VALUE = ("Value", "값")
    REGISTERED = ("Registered", "등록")
    ATTENDED = ("Came", "참석")
    RATE = ("Rate", "참석률")
    INSIDE = ("Inside now", "현재 입장 중")
    OPEN_CONFLICTS = ("Open conflicts", "미처리 충돌")
    HOUR = ("Hour", "시간")
    ENTRIES = ("Entries", "입장")
    GATE = ("Gate", "게이트")
    PASSED = ("Passed", "통과")
    BY_QR = ("QR", "QR")
    BY_BLE = ("Beacon", "비콘")
    BY_HAND = ("By hand", "수동")
    REFUSED = ("Refused", "거절")
    ADMITTED = ("Admitted", "입장")
    PROCESSING_MS = ("Decision (ms)", "판정 (ms)")
    GROUP = ("Group", "그룹")
    NO_GROUP = ("(none)", "(없음)")
    SMALL_GROUPS = ("Groups shown together", "합쳐서 표시한 그룹")
    PEOPLE = ("People", "인원")
    PEOPLE_LEFT = ("People whose exit was scanned", "퇴장이 기록된 인원")
    MEAN_MINUTES = ("Mean (minutes)", "평균 (분)")
    MEDIAN_MINUTES = ("Median (minutes)", "중앙값 (분)")
    STATUS = ("Status", "상태")
    STATUS_BLOCKED = ("Barred", "입장 제한")
    STATUS_CANCELLED = ("Cancelled", "취소")
    TIME = ("Time", "시각")
    PERSON = ("Person", "참가자")
    KIND = ("Kind", "종류")
    EXPLANATION = ("Explanation", "설명")
    OUTCOME = ("Outcome", "처리")
    STILL_OPEN = ("Open", "미처리")
    OPERATOR = ("Operator", "담당자")
    DECISION = ("Decision", "처리")
    REASON = ("Reason", "사유")
    TIMES_SYNCED = ("Scans with a measured time", "시각이 확인된 기록")
    TIMES_BOUNDED = ("Scans with a time between known ones", "전후 기록으로 시각을 추정한 기록")
    TIMES_WALL = ("Scans by an unchecked clock", "확인되지 않은 시계의 기록")
    WORST_TIME_S = ("Largest time error (s)", "최대 시각 오차 (초)")
    HOLES = ("Scans named missing, still expected", "아직 도착하지 않은 기록")
    LOST = ("Scans declared lost", "유실로 신고된 기록")
    UNUSABLE = ("Entries that could not be used (kept)", "사용할 수 없어 보관한 기록")

    def says(self, language: str) -> str:
        return str(self.value[1 if language == "ko" else 0])


def cell(value: object, language: str) -> str:
    """A cell of the report as text."""
    if isinstance(value, Word):
        return value.says(language)
    if isinstance(value, dict):  # {"en","ko"}
        return str(value[language])
    return str(value)

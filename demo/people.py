"""The sample event and its participants: plausible, and the same for the same batch number."""

import csv
import json
import random
from datetime import datetime, timedelta
from pathlib import Path

PEOPLE_PER_BATCH = 300
EVENT_DAYS = 14

# Each with its usual romanisation, for the e-mail address.
FAMILY = {
    "김": "kim", "이": "lee", "박": "park", "최": "choi", "정": "jung", "강": "kang",
    "조": "cho", "윤": "yoon", "장": "jang", "임": "lim", "한": "han", "오": "oh",
    "서": "seo", "신": "shin", "권": "kwon", "황": "hwang", "안": "ahn", "송": "song",
    "남궁": "namgung", "제갈": "jegal",
}  # fmt: skip
GIVEN = {
    "민준": "minjun", "서연": "seoyeon", "도윤": "doyun", "서윤": "seoyun", "시우": "siwoo",
    "지우": "jiwoo", "하준": "hajun", "하은": "haeun", "지호": "jiho", "수아": "sua",
    "준서": "junseo", "지민": "jimin", "현우": "hyunwoo", "예은": "yeeun", "건우": "gunwoo",
    "다은": "daeun", "우진": "woojin", "채원": "chaewon", "선우": "sunwoo", "유진": "yujin",
    "영희": "younghee", "철수": "chulsoo", "미경": "mikyung", "성호": "sungho", "은주": "eunju",
}  # fmt: skip
FOREIGN = [
    "Ada Okonkwo", "Liam O'Brien", "Chloé Dubois", "Søren Kjær", "María José Núñez",
    "Jürgen Groß", "Aiko Tanaka", "Wei Zhang", "Priya Raghunathan", "Oluwaseun Adeyemi",
    "Zoë van der Berg", "Mateus da Silva", "Anna-Lena Hübner", "Ngô Thị Lan", "Yusuf Demir",
    "Ewa Wiśniewska", "Noah Williams", "Fatima al-Zahra", "Ivan Petrenko", "Grace Kim-Taylor",
]  # fmt: skip
ORGANIZATIONS = [
    "한빛소프트", "서울시립대학교", "Nari Robotics", "대한데이터연구원", "Blue Heron Labs",
    "푸른은행", "Kestrel Systems", "미래반도체", "Aster GmbH", "",
]  # fmt: skip
REGIONS = ["서울", "부산", "인천", "대전", "경기", "제주", "overseas"]
GROUPS = ["general", "general", "general", "speaker", "student", "press", "staff"]


def write_event(path: Path, now: datetime, *, tag: str = "DEMO1", name: str | None = None) -> None:
    """An event that began an hour ago and goes on for days, whenever the demo is run."""
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    event = {
        "eventId": f"gatesync-demo-{tag.lower()}",
        "tag": tag,
        "eventName": name or "Gatesync 데모 컨퍼런스",
        "startDate": start.isoformat().replace("+00:00", "Z"),
        "endDate": (start + timedelta(days=EVENT_DAYS)).isoformat().replace("+00:00", "Z"),
        "timeZone": "Asia/Seoul",
        "venue": "서울 컨벤션 센터 Seoul Convention Center",
        "status": "live",
        "gates": [
            {
                "id": "main-entrance",
                "name": "정문 Main entrance",
                "direction": "entry",
                "capacityPerMinute": 20,
            },
        ],
        "settings": {"allowMultipleCheckins": False, "defaultRegion": "KR"},
    }
    path.write_text(json.dumps(event, ensure_ascii=False, indent=1), "utf-8")


def write_participants(path: Path, batch: int) -> None:
    rng = random.Random(f"gatesync-demo-{batch}")
    columns = ["id", "name", "email", "phone", "organization", "birthDate", "region", "group"]
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(columns)
        for number in range(1, PEOPLE_PER_BATCH + 1):
            name, handle, phone = _foreigner(rng) if rng.random() < 0.3 else _korean(rng)
            sheet.writerow([
                f"P{batch}{number:03}",
                name,
                f"{handle}{batch}{number:03}@example.com",
                phone,
                rng.choice(ORGANIZATIONS),
                f"{rng.randint(1955, 2007)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
                rng.choice(REGIONS),
                rng.choice(GROUPS),
            ])  # fmt: skip


def _korean(rng: random.Random) -> tuple[str, str, str]:
    family = rng.choice(list(FAMILY))
    given = rng.choice(list(GIVEN))
    phone = f"010-{rng.randint(2000, 9999)}-{rng.randint(0, 9999):04}"
    return family + given, f"{GIVEN[given]}.{FAMILY[family]}", phone


def _foreigner(rng: random.Random) -> tuple[str, str, str]:
    name = rng.choice(FOREIGN)
    handle = "".join(letter for letter in name.lower() if "a" <= letter <= "z")
    digits = rng.randint(0, 9999)
    phone = rng.choice([
        f"+44 7400 12{digits:04}",
        f"+81 90-1234-{digits:04}",
        f"+49 1512 345{digits:04}",
        f"+33 6 12 34 {digits // 100:02} {digits % 100:02}",
    ])  # fmt: skip
    return name, handle, phone

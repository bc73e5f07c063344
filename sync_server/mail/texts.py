"""The words of a ticket's mail: ours, or an organiser's own; checked before they are kept.

A text is plain, with variables: `{{ name }}`, `{% if group %}…{% endif %}`. Nothing else of Jinja2 is
let in: who may write a text may not thereby compute or reach anything. The layout of the page around
it is ours (`layout.html`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.errors import PermanentError

VARIABLES = (
    "name", "event", "venue", "starts", "ends", "code", "organization", "group", "id",
)  # fmt: skip
SUBJECT_CHARS_MAX, BODY_CHARS_MAX = 200, 10_000
FILTERS = frozenset({"upper", "lower", "title", "trim", "default"})
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.Filter, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or,
)  # fmt: skip


class Texts(NamedTuple):
    subject: str
    body: str


DEFAULTS: Mapping[str, Texts] = {
    "ko": Texts(
        "[{{ event }}] 입장권",
        """{{ name }} 님, 안녕하세요.

{{ event }}에 등록해 주셔서 감사합니다. 입장권을 보내 드립니다.

일시: {{ starts }} ~ {{ ends }}
{% if venue %}
장소: {{ venue }}
{% endif %}
{% if group %}
구분: {{ group }}
{% endif %}

입구에서 아래 QR 코드를 카메라에 비춰 주세요. 휴대전화 화면이면 충분하며, 첨부한 PDF를 인쇄해 오셔도 됩니다.
QR 코드가 보이지 않으면 입구에서 이 번호를 말씀해 주세요: {{ code }}

입장권은 본인만 사용할 수 있습니다. 다른 사람에게 전달하지 마세요.""",
    ),
    "en": Texts(
        "[{{ event }}] Your ticket",
        """Hello {{ name }},

Thank you for registering for {{ event }}. Here is your ticket.

When: {{ starts }} – {{ ends }}
{% if venue %}
Where: {{ venue }}
{% endif %}
{% if group %}
Group: {{ group }}
{% endif %}

At the gate, hold the QR code below to the camera. Your phone's screen is enough; you may also print the attached PDF.
If you can't see the QR code, tell the staff this code: {{ code }}

This ticket is yours alone. Please don't pass it on.""",
    ),
}


class TextError(PermanentError):
    """The text can't be used; the message says where and why, in one line."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check(texts: Texts) -> None:
    """TextError where a mail could not be made of them."""
    for field, text, most in (
        ("subject", texts.subject, SUBJECT_CHARS_MAX), ("body", texts.body, BODY_CHARS_MAX),
    ):  # fmt: skip
        if not text.strip():
            raise TextError(field, f"The {field} is empty.")
        if len(text) > most:
            raise TextError(field, f"The {field} is longer than {most:,} characters.")
        _check_one(field, text)
    render(texts, dict.fromkeys(VARIABLES, "x"))
    render(texts, dict.fromkeys(VARIABLES, ""))


def render(texts: Texts, values: Mapping[str, str]) -> Texts:
    """The subject on one line, without what could begin a header of its own."""
    environment = _environment()
    try:
        subject, body = (environment.from_string(text).render(values) for text in texts)
    except TemplateError as error:
        raise TextError("body", str(error.message or error)) from error
    return Texts(one_line(subject)[:SUBJECT_CHARS_MAX], _tidy(body))


def one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _tidy(body: str) -> str:
    lines = (
        "".join(c for c in line if c.isprintable() or c == "\t").rstrip()
        for line in body.splitlines()
    )
    return "\n".join(lines).strip() + "\n"


def _check_one(field: str, text: str) -> None:
    environment = _environment()
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        raise TextError(field, f"Line {error.lineno} of the {field}: {error.message}") from error
    unknown = sorted(meta.find_undeclared_variables(tree) - set(VARIABLES))
    if unknown:
        raise TextError(
            field,
            f"The {field} asks for {{{{ {unknown[0]} }}}}, which there is not; "
            f"there are {', '.join(VARIABLES)}.",
        )
    for node in tree.find_all(nodes.Node):
        allowed = isinstance(node, _PLAIN) and (
            not isinstance(node, nodes.Filter) or node.name in FILTERS
        )
        if not allowed:
            what = node.name if isinstance(node, nodes.Filter) else type(node).__name__.lower()
            raise TextError(
                field,
                f"Line {node.lineno} of the {field}: “{what}” can't be used here; "
                "{{ name }} and {% if name %}…{% endif %} can.",
            )


def _environment() -> Environment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )  # fmt: skip

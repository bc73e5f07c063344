"""Eventbrite's and pretix's exports, names in parts, columns that the user names."""

import io

import pytest

from shared.errors import UsageError
from sync_server.registration.list_reader import guarded, open_list, unguarded
from sync_server.registration.names import whole_name
from tests.sync_server.registration.deployments import codes, counts, deployment, import_text

# As Eventbrite's attendee report has them (several organisers' own questions at the end).
EVENTBRITE = """Order #,Order Date,First Name,Last Name,Email,Quantity,Price Tier,Ticket Type,\
Attendee #,Group,Order Type,Currency,Total Paid,Attendee Status,Home Country,Cell Phone,Job Title,\
Company
11,11/29/24 22:28,John,Doe,jdoe@example.com,1,,General Admission,1844,,Free Order,USD,0,Attending,\
US,+1 202-555-0143,Boss,Acme
12,11/29/24 22:54,길동,홍,hong@example.com,1,,VIP,1845,,Free Order,USD,0,Checked In,,,,
13,11/30/24 01:02,Ann,Lee,ann@example.com,1,,VIP,1846,,Free Order,USD,0,Not Attending,,,,
14,11/30/24 01:03,Bob,Li,bob@example.com,1,,VIP,1847,,Free Order,USD,0,Not Attending,,,,
15,11/30/24 01:04,Bob,Li,bob@example.com,1,,VIP,1848,,Free Order,USD,0,Attending,,,,
"""
# As pretix' list of order positions has them; “Company” and “Country” are there twice.
PRETIX = """"Order code";"Position ID";"Status";"E-mail";"Phone number";"Product";"Attendee name";\
"Attendee name: Given name";"Attendee name: Family name";"Attendee email";"Company";"Country";\
"Voucher";"Pseudonymization ID";"Ticket secret";"Blocked";"Company";"Invoice address name";"Country"
"A1";1;"paid";"buyer@example.com";"+4930901820";"Regular";"Ann Lee";"Ann";"Lee";"ann@example.com";\
"";"DE";"";"X";"secret1";"";"Acme";"Buy Er";"DE"
"A1";2;"paid";"buyer@example.com";"+4930901820";"Regular";"";"길동";"홍";"";"";"";"";"Y";"secret2";\
"";"Acme";"Buy Er";"DE"
"A2";1;"pending";"late@example.com";"";"Regular";"Late Payer";"";"";"";"";"";"";"Z";"secret3";"";\
"";"";""
"A3";1;"canceled";"gone@example.com";"";"Regular";"Gone Away";"";"";"";"";"";"";"Z";"secret4";"";\
"";"";""
"A4";1;"paid";"kept@example.com";"";"Staff";"Kept Out";"";"";"";"";"";"";"Z";"secret5";"Yes";\
"";"";""
"""


def reader_of(text: str, **options):
    return open_list(io.BytesIO(text.encode()), "list.csv", **options)


@pytest.fixture
def made(tmp_path):
    with deployment(tmp_path / "data") as found:
        yield found


def by_email(made):
    from tests.sync_server.registration.deployments import people

    return {row["email"]: row for row in people(made).values()}


def test_an_export_of_eventbrite(made) -> None:
    result = import_text(made, EVENTBRITE)
    found = by_email(made)
    assert counts(result) == (4, 0, 0, 1)
    john = found["jdoe@example.com"]
    assert (john["name"], john["group"], john["organization"], john["phone"]) == (
        "John Doe", "General Admission", "Acme", "+12025550143",
    )  # fmt: skip
    assert found["hong@example.com"]["name"] == "홍길동"
    assert found["ann@example.com"]["status"] == "cancelled"


def test_who_cancelled_and_came_back_is_registered(made) -> None:
    result = import_text(made, EVENTBRITE)
    assert by_email(made)["bob@example.com"]["status"] == "registered"
    assert codes(result) == {5: ["duplicate_email"]}
    again = import_text(made, EVENTBRITE)
    assert counts(again) == (0, 0, 4, 1)


def test_an_export_of_pretix(made) -> None:
    result = import_text(made, PRETIX)
    found = by_email(made)
    assert counts(result) == (4, 0, 0, 1)
    assert codes(result) == {4: ["unknown_status"]}
    assert "not paid" in result["rows"][0]["errors"][0]["message"]
    ann = found["ann@example.com"]
    assert (ann["name"], ann["organization"], ann["group"], ann["region"]) == (
        "Ann Lee", "Acme", "Regular", "DE",
    )  # fmt: skip
    assert found["buyer@example.com"]["name"] == "홍길동"
    assert found["gone@example.com"]["status"] == "cancelled"
    assert found["kept@example.com"]["status"] == "blocked"
    codes_of_tickets = {row["code"] for row in _tickets(made)}
    assert not codes_of_tickets & {"secret1", "secret2"}


def _tickets(made):
    from tests.sync_server.registration.deployments import everything

    return everything(made)["credentials"]


def test_pretix_check_in_list() -> None:
    text = (
        '"Order code","Attendee name","Product","Price","Checked in","Paid","Secret","E-mail"\n'
        '"B1","Ann Lee","VIP","0.00","","Yes","xyz","ann@example.com"\n'
        '"B2","Bob Li","VIP","0.00","","No","xyw","bob@example.com"\n'
    )
    reader = reader_of(text)
    first, second = list(reader)
    assert reader.about()["export"] == "pretix"
    assert first.cells["status"] == "registered"
    assert second.problem is not None
    assert second.problem.code == "unknown_status"
    assert reader.ignored == ["Order code", "Price", "Checked in", "Secret"]


@pytest.mark.parametrize(
    ("first", "last", "whole"),
    [
        ("Ann", "Lee", "Ann Lee"),
        ("길동", "홍", "홍길동"),
        ("홍길동", "홍", "홍길동"),
        ("슬", "이", "이슬"),
        ("이슬", "이", "이이슬"),
        ("太郎", "山田", "山田太郎"),
        ("Gildong", "홍", "Gildong 홍"),
        ("", "홍길동", "홍길동"),
        ("Ann", "", "Ann"),
        (" Mary  Ann ", " de la Cruz", "Mary Ann de la Cruz"),
        ("", "", ""),
    ],
)
def test_names_in_two_parts(first: str, last: str, whole: str) -> None:
    assert whole_name(first, last) == whole


def test_korean_lists_with_family_names_apart() -> None:
    (record,) = reader_of("성,이름,이메일\n홍,길동,hong@example.com\n")
    assert record.cells["name"] == "홍길동"


def test_a_title_may_stand_above_the_headings() -> None:
    reader = reader_of("2026 참가자 명단;;\n;;\n이름;이메일;전화번호\n홍길동;h@example.com;\n")
    (record,) = reader
    assert record.line == 4
    assert record.cells["name"] == "홍길동"


def test_a_mapping_names_and_unnames_columns() -> None:
    text = "Who,Given,Family,Mail,Company\nx,Ann,Lee,ann@example.com,Acme\n"
    mapping = {"Given": "firstName", "Family": "lastName", "Mail": "email", "Company": None}
    reader = reader_of(text, mapping=mapping)
    (record,) = reader
    assert dict(record.cells) == {"name": "Ann Lee", "email": "ann@example.com"}
    assert reader.ignored == ["Who", "Company"]


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"name": "email", "email": "email"}, "“name” and “email” both are email"),
        ({"nowhere": "email"}, "'nowhere'"),
        ({"name": "shoe"}, "field 'shoe'"),
        ({"name": None}, "name"),
    ],
)
def test_a_mapping_that_cannot_be_is_told_in_one_line(mapping, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        reader_of("name,email\nAnn Lee,a@example.com\n", mapping=mapping).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cell", ["=1+1", "+82 10", "-1", "@x", "plain", "'quoted", "", "'=1"])
def test_no_cell_is_a_formula_and_importing_it_again_restores_it(cell: str) -> None:
    kept = unguarded(cell)  # what an import makes of it
    assert not guarded(kept).startswith(("=", "+", "-", "@"))
    assert unguarded(guarded(kept)) == kept

"""Every limit in one place, its unit last in the name (P12). Times in ms or s as named."""

# Sync (DESIGN §5, API §3.4–3.6)
UPLOAD_BATCH_ENTRIES_MAX = 500
TAKEN_AGAIN_ENTRIES_MAX = 10_000  # when a device is moved: what it sent before and was foreign
PAGE_ROWS_DEFAULT = 5_000
PAGE_ROWS_MAX = 20_000
WAIT_S_MAX = 55
LONG_POLLS_MAX = 2_000  # waiting at one server
LOST_RANGES_MAX = 1_000
HOLES_REPORTED_MAX = 1_000
CONFLICTS_PER_PERSON_TOLD_MAX = 5
CONFLICTS_SHOWN_MAX = 100  # at a gate

# HTTP
BODY_BYTES_MAX = 2 * 1024 * 1024
BODY_S_MAX = 60  # a body must have arrived by then
IMPORT_BYTES_MAX = 256 * 1024 * 1024
BATCH_RECORDS_MAX = 1_000
BATCH_RECORDS_PER_COMMIT = 100
LIST_ITEMS_DEFAULT = 100
LIST_ITEMS_MAX = 1_000
READY_ANSWER_S_MAX = 2  # a database that takes longer is not ready
READY_DISK_FREE_BYTES_MIN = 20_000_000
METADATA_BYTES_MAX = 8_192
SEARCH_CHARS_MAX = 200
SEARCH_FILLED_WITHIN_S = 5  # a search waits so long for the index of a server that just began
PARTNER_ID_CHARS_MAX = 200

# Codes
CODE_CHARS_MAX = 1_024
UNREADABLE_RECORDED_PER_MINUTE_MAX = 10

# Mail
MAIL_TESTS_PER_MINUTE_MAX = 10

# Registration
IMPORT_ROWS_REPORTED_MAX = 1_000
IMPORT_PREVIEW_ROWS = 10
IMPORT_AT_ONCE_BYTES_MAX = 2 * 1024 * 1024  # a larger file is a job
WORKBOOK_WEIGHT = 6  # a workbook is about so many times shorter than its CSV
IMPORT_UPLOAD_S_MAX = 900
IMPORT_UNDO_AT_ONCE_ROWS_MAX = 5_000  # a larger import is undone by a job
IMPORT_JOBS_WAITING_MAX = 20
IMPORT_ROWS_PUT_OFF_MAX = 50_000  # tried again when a list is through
IMPORTS_UNDOABLE_ROWS_MAX = 2_000_000  # former values kept, of the newest imports
REFUSED_FILES_MAX = 50  # of the newest imports
SHEET_MEMORY_BYTES_MAX = 2 * 1024 * 1024 * 1024  # of the process that reads a workbook
SHEET_CPU_S_MAX = 120
SHEETS_AT_ONCE_MAX = 2  # workbooks being read
SHEET_WAIT_S_MAX = 60  # for one of them to be through
NAME_CHARS_MAX = 200
FIELD_CHARS_MAX = 500
SHEET_TICKETS_MAX = 10_000
CHANGED_AT_ONCE_MAX = 200  # participants: some 0.2 s of the writer's time

# Identity
ENROLMENT_CODE_TTL_S = 3_600
DEVICE_TOKEN_TTL_S = 900
ASSERTION_TTL_S_MAX = 300
SESSION_TTL_S = 12 * 3_600
SIGN_IN_FAILURES_PER_MINUTE_MAX = 5
ENROL_FAILURES_PER_MINUTE_MAX = 10
TOKEN_FAILURES_PER_MINUTE_MAX = 30
ASSERTION_LEEWAY_S = 60
LIVE_SOCKETS_MAX = 1_000
LIVE_BACKLOG_BYTES_MAX = 512 * 1024  # what one page may leave unread

# Manual override at a gate
PIN_FAILURES_PER_MINUTE_MAX = 5
MANUAL_SESSION_S = 300
MANUAL_SESSIONS_MAX = 8
UNDO_WITHIN_S = 900
GROUP_PEOPLE_MAX = 50
SEARCH_RESULTS_MAX = 20
SEARCH_CANDIDATES_MAX = 500
SEARCH_ONLINE_S = 2
GATE_SEARCHES_PER_MINUTE_MAX = 60

# Rules
SIGNED_TICKET_GRACE_MS = 60_000
CLOCK_DRIFT_PPM = 50  # DESIGN §4.3: ageing of an anchor

# Gate
QUEUE_SIGHTINGS_MAX = 64
STATUS_INTERVAL_S = 10

# Beacons (DESIGN §7)
BEACON_TRACKS_MAX = 4_096  # badges of this event that a gate follows at once
BEACON_SAMPLES_MAX = 64  # strengths kept of each: at 20 a second more than the window holds
BADGE_CLOCK_SEARCHED_S_MAX = 400 * 86_400  # how old a badge may be whose clock is searched for
BEACON_HORIZON_HOURS_MAX = 48  # how far ahead gates may hold rotating ids
BADGES_PER_PAGE_DEFAULT = 200
BADGES_PER_PAGE_MAX = 500  # 500 badges, 6 hours, 32 s slots: 3.6 MB
BADGE_CACHE_BYTES_MAX = 64 * 1024 * 1024
PAIRING_S_MAX = 120
BEACON_LIST_BYTES_MAX = 16 * 1024 * 1024
BADGES_ASKED_MAX = 4_096  # answers of the replica kept in memory, strangers' among them
BADGE_CLOCK_ERROR_MS_MAX = 120_000  # with a worse clock nobody knows which rotating id is due
BADGE_SENDERS_MAX = 2_048  # addresses of badges that are here, to join frames of one
PAIRING_UNKNOWN_MAX = 64

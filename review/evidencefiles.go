package review

import "strings"

// EvidenceFile is one list of a bundle: what an auditor asks for under a section of 45 CFR 164. Names and columns are
// stable: columns may be added at the end. docs/EVIDENCE.md explains each of them.
type EvidenceFile struct {
	Name     string
	Citation string
	Asks     string
	Columns  []string

	static     [][]string // rows that are the same in every bundle
	absent     bool       // ward has no field for it
	restricted bool       // header alone for who may not close anomalies
	onEvents   bool       // it rests on events of the period, which may be in the archive only
}

func words(s string) []string { return strings.Fields(s) }

const anomalyColumns = "anomaly_id tenant rule_id rule_version tier severity actor subject_id created_at claimed_at " +
	"closed_at approved_at state disposition closed_by approved_by hours_to_claim hours_to_close close_reason " +
	"recurrence_of evidence_event_ids decision_event_ids"

const closedColumns = "anomaly_id tenant rule_id actor subject_id found_at discovered_on closed_at closed_by " +
	"approved_at approved_by reason fields nature recipient acquired mitigated assessed_as assessed_by assessed_at " +
	"assessment_event_id notices evidence_event_ids decision_event_ids"

// EvidenceFiles are the lists of a bundle, in the order in which they are written.
var EvidenceFiles = []EvidenceFile{
	{Name: "312b-sources", Citation: "164.312(b)",
		Asks: "which systems are recorded, and proof that recording is on: last event and heartbeat", onEvents: true,
		Columns: words("tenant region source system events_in_period first_event_at last_event_at first_event_id " +
			"last_event_id chain_seq heartbeat_at")},
	{Name: "312b-tables", Citation: "164.312(b)", Asks: "which tables with ePHI are recorded",
		Columns: words("record_table protected_at has_patient open_columns explains")},
	{Name: "312b-fields", Citation: "164.312(b)", Asks: "what is recorded of each event",
		Columns: words("field kind meaning"), static: eventFields},
	{Name: "312b-rules", Citation: "164.312(b)", Asks: "which activity is looked for, and why",
		Columns: words("rule_id version title tier severity citations every enabled missing description triage " +
			"content_hash in_force_since first_run_event_id")},
	{Name: "312b-runs", Citation: "164.312(b)",
		Asks: "proof that activity is examined: every run, also those that found nothing",
		Columns: words("run_id rule_id rule_version content_hash started_at finished_at status matched created " +
			"merged zero_match from_batch to_batch period_start period_end requested_by request_event_id " +
			"event_id error")},
	{Name: "312b-gaps", Citation: "164.312(b)", Asks: "where recording or examining was interrupted",
		Columns: words("kind subject from_at to_at what event_id run_id")},
	{Name: "308a1iiD-runs", Citation: "164.308(a)(1)(ii)(D)", Asks: "runs planned, done and missed, by rule",
		Columns: words("rule_id enabled period_seconds planned done missed examined_up_to failed ok_runs zero_match " +
			"requested matched created merged first_event_id last_event_id counted_in")},
	{Name: "308a1iiD-queue", Citation: "164.308(a)(1)(ii)(D)",
		Asks: "whether findings are reviewed timely: queue in, out and age, time to claim and close",
		Columns: words("tenant severity open_at_start found closed open_at_end oldest_open_hours " +
			"median_hours_to_claim p90_hours_to_claim median_hours_to_close p90_hours_to_close counted_in")},
	{Name: "308a1iiD-items", Citation: "164.308(a)(1)(ii)(D)", Asks: "every finding of the period, or still open in it",
		Columns: words(anomalyColumns)},
	{Name: "308a1iiD-sample", Citation: "164.308(a)(1)(ii)(D)",
		Asks: "a sample of thirty closed findings, drawn by hash", Columns: words(anomalyColumns)},
	{Name: "308a1iiD-certifications", Citation: "164.308(a)(1)(ii)(D)", Asks: "certification by appropriate personnel",
		Columns: words("id bundle_id period_from period_to as_of tenants manifest reviewer reviewer_name statement " +
			"certified_at certified_as approver approver_name approve_reason approved_at approved_as")},
	{Name: "308a1iiD-suppressions", Citation: "164.308(a)(1)(ii)(D)",
		Asks: "which findings were held back, for whom and until when, who asked and who approved",
		Columns: words("suppression_id tenant rule_id tier actor patient_id record_id action reason ticket asked_by " +
			"asked_at approved_by approved_at starts_at expires_at ended_by ended_at renews state held_back " +
			"anomaly_ids evidence_event_ids event_id approved_as ended_as")},
	{Name: "308a1iiD-person-links", Citation: "164.308(a)(1)(ii)(D)",
		Asks: "who was said to be which patient, hence has no say in findings about them, and by whom",
		Columns: words("tenant user user_id patient_id declared_by declared_at withdrawn_by withdrawn_at event_id " +
			"withdrawn_as")},
	{Name: "308a3iiC-leavers", Citation: "164.308(a)(3)(ii)(C)",
		Asks:     "whether access ended timely: for each leaver end, disabling, lag, last event, events after the end",
		onEvents: true,
		Columns: words("membership_id tenant user user_id kind role started_at ended_on disabled_at disabled_by " +
			"lag_hours account_disabled_at last_event_at last_event_id events_after_end events_after_end_ids " +
			"anomalies reason event_id")},
	{Name: "308a3iiC-roles", Citation: "164.308(a)(3)(ii)(C)", Asks: "changes of access with changes of duty",
		onEvents: true, Columns: words("at tenant user from_role to_role changed_by reason event_id")},
	{Name: "312a2i-users", Citation: "164.312(a)(2)(i)", Asks: "the register of user ids: never given twice",
		onEvents: true,
		Columns: words("user_id user name kind created_at created_by disabled_at first_event_at last_event_at " +
			"first_event_id last_event_id memberships created_event_id")},
	{Name: "312a2i-services", Citation: "164.312(a)(2)(i)",
		Asks: "service accounts, who answers for them, and what they have declared",
		Columns: words("service user_id owner owner_name disabled_at action record_table tenant from_hour to_hour " +
			"declared_at event_id")},
	{Name: "312a2i-account-links", Citation: "164.312(a)(2)(i)", Asks: "accounts of one person, and who said so",
		Columns: words("user same_as reason linked_by linked_at ended_by ended_at end_reason event_id ended_as")},
	{Name: "312a2i-shared-logins", Citation: "164.312(a)(2)(i)", Asks: "ids that two people use at once",
		Columns: words("user_id user at sources event_ids"), absent: true},
	{Name: "308a5iiC-denied", Citation: "164.308(a)(5)(ii)(C)",
		Asks: "log-in monitoring: sign-ins and tokens that were refused, and what became of them", onEvents: true,
		Columns: words("event_id recorded_at tenant action user actor_kind reason method session_id anomalies")},
	{Name: "308a6ii-incidents", Citation: "164.308(a)(6)(ii)", Asks: "incidents identified, with their outcomes",
		Columns: words("anomaly_id tenant rule_id severity actor subject_id summary created_at escalated_at state " +
			"disposition closed_at closed_by approved_by outcome evidence_event_ids decision_event_ids")},
	{Name: "308a6ii-timeline", Citation: "164.308(a)(6)(ii)", Asks: "what happened in each incident, in order",
		Columns: words("anomaly_id at kind what by_user event_id")},
	{Name: "312a2ii-break-glass", Citation: "164.312(a)(2)(ii)", Asks: "emergency access, with what followed",
		onEvents: true,
		Columns: words("event_id at tenant user action record_table record_id patient_id outcome " +
			"encounter_at follow_up")},
	{Name: "308a1iiC-sanctions", Citation: "164.308(a)(1)(ii)(C)", Asks: "violations of policy, with the sanction",
		Columns: words(closedColumns), restricted: true},
	{Name: "402-low-probability", Citation: "164.402",
		Asks:    "impermissible uses found to be of low probability of compromise, with the assessment",
		Columns: words(closedColumns)},
	{Name: "402-breaches", Citation: "164.402", Asks: "breaches, with the assessment", Columns: words(closedColumns)},
	{Name: "316b2i-oldest", Citation: "164.316(b)(2)(i)", Asks: "how far back records are kept", onEvents: true,
		Columns: words("kind tenant oldest_at event_id run_id retain_years")},
	{Name: "316b2i-prunes", Citation: "164.316(b)(2)(i)", Asks: "months that left the database for the archive",
		Columns: words("month at rows digest parts archive_log_size request_event_id event_id")},
	{Name: "316b2i-rules", Citation: "164.316(b)(2)(i)", Asks: "every version of every rule, and when it was in force",
		Columns: words("rule_id version content_hash in_force_since in_force_until missing front_matter " +
			"first_run_event_id")},
}

// note says why a list is empty, or not whole.
func (f *EvidenceFile) note(s *Scope, rows int) string {
	var notes []string
	switch {
	case f.absent:
		notes = append(notes,
			"empty: events carry no network address or device, so that this cannot be told (rule C07 is not enabled)")
	case f.restricted && s.Restricted:
		notes = append(notes, "empty: restricted; who made this bundle may not close anomalies at each of its clinics")
	case rows == 0:
		notes = append(notes, "empty: nothing of the kind in the period")
	}
	if f.onEvents && len(s.ArchiveOnly) > 0 {
		notes = append(notes,
			"events of "+strings.Join(s.ArchiveOnly, ", ")+" are in the archive only, and not in this list")
	}
	return strings.Join(notes, "; ")
}

// eventFields is the dictionary of an event's fields.
var eventFields = [][]string{
	{"event_id", "number", "unique in the region"},
	{"recorded_at", "time", "the database's clock; settable by nobody"},
	{"occurred_at", "time", "imported history only: when it happened in the other system"},
	{"tenant_id", "id", "the clinic; the installation for what belongs to none"},
	{"user_id", "id", "who; one id is one person or service account for life"},
	{"actor_kind", "text", "human, service or unknown"},
	{"session_id", "id", "the session that it was done in"},
	{"membership_id", "id", "under which membership, hence in which role"},
	{"disclosure_id", "id", "the ask that it belongs to, committed before anything was shown"},
	{"action", "text", "one of a closed list: view, create, modify, delete, export on PHI; others on everything else"},
	{"outcome", "text", "ok or denied"},
	{"record_table", "text", "table of the record"},
	{"record_id", "id", "the record: a random id, never a content"},
	{"subject_id", "id", "the patient"},
	{"purpose", "text", "treatment, payment, operations, break_glass, patient_request, research, audit or system"},
	{"detail", "text", "JSON: ids, counts, reasons; never PHI"},
	{"source", "text", "ward, or import for another system's history"},
	{"seq", "number", "place in the clinic's chain, without gaps"},
	{"hash", "hash", "SHA-256 over the row and the hash before it"},
}

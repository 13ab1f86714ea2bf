package clinic

// Invented names, in no combination that was looked up.
var (
	firstNames = []string{"Amara", "Bao", "Carmen", "Dmitri", "Elif", "Farid", "Greta", "Hanna", "Ibrahim", "Jola",
		"Kofi", "Leila", "Mateo", "Nadia", "Oscar", "Priya", "Quinn", "Rosa", "Samir", "Tova", "Usman", "Vera", "Wanda",
		"Ximena", "Yusuf", "Zora", "Abel", "Brigid", "Cyrus", "Delia", "Emeka", "Fiona", "Goran", "Hollis", "Ines",
		"Jonas", "Kira", "Lucan", "Maren", "Nils"}
	lastNames = []string{"Abara", "Bekker", "Castellan", "Dorrance", "Eklund", "Farrow", "Galvez", "Hallam", "Ibarra",
		"Jankowski", "Kessler", "Lindqvist", "Marchetti", "Norwood", "Okonkwo", "Pereira", "Quayle", "Reyes",
		"Sandoval", "Thackeray", "Ueda", "Valdez", "Whitlock", "Xiong", "Yamada", "Zielinski", "Ashdown", "Brannigan",
		"Calloway", "Drummond", "Escobedo", "Fairbairn", "Grimaldi", "Hargrove", "Ivanova", "Jessop", "Kowalczyk",
		"Larkspur", "Mbeki-Lund", "Nakagawa", "Oyelaran", "Pemberton", "Quispe", "Rasmussen", "Steinmetz", "Tremaine",
		"Urquhart", "Villanueva", "Wetherby", "Yilmaz", "Zamora", "Achterberg", "Bellamy-Hart", "Cardozo",
		"Delacroix-Ng"}
	clinicNames = []struct{ slug, name, zone string }{
		{"juniper", "Juniper Ridge Family Health", "America/New_York"},
		{"saltmarsh", "Saltmarsh Telehealth", "America/Chicago"},
		{"tamarack", "Tamarack Valley Clinic", "America/Denver"},
		{"quillback", "Quillback Island Care", "America/Los_Angeles"},
		{"foxglove", "Foxglove Pediatrics", "America/Chicago"},
		{"millrace", "Millrace Internal Medicine", "America/New_York"},
		{"larkhill", "Larkhill Women's Health", "America/Denver"},
		{"driftwood", "Driftwood Behavioral Health", "America/Los_Angeles"},
	}
	states       = []string{"NY", "IL", "CO", "CA", "WA", "OH"}
	visitReasons = []string{"follow-up", "new concern", "medication review", "lab results", "annual visit", "cough",
		"back pain", "skin", "sleep", "blood pressure"}
	payers = []string{"Plan A", "Plan B", "State program", "Self-pay"}
	codes  = []string{"99212", "99213", "99214", "99421", "G2012"}
)

// clinicians and the rest: a role's share of a clinic's staff and its least number.
var staffing = []struct {
	role  string
	share float64
	least int
}{
	{clinician, 0.31, 2}, {nurse, 0.25, 2}, {frontDesk, 0.19, 1}, {billing, 0.15, 1}, {records, 0.10, 1},
}

const (
	clinician = "clinician"
	nurse     = "nurse"
	frontDesk = "front_desk"
	billing   = "billing"
	records   = "records"
	service   = "service"

	technician = "it" // a role that ward does not come with
)

// The service accounts and what they have declared. Hours are UTC, from inclusive, to exclusive. One that serves the
// largest clinic alone says so in its list.
var services = []struct {
	slug, name  string
	largestOnly bool
	declared    []declaration
}{
	{"svc-portal", "Patient portal", false,
		[]declaration{{"create", messages, 0, 24}, {"create", appointments, 0, 24}}},
	{"svc-reminders", "Appointment reminders", false,
		[]declaration{{"view", appointments, 0, 24}, {"view", patients, 0, 24}}},
	{"svc-claims", "Claims batch", false, []declaration{{"view", encounters, 3, 6}, {"create", claims, 3, 6}}},
	{"svc-warehouse", "Quality warehouse", true, []declaration{{"export", encounters, 6, 8}}},
}

type declaration struct {
	action   string
	table    table
	from, to int
}

// places of the accounts in services
const (
	portal = iota
	reminders
	claimsBatch
	warehouse
)

// reviewers are in the directory without a membership; whoever runs the demonstration grants them their reach.
var reviewers = []struct{ slug, name string }{
	{"dana", "Dana Okafor"}, {"eli", "Eli Brandt"}, {"ana", "Ana Duarte"}, {"omar", "Omar Haddad"},
}

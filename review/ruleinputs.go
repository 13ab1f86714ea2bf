package review

// TestLink says that a user is a patient of the clinic as well: a row of review.person_link.
type TestLink struct {
	User    string `yaml:"user"`
	Patient string `yaml:"patient"`
	Tenant  string `yaml:"tenant,omitempty"` // empty: cedar
}

// TestTrait is a row of review.trait: what a clinic has declared about a user, a patient or a session.
type TestTrait struct {
	Input   string `yaml:"input"`
	User    string `yaml:"user,omitempty"`
	Patient string `yaml:"patient,omitempty"`
	Session string `yaml:"session,omitempty"`
	Tenant  string `yaml:"tenant,omitempty"` // empty: cedar
	Value   string `yaml:"value,omitempty"`
	At      string `yaml:"at,omitempty"`
}

// TestQueued is an anomaly that stands in the queue already, so that events can be about it.
type TestQueued struct {
	Label   string `yaml:"label"`
	About   string `yaml:"about"` // the user
	Patient string `yaml:"patient,omitempty"`
	Tenant  string `yaml:"tenant,omitempty"` // empty: cedar
}

// TestChain tampers with the chain once the first events are sealed, as only who owns the table could. Seq is a place
// in the clinic's chain.
type TestChain struct {
	Tenant string `yaml:"tenant,omitempty"` // empty: cedar
	Seq    int    `yaml:"seq"`
	Gone   bool   `yaml:"gone,omitempty"`   // the row is removed
	Sealed string `yaml:"sealed,omitempty"` // the row says that it was sealed then
	Resume bool   `yaml:"resume,omitempty"` // an administrator ordered that the chain goes on after this place
}

package migrate

// A wardSchema is a schema that ward makes objects in.
type wardSchema struct {
	name  string
	files bool // its views, functions and triggers have a file each
	// shared: where it is there already, ward shares it with others, since its names do not collide. Schema auth is
	// left to its owner as a whole (see release.without).
	shared bool
}

var wardSchemas = []wardSchema{
	{"core", true, true},
	{"tenancy", true, true},
	{"audit", true, true},
	{"review", true, true},
	{"auth", true, false},
	{"phi", false, true},   // the views that tenancy.protect makes
	{"river", false, true}, // the job queue's own
}

var (
	schemas    = schemaNames(func(s wardSchema) bool { return s.files })
	sharable   = schemaNames(func(s wardSchema) bool { return s.shared })
	ownSchemas = schemaNames(func(wardSchema) bool { return true })
)

func schemaNames(which func(wardSchema) bool) []string {
	var names []string
	for _, s := range wardSchemas {
		if which(s) {
			names = append(names, s.name)
		}
	}
	return names
}

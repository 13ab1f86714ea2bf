package clinic

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// warmUp is how far before the history's start the simulation begins, so that its first days have appointments, claims
// and messages behind them. What happens then leaves records, and no events.
const warmUp = 35

// horizon is how many days of future appointments are on the books at the end.
const horizon = 13

// Generate makes the history of a configuration. It takes a second or two and touches nothing.
func Generate(cfg Config) *History {
	cfg = cfg.WithDefaults()
	perVisit := 32.6 // events; measured, then corrected below
	for {
		g := newGen(cfg)
		g.simulate(perVisit)
		if len(g.h.events) >= cfg.Events {
			g.h.label()
			g.h.generated = len(g.h.rows)
			return g.h
		}
		perVisit *= 0.99 * float64(len(g.h.events)) / float64(cfg.Events)
	}
}

// gen is a history in the making.
type gen struct {
	cfg  Config
	h    *History
	ids  dice
	roll dice

	staff    [][]int           // by tenant: members who are people
	accounts [][]int           // by tenant: members of services, in the order of the list services; -1: none
	panel    map[int]*crowd    // by clinician's membership
	everyone []*crowd          // by tenant
	related  map[[2]int]bool   // user, chart: there is or will be a relationship row
	busy     map[int]bool      // users who play a part in a scenario
	current  int               // label that events get; -1: none
	happened bool              // something did under the label
	forced   bool              // misbehaviour: no limits of employment
	loads    map[int]*workload // by membership, once the ordinary traffic is complete
	assists  map[[2]int]int    // nurse, day: intake calls
	most     []int             // by tenant: intake calls that a nurse takes in a day
	audits   [][]int           // by tenant: encounters in order of their end, for chart audits
	rate     float64           // visits in a clinician's full day
	leaves   []int             // members who are away for weeks: one who comes back, one who does not, and so on
}

func newGen(cfg Config) *gen {
	start := cfg.Now.Truncate(24*time.Hour).AddDate(0, 0, -cfg.Days)
	h := &History{Config: cfg, Start: start, campaigns: map[[2]int]bool{}}
	h.end = h.micro(cfg.Now)
	return &gen{cfg: cfg, h: h, ids: newDice(cfg.Seed, "ids"), panel: map[int]*crowd{}, related: map[[2]int]bool{},
		busy: map[int]bool{}, current: -1}
}

func (g *gen) simulate(perVisit float64) {
	g.cfg.tell("people", 0, 1)
	g.directory()
	g.patients()
	g.visits(perVisit)
	g.office()
	g.nights()
	g.campaigns()
	g.covering()
	g.coordinate()
	g.stray()
	g.settleRegistrations()
	if !g.cfg.Clean {
		g.scenarios()
	}
	g.otherLogs()
	g.sessions()
	g.cfg.tell("history", int64(len(g.h.events)), int64(len(g.h.events)))
}

// crowd is a set of charts to draw from by weight.
type crowd struct {
	charts []int
	sums   []float64
}

func (c *crowd) add(chart int, weight float64) {
	total := weight
	if n := len(c.sums); n > 0 {
		total += c.sums[n-1]
	}
	c.charts, c.sums = append(c.charts, chart), append(c.sums, total)
}

func (c *crowd) draw(d dice) int {
	x := d.Float64() * c.sums[len(c.sums)-1]
	return c.charts[min(sort.SearchFloat64s(c.sums, x), len(c.charts)-1)]
}

// patients registers everybody: heavy-tailed in how often they come, each with a care team, and most with a past.
func (g *gen) patients() {
	g.roll = newDice(g.cfg.Seed, "patients")
	g.everyone = make([]*crowd, len(g.h.Tenants))
	var sizes []float64
	for t := range g.h.Tenants {
		g.everyone[t] = &crowd{}
		sizes = append(sizes, float64(len(g.staff[t])))
	}
	left := g.cfg.Patients
	total := 0.0
	for _, s := range sizes {
		total += s
	}
	for t := range slices.Backward(g.h.Tenants) {
		n := int(float64(g.cfg.Patients) * sizes[t] / total)
		if t == 0 {
			n = left
		}
		left -= n
		team, nurses := g.atStart(t, clinician), g.atStart(t, nurse)
		for range n {
			g.register(t, one(g.roll, team), one(g.roll, nurses))
		}
		g.staffAsPatients(t, team, nurses)
	}
}

// staffAsPatients registers one in eight of a clinic's people there, in the care of colleagues.
func (g *gen) staffAsPatients(tenant int, team, nurses []int) {
	for i, m := range g.staff[tenant] {
		user := g.h.members[m].user
		doctor, assistant := team[(i+1)%len(team)], nurses[(i+1)%len(nurses)]
		if i%8 != 3 || g.h.members[m].last != never || g.h.members[doctor].user == user ||
			g.h.members[assistant].user == user {
			continue
		}
		g.register(tenant, doctor, assistant)
		c := &g.h.charts[len(g.h.charts)-1]
		c.person = user
		c.first, c.last, _ = strings.Cut(g.h.Users[user].Name, " ")
	}
}

func (g *gen) register(t, doctor, assistant int) {
	weight := 1.0
	for range 3 {
		if g.roll.chance(0.25) {
			weight *= 1 + 3*g.roll.Float64()
		}
	}
	c := chart{tenant: t, clinician: doctor, nurse: assistant, weight: weight, fresh: g.roll.chance(0.12),
		first: one(g.roll, firstNames), last: one(g.roll, lastNames),
		born: time.Date(1935+g.roll.IntN(85), 1, 1+g.roll.IntN(365), 0, 0, 0, 0, time.UTC)}
	id := len(g.h.charts)
	c.person = -1
	c.row = g.add(row{table: patients, tenant: t, chart: id, created: -g.roll.span(60*day, 900*day), provider: -1,
		author: -1, encounter: -1, until: never})
	g.h.charts = append(g.h.charts, c)
	g.everyone[t].add(id, weight)
	if g.panel[doctor] == nil {
		g.panel[doctor] = &crowd{}
	}
	g.panel[doctor].add(id, weight)
	if c.fresh {
		return
	}
	for i := g.roll.IntN(3); i > 0; i-- {
		at := -g.roll.span(40*day, 58*day) - micro(i)*60*day
		g.past(id, at)
	}
}

// past is a visit long before the history.
func (g *gen) past(id int, at micro) {
	c := &g.h.charts[id]
	r := &g.h.rows[c.row]
	r.created = min(r.created, at-day)
	who := g.h.members[c.clinician].user
	e := g.add(row{table: encounters, tenant: c.tenant, chart: id, provider: who, author: who, encounter: -1, at: at,
		until: at + 20*minute, created: at + 30*minute})
	n := g.add(row{table: notes, tenant: c.tenant, chart: id, provider: who, author: -1, encounter: e,
		created: at + 31*minute, until: never})
	c.encounters, c.notes = append(c.encounters, e), append(c.notes, n)
}

// settleRegistrations gives those who never came a registration long ago.
func (g *gen) settleRegistrations() {
	for i := range g.h.charts {
		g.h.charts[i].fresh = false
	}
}

// add makes a record and remembers whom it ties to its patient.
func (g *gen) add(r row) int {
	r.id = g.ids.uuid()
	if r.provider >= 0 && r.table != notes && (r.table != messages || r.fromPatient) {
		g.related[[2]int{r.provider, r.chart}] = true
	}
	g.h.rows = append(g.h.rows, r)
	return len(g.h.rows) - 1
}

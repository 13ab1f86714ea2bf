package controls

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// references makes every reference between the tables carry the clinic, so that no row can point into another one.
func (p *planner) references(context.Context) error {
	for _, t := range p.tables {
		for i := range t.References {
			r := &t.References[i]
			target := p.byName[r.Target]
			if target == nil {
				if !strings.HasPrefix(r.Target, "tenancy.") && !r.composite() {
					p.note(t, "%s refers to %s, which is not in this plan: name it too if it holds PHI",
						r.Name, r.Target)
				}
				continue
			}
			if r.composite() && target.keyed() && target.id == "id" {
				continue
			}
			p.reference(t, r, target)
		}
	}
	return nil
}

func (p *planner) reference(t *table, r *reference, target *table) {
	why := fmt.Sprintf("foreign key %s of %s must carry the clinic, (tenant_id, ...) references %s (tenant_id, id): "+
		"a single column tells whether another clinic's row exists", r.Name, t.Name, r.Target)
	at := r.carried(target)
	switch {
	case at < 0 && len(r.Columns) > 1:
		p.obstacle(t, "reference", why+"; it has several columns, none of which is the new id: change it by hand")
		return
	case at < 0 && (r.Columns[0] == "id" || r.Columns[0] == "tenant_id" || t.moved[r.Columns[0]] != ""):
		p.obstacle(t, "reference",
			why+fmt.Sprintf("; its column %s is a key or another reference at the same time: change it by hand",
				r.Columns[0]))
		return
	}
	steps := []step{in(phaseOpen, "alter table %s drop constraint %s", t.Name, quoted(r.Name))}
	name := ""
	if at < 0 {
		name = r.Columns[0]
		steps = append(steps, p.newReference(t, r, target)...)
	} else {
		name = t.now(r.Columns[at])
		if t.id == r.Columns[at] {
			name = "id"
		}
		steps = append(steps, crossing(t, target, name, "id"))
	}
	p.obstacle(t, "reference", why, append(steps, in(phaseLink, "%s", p.link(t, r, target, name)),
		in(phaseLink, "create index on %s (tenant_id, %s)%s", t.Name, quoted(name), p.guarded(t, name)))...)
}

// newReference fills a column of the same name with the new ids; the old one stays under another.
func (p *planner) newReference(t *table, r *reference, target *table) []step {
	name := r.Columns[0]
	c := t.col(name)
	old := t.move(name)
	key := target.now(r.TargetColumns[0])
	steps := []step{in(phaseReference, "alter table %s rename %s to %s", t.Name, quoted(name), quoted(old)),
		in(phaseReference, "alter table %s add %s uuid", t.Name, quoted(name))}
	if !c.Generated {
		steps = append(steps, in(phaseReference, "alter table %s alter %s drop default", t.Name, quoted(old)))
	}
	steps = append(steps, crossing(t, target, old, key),
		in(phaseReference, "update %s x set %s = y.id from %s y where y.%s = x.%s", t.Name, quoted(name), target.Name,
			quoted(key), quoted(old)),
		step{phaseReference, raiseIf(fmt.Sprintf("select count(*) from %s where %s is null and %s is not null", t.Name,
			quoted(name), quoted(old)), "% row(s) of "+t.Name+" refer to nothing")})
	if c.NotNull {
		steps = append(steps, in(phaseReference, "alter table %s alter %s set not null", t.Name, quoted(name)),
			in(phaseKey, "alter table %s alter %s drop not null", t.Name, quoted(old)))
	}
	p.note(t, "%s becomes the new id of %s; the old value stays in %s, a plain column that nothing fills from then "+
		"on: drop it once nothing reads it", name, target.Name, old)
	return steps
}

// crossing refuses rows that point into another clinic.
func crossing(t, target *table, from, to string) step {
	return step{phaseReference, raiseIf(
		fmt.Sprintf("select count(*) from %s x join %s y on y.%s = x.%s where y.tenant_id <> x.tenant_id", t.Name,
			target.Name, quoted(to), quoted(from)), "% row(s) of "+t.Name+" refer to another clinic's "+target.Name)}
}

// link is the composite reference, with the same actions. A key is never updated here, so an update's action survives
// where PostgreSQL can say it.
func (p *planner) link(t *table, r *reference, target *table, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "alter table %s add constraint %s foreign key (tenant_id, %s) references %s (tenant_id, id)",
		t.Name, quoted(r.Name), quoted(name), target.Name)
	switch r.OnUpdate {
	case "c":
		b.WriteString(" on update cascade")
	case "r":
		b.WriteString(" on update restrict")
	case "n", "d":
		p.note(t, "%s had ON UPDATE SET NULL or SET DEFAULT, which would clear tenant_id too; "+
			"it has no action on update from then on, and ids are not updated", r.Name)
	}
	switch r.OnDelete {
	case "c":
		b.WriteString(" on delete cascade")
	case "r":
		b.WriteString(" on delete restrict")
	case "n":
		fmt.Fprintf(&b, " on delete set null (%s)", quoted(name))
	case "d":
		fmt.Fprintf(&b, " on delete set default (%s)", quoted(name))
	}
	if r.Deferrable {
		b.WriteString(" deferrable")
		if r.Deferred {
			b.WriteString(" initially deferred")
		}
	}
	if !r.Validated {
		b.WriteString(" not valid")
	}
	return b.String()
}

// uniques make what has to be unique unique within a clinic.
func (p *planner) uniques(context.Context) error {
	for _, t := range p.tables {
		for _, u := range t.Uniques {
			if u.TenantFirst && t.moved["tenant_id"] == "" {
				continue
			}
			why := fmt.Sprintf("unique index %s must start with tenant_id: otherwise a violation tells that another "+
				"clinic has the value", u.Name)
			insert := "tenant_id, "
			if u.Exclusion {
				insert = "tenant_id WITH =, "
			}
			from := strings.Index(u.Definition, " USING ")
			at := strings.Index(u.Definition[max(from, 0):], "(") + max(from, 0) + 1
			definition := u.Definition[:at] + insert + u.Definition[at:]
			var steps []step
			if u.Exclusion {
				steps = append(steps, in(phaseOpen, "create extension if not exists btree_gist with schema public"))
			}
			if u.Constraint != nil {
				steps = append(steps, in(phaseKey, "alter table %s drop constraint %s", t.Name, quoted(*u.Constraint)),
					in(phaseKey, "alter table %s add constraint %s %s", t.Name, quoted(*u.Constraint), definition))
			} else {
				steps = append(steps, in(phaseKey, "drop index %s", u.Name), in(phaseKey, "%s", definition))
			}
			p.obstacle(t, "unique", why, steps...)
		}
	}
	return nil
}

// counts are of rows that the migration would stop at: rows of no known clinic, and rows that point into another one.
func (p *planner) counts(ctx context.Context) error {
	if slices.ContainsFunc(p.plan.Unsolved(), func(o Obstacle) bool { return o.Kind == "tenant" }) {
		return nil // nobody said where their clinics stand
	}
	count := func(t *table, sql, why string) error {
		var n int64
		if err := p.tx.QueryRow(ctx, sql).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			p.obstacle(t, "tenant", fmt.Sprintf("%d row(s) of %s %s", n, t.Name, why))
		}
		return nil
	}
	for _, t := range p.tables {
		err := count(t, fmt.Sprintf("select count(*) from %s x where not exists (select from tenancy.tenant n "+
			"where n.kind = 'clinic' and n.id = %s)", t.from(), p.clinicOf(t, "x", false)),
			"belong to no clinic that ward knows: ward tenant add makes one")
		if err != nil {
			return err
		}
		for i := range t.References {
			r := &t.References[i]
			target := p.byName[r.Target]
			if target == nil || t.source.through == r {
				continue
			}
			on := make([]string, len(r.Columns))
			for k := range r.Columns {
				on[k] = fmt.Sprintf("y.%s = x.%s", quoted(r.TargetColumns[k]), quoted(r.Columns[k]))
			}
			err := count(t, fmt.Sprintf("select count(*) from %s x join %s y on %s where %s <> %s", t.from(),
				target.from(), strings.Join(on, " and "), p.clinicOf(t, "x", false), p.clinicOf(target, "y", false)),
				"refer to another clinic's row of "+target.Name)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// notes say what a statement cannot decide.
func (p *planner) notes(ctx context.Context) error {
	for _, t := range p.tables {
		var off, on []string
		for _, g := range t.Triggers {
			p.note(t, "trigger %s runs %s for every row that is written: see that it copies none elsewhere",
				g.Name, g.Function)
			mode := map[string]string{"O": "", "R": "replica ", "A": "always "}
			if m, ok := mode[g.Enabled]; ok { // the rows are the same for the customer's triggers, before and after
				off = append(off, fmt.Sprintf("alter table %s disable trigger %s", t.Name, quoted(g.Name)))
				on = append(on, fmt.Sprintf("alter table %s enable %strigger %s", t.Name, m, quoted(g.Name)))
			}
		}
		p.phases[phaseTenant] = append(off, p.phases[phaseTenant]...)
		p.phases[phaseLink] = append(p.phases[phaseLink], on...)
		definers, err := p.q.DefinersNaming(ctx, t.Name)
		if err != nil {
			return err
		}
		for _, d := range definers {
			p.note(t, "%s names it and runs as %s: see that it shows no row", d.Function, d.Owner)
		}
		s := p.subjectOf(t)
		switch {
		case s == "":
			p.note(t, "nobody said which column names the patient, so that no event will: --subject %s=COLUMN", t.Name)
		case s != "id" && t.col(s) == nil:
			p.obstacle(t, "subject", fmt.Sprintf("%s has no column %s to name the patient", t.Name, s))
		case s != "id" && t.col(s).Type != "uuid" && t.moved[s] == "":
			p.obstacle(t, "subject", fmt.Sprintf("column %s of %s names the patient by a %s, "+
				"and refers to no table of this plan: name the patients' table too", s, t.Name, t.col(s).Type))
		}
		if t.Rows > 1_000_000 {
			p.note(t, "has about %d rows, which are rewritten under a lock: try it on a copy first, "+
				"to know how long that takes", t.Rows)
		}
	}
	return nil
}

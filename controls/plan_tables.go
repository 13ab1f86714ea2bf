package controls

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// sources finds out where the clinic of each row stands, from what the person said and from nothing else.
func (p *planner) sources(ctx context.Context) error {
	constant := ""
	if p.wish.Tenant != "" {
		id, err := p.tenantID(ctx, p.wish.Tenant)
		if err != nil {
			return err
		}
		constant = id
	}
	if p.wish.TenantMap != nil {
		full, err := p.q.TableNamed(ctx, p.wish.TenantMap.Table)
		if err != nil {
			return err
		}
		if full == "" {
			return fmt.Errorf("there is no table %s to map clinics with", p.wish.TenantMap.Table)
		}
		p.wish.TenantMap.Table = full
	}
	for _, t := range p.tables {
		if t.Registered && t.keyed() {
			t.source.kept = true
			continue
		}
		p.sourceOf(t, constant)
	}
	return nil
}

func (p *planner) sourceOf(t *table, constant string) {
	tenant := t.col("tenant_id")
	name, own := said(p.wish.TenantColumn, t)
	c := t.col(name)
	switch {
	case name != "" && c != nil:
		through := slices.IndexFunc(t.References, func(r reference) bool {
			return slices.Equal(r.Columns, []string{name}) && p.byName[r.Target] != nil && r.Target != t.Name
		})
		switch {
		case through >= 0:
			t.source.through = &t.References[through]
		case p.wish.TenantMap == nil && c.Type != "uuid":
			p.obstacle(t, "tenant", fmt.Sprintf("column %s of %s is no clinic's id but of type %s: "+
				"say which table translates it, --tenant-map 'TABLE(COLUMN=CLINIC)'", name, t.Name, c.Type))
			return
		case p.wish.TenantMap == nil && name == "tenant_id":
			t.source.kept = true
		default:
			t.source.column = name
		}
	case own:
		p.obstacle(t, "tenant", fmt.Sprintf("%s has no column %s to tell its rows' clinic", t.Name, name))
		return
	case constant != "":
		t.source.constant = constant
	case tenant != nil && tenant.Type == "uuid":
		t.source.kept = true
	default:
		p.obstacle(t, "tenant",
			fmt.Sprintf("nobody said which clinic a row of %s belongs to: --tenant-column %s=COLUMN (a column that "+
				"says so, or one that refers to a row that does), or --tenant CLINIC for all rows", t.Name, t.Name))
		return
	}
	p.tenantSteps(t)
}

func (p *planner) tenantSteps(t *table) {
	tenant := t.col("tenant_id")
	if t.source.kept {
		if !tenant.NotNull {
			p.obstacle(t, "tenant", fmt.Sprintf("tenant_id of %s may be null", t.Name),
				in(phaseTenant, "alter table %s alter tenant_id set not null", t.Name))
		}
		return
	}
	var steps []step
	if tenant != nil {
		to := t.move("tenant_id")
		steps = append(steps, in(phaseTenant, "alter table %s rename tenant_id to %s", t.Name, quoted(to)),
			in(phaseTenant, "alter table %s alter %s drop not null", t.Name, quoted(to)))
		p.note(t, "the column tenant_id that it has now is called %s from then on", to)
	}
	if t.source.constant != "" {
		steps = append(steps, in(phaseTenant, "alter table %s add tenant_id uuid not null default %s", t.Name,
			literal(t.source.constant)), in(phaseTenant, "alter table %s alter tenant_id drop default", t.Name))
	} else {
		steps = append(steps, in(phaseTenant, "alter table %s add tenant_id uuid", t.Name),
			in(phaseTenant, "update %s x set tenant_id = %s", t.Name, p.clinicOf(t, "x", true)),
			step{phaseTenant, raiseIf(fmt.Sprintf("select count(*) from %s x where not exists (select "+
				"from tenancy.tenant n where n.id = x.tenant_id and n.kind = 'clinic')", t.Name),
				"% row(s) of "+t.Name+" belong to no clinic that ward knows")},
			in(phaseTenant, "alter table %s alter tenant_id set not null", t.Name))
	}
	steps = append(steps,
		in(phaseLink, "alter table %s add foreign key (tenant_id) references tenancy.tenant (id)", t.Name))
	p.obstacle(t, "tenant", fmt.Sprintf("%s does not say which clinic a row belongs to (tenant_id uuid)", t.Name),
		steps...)
}

// clinicOf is an expression for the clinic of a row: as the tables are, or once the tenant phase has renamed what was
// called tenant_id.
func (p *planner) clinicOf(t *table, row string, renamed bool) string {
	name := func(c string) string {
		if renamed && c == "tenant_id" {
			c = t.now(c)
		}
		return row + "." + quoted(c)
	}
	s := t.source
	switch {
	case s.constant != "":
		return literal(s.constant) + "::uuid"
	case s.through != nil:
		target := p.byName[s.through.Target]
		return fmt.Sprintf("(select %s from %s %s where %s.%s = %s)", p.clinicOf(target, row+"x", renamed), target.Name,
			row+"x", row+"x", quoted(s.through.TargetColumns[0]), name(s.through.Columns[0]))
	case s.column != "" && p.wish.TenantMap != nil:
		m := p.wish.TenantMap
		return fmt.Sprintf("(select m.%s from %s m where m.%s = %s)", quoted(m.To), m.Table, quoted(m.From),
			name(s.column))
	case s.column != "":
		return name(s.column)
	}
	return row + ".tenant_id"
}

// raiseIf is a check inside the migration: counts, never a value.
func raiseIf(count, message string) string {
	return fmt.Sprintf("do $$ declare n bigint; begin %s; if n > 0 then raise exception %s, n using errcode = "+
		"'23503'; end if; end $$", strings.Replace(count, "select count(*)", "select count(*) into n", 1),
		literal(message))
}

// keys gives each table the key (tenant_id, id). A number or a natural key is PHI in itself (it names a person, or
// tells when and how much), and so is an id that was made from the time or from a name: those get a random one, and
// stay as plain columns.
func (p *planner) keys(ctx context.Context) error {
	for _, t := range p.tables {
		if t.Partitioned && !t.keyed() {
			p.obstacle(t, "key", fmt.Sprintf(
				"the key of %s cannot be changed in place: it is partitioned, and a key has to hold the columns that "+
					"it is partitioned by; make a table with the key (tenant_id, id) and move the rows", t.Name))
			continue
		}
		candidate := ""
		if t.Key != nil {
			for _, c := range t.Key.Columns {
				if t.col(c).Type == "uuid" && (c == "id" || len(t.Key.Columns) == 1) {
					candidate = c
				}
			}
		}
		if candidate != "id" && t.col("id") != nil {
			candidate = ""
		}
		ordered := int64(0)
		if candidate != "" {
			// version 4 of RFC 9562 is the random one
			if err := p.tx.QueryRow(ctx, fmt.Sprintf("select count(*) from %s where substr(%s::text, 15, 1) <> '4'",
				t.from(), quoted(candidate))).Scan(&ordered); err != nil {
				return err
			}
		}
		switch {
		case candidate != "" && ordered == 0:
			p.keepID(t, candidate)
		default:
			p.newID(t, ordered)
		}
	}
	return nil
}

func (p *planner) keepID(t *table, candidate string) {
	t.id = candidate
	if t.keyed() {
		return
	}
	var steps []step
	if candidate != "id" {
		steps = append(steps, in(phaseID, "alter table %s rename %s to id", t.Name, quoted(candidate)))
		t.moved[candidate] = "id"
	}
	p.obstacle(t, "key",
		fmt.Sprintf("the primary key of %s must be exactly (tenant_id uuid, id uuid); its ids are random and stay",
			t.Name), append(steps, p.keySteps(t)...)...)
}

func (p *planner) newID(t *table, ordered int64) {
	why := fmt.Sprintf("the primary key of %s must be exactly (tenant_id uuid, id uuid), with random ids: "+
		"a number or a natural key tells who, when or how many by itself", t.Name)
	if ordered > 0 {
		why = fmt.Sprintf("%d id(s) of %s are not random (UUID version 4): made from the time or from a name, "+
			"they tell it", ordered, t.Name)
	}
	var steps []step
	if c := t.col("id"); c != nil {
		to := t.move("id")
		steps = append(steps, in(phaseID, "alter table %s rename id to %s", t.Name, quoted(to)))
		if !c.Generated {
			steps = append(steps, in(phaseID, "alter table %s alter %s drop identity if exists", t.Name, quoted(to)),
				in(phaseID, "alter table %s alter %s drop default", t.Name, quoted(to)))
		}
		p.note(t, "its ids become random; the old ones stay in %s, a plain column that nothing fills from then on: "+
			"drop it once nothing reads it", to)
	}
	steps = append(steps, in(phaseID, "alter table %s add id uuid not null default gen_random_uuid()", t.Name),
		in(phaseID, "alter table %s alter id drop default", t.Name))
	p.obstacle(t, "key", why, append(steps, p.keySteps(t)...)...)
}

// keySteps replace the primary key. What it was stays unique within a clinic, unless that was the old id alone.
func (p *planner) keySteps(t *table) []step {
	name := quoted(strings.Trim(t.Name[strings.LastIndex(t.Name, ".")+1:], `"`) + "_pkey")
	var steps []step
	var natural []string
	if t.Key != nil {
		name = quoted(t.Key.Name)
		steps = append(steps, in(phaseKey, "alter table %s drop constraint %s", t.Name, name))
		for _, c := range t.Key.Columns {
			if c != "tenant_id" && c != "id" && c != t.id {
				natural = append(natural, c)
			}
		}
	}
	if to, ok := t.moved["id"]; ok {
		steps = append(steps, in(phaseKey, "alter table %s alter %s drop not null", t.Name, quoted(to)))
	}
	steps = append(steps, in(phaseKey, "alter table %s add constraint %s primary key (tenant_id, id)", t.Name, name))
	if len(natural) > 0 {
		list := make([]string, len(natural))
		for i, c := range natural {
			list[i] = quoted(c)
		}
		steps = append(steps, in(phaseKey, "create unique index on %s (tenant_id, %s)%s", t.Name,
			strings.Join(list, ", "), p.guarded(t, natural...)))
	}
	return steps
}

package review_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// TestOneClinicsAdministrator decides nothing that holds for every clinic: whose accounts are one person's, which rule
// is gone, where the chain goes on.
func TestOneClinicsAdministrator(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	root := o.e.Reviewer("root")
	_, err := review.LinkAccounts(ctx, root, "dana", "eli", "one person")
	o.must(err)
	o.do("insert into tenancy.reviewer_grant (user_id, role, tenant_id, reason) select u.id, 'administrator', t.id, " +
		"'runs the clinic' from tenancy.users u, tenancy.tenant t where u.slug = 'frank' and t.slug = 'cedar'")
	o.do("update review.rule set loaded_at = now() - interval '1 hour'")
	attacks := map[string]func(*tenancy.Session) error{
		"parts two reviewers' accounts": func(s *tenancy.Session) error {
			_, err := review.UnlinkAccounts(ctx, s, "dana", "eli", "they are two")
			return err
		},
		"says that two are one": func(s *tenancy.Session) error {
			_, err := review.LinkAccounts(ctx, s, "ana", "hugo", "they are one")
			return err
		},
		"retires a rule": func(s *tenancy.Session) error {
			_, err := review.Retire(ctx, s, "A03-terminated-user", "nobody leaves")
			return err
		},
		"lets the chain go on": func(s *tenancy.Session) error {
			_, err := review.Request(ctx, s, "seal_recover", map[string]any{"reason": "rows are missing"})
			return err
		},
	}
	frank := o.e.Reviewer("frank")
	for what, attack := range attacks {
		last := o.lastEvent()
		var denied *tenancy.DeniedError
		if err := attack(frank); !errors.As(err, &denied) || denied.SQLSTATE != "42501" || len(o.events(last)) != 0 {
			t.Errorf("%s: %v, events %q", what, err, o.events(last))
		}
		if err := attack(root); err != nil {
			t.Errorf("the administrator of all: %s: %v", what, err)
		}
	}
}

// TestVersionYetToCome: who names the version that a change under way will have, and waits for its lock, was judged by
// what stood before.
func TestVersionYetToCome(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	id := d.claimedBy(dana, "B", "casey") // version 2, dana's
	done := make(chan error, 1)
	err := eli.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		if _, err := tx.Exec(ctx, "select review.take($1, 2, 'dana is away')", id); err != nil {
			return err
		}
		go func() {
			_, err := review.Close(ctx, dana, id, 3, "test_data", "a version ahead")
			done <- err
		}()
		wardtest.Eventually(t, "dana waits for eli's lock", func() bool {
			if len(done) > 0 {
				t.Fatal("dana did not wait")
			}
			return wardtest.One[bool](d.e, "select exists (select from pg_stat_activity "+
				"where usename = 'ward_reviewer' and datname = current_database() and wait_event_type = 'Lock')")
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, tenancy.ErrConflict) {
		t.Errorf("dana closed what eli had taken over: %v", err)
	}
	if got := wardtest.One[string](d.e, "select concat_ws(' ', a.state, a.version, u.slug) from review.anomaly a "+
		"join tenancy.users u on u.id = a.assigned_to where a.id = $1", id); got != "claimed 3 eli" {
		t.Errorf("it is %s", got)
	}
}

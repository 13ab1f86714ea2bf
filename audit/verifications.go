package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Verification is one that a reviewer made.
type Verification struct {
	By         string                     `json:"by"`
	StartedAt  time.Time                  `json:"started_at"`
	FinishedAt *time.Time                 `json:"finished_at"`
	Store      string                     `json:"store"`
	Region     *string                    `json:"region"` // nil: all
	Whole      bool                       `json:"whole"`  // not one clinic's rows alone
	Months     []string                   `json:"months"` // none: all
	Verdict    *string                    `json:"verdict"`
	ByWorkers  bool                       `json:"by_workers"` // they recomputed the rows
	Found      map[string]archive.Verdict `json:"found"`      // what was not valid, by REGION/YYYY-MM; "" is no month
}

// Covers says whether a verification was about all of a month of a store.
func (v Verification) Covers(store, region, month string) bool {
	return v.FinishedAt != nil && v.Verdict != nil && v.Whole && v.Store == store &&
		(v.Region == nil || *v.Region == region) && (len(v.Months) == 0 || slices.Contains(v.Months, month))
}

// Of is what it says about one month that it covers: a break elsewhere is none of this month's.
func (v Verification) Of(region, month string) archive.Verdict {
	here, everywhere := v.Found[region+"/"+month], v.Found[""]
	switch {
	case archive.Verdict(*v.Verdict) == archive.Valid || here == "" && everywhere == "":
		return archive.Valid
	case here == archive.Invalid || everywhere == archive.Invalid:
		return archive.Invalid
	}
	return archive.NotProven
}

// Verifications lists the newest verifications; recorded.
func Verifications(ctx context.Context, s *tenancy.Session) ([]Verification, error) {
	return tenancy.List[Verification](ctx, s, "verifications", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseAuditList(ctx, queries.BrowseAuditListParams{Ask: ask, What: "verifications"})
	}, (*queries.Queries).ListVerifications)
}

// BrowseArchive records a look at what the archive holds: at all of it, or at one month, "REGION/YYYY-MM".
func BrowseArchive(ctx context.Context, s *tenancy.Session, month string) error {
	err := s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		arg := queries.BrowseAuditListParams{Ask: uuid.New(), What: "archive", Arg: filled(month)}
		return queries.New(tx).BrowseAuditList(ctx, arg)
	})
	if err != nil {
		return fmt.Errorf("browse the archive: %w", err)
	}
	return nil
}

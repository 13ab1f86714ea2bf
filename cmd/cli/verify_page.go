package cli

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/ward-health/ward/archive"
)

// page is the file of a report for people. It is made before the verification, so that an hour of work is not to end
// without a place for it. A nil page is none.
type page struct {
	file *os.File
	done bool
}

func (a *app) page(f *verifyFlags) (*page, error) {
	if f.markdown == "" {
		return nil, nil //nolint:nilnil // as said
	}
	file, err := os.OpenFile(f.markdown, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write report for people: %w", err)
	}
	return &page{file: file}, nil
}

func (p *page) write(r *archive.Report, who string, store archive.Store, opts archive.VerifyOptions,
	now time.Time) error {
	if p == nil {
		return nil
	}
	if _, err := p.file.WriteString(
		r.Markdown(archive.Statement{Who: who, When: now, Store: store.String(), Keys: opts.Keys})); err != nil {
		return fmt.Errorf("write report for people: %w", err)
	}
	p.done = true
	if err := p.file.Close(); err != nil {
		return fmt.Errorf("write report for people: %w", err)
	}
	return nil
}

// abandon removes the file of a verification that came to no report.
func (p *page) abandon() {
	if p == nil || p.done {
		return
	}
	_ = p.file.Close()
	_ = os.Remove(p.file.Name())
}

// someone is who runs an offline verification, as far as this machine can tell.
func (a *app) someone() string {
	name, host := "an unknown user", "an unknown machine"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s on %s, as that machine says; offline, so no audit log has an event of it", name, host)
}

package tui

import (
	"context"
	"log/slog"
	"time"

	"charm.land/bubbles/v2/help"
	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/tenancy"
)

// screen is one of the application's pages. Only the root is a tea.Model.
type screen interface {
	name() string
	count() string // beside its tab
	// show is called when the screen becomes the active one; it loads what was never loaded.
	show(m *model) tea.Cmd
	move(m *model, n nav) tea.Cmd
	// back leaves one level; false: there is none to leave.
	back(m *model) bool
	// id under the cursor, in full.
	selectedID() string
	// heading stands beside the screen's name, scope at the right of the tabs, status under the body.
	heading(m *model) string
	scope(m *model) string
	status(m *model) string
	body(m *model, w, h int) []string
	// message takes the timers' messages.
	message(m *model, msg tea.Msg) tea.Cmd
}

// model is the root: who is signed in, the screens, and what lies over them.
type model struct {
	ctx     context.Context
	stop    context.CancelFunc
	cfg     Config
	session *tenancy.Session
	who     tenancy.Principal
	now     func() time.Time
	after   func(time.Duration, tea.Msg) tea.Cmd
	log     *slog.Logger
	st      *styles
	actions []Action
	keys    *keyMap
	help    help.Model

	w, h    int
	screens []screen
	active  int
	queue   *queueScreen
	audit   *auditScreen
	archive *archiveScreen
	members *memberScreen

	dialogs []dialog
	said    string // what happened, until the next key
	warned  bool   // it is an error
	change  slot   // of a change performed without a form
	trouble error  // the database is away, or refuses the session
	verdict archive.Verdict
}

func newModel(ctx context.Context, cfg Config, who tenancy.Principal, log *slog.Logger) *model {
	ctx, stop := context.WithCancel(ctx)
	m := &model{ctx: ctx, stop: stop, cfg: cfg, session: cfg.Session, who: who, now: cfg.Now, after: afterTimer,
		log: log, st: newStyles(),
		actions: Actions()} //nolint:contextcheck // what is asked later is asked under the model's own context
	if m.now == nil {
		m.now = time.Now
	}
	m.keys, m.help = newKeyMap(), newKeyHelp(m.st)
	m.queue, m.audit, m.archive, m.members = newQueueScreen(), newAuditScreen(), newArchiveScreen(cfg.Heads),
		newMemberScreen()
	m.screens = []screen{m.queue, m.audit, m.archive, m.members}
	return m
}

// minuteMsg redraws what grows old by itself: ages, leases, the session.
type minuteMsg struct{}

const redraw = 15 * time.Second

// Init loads the first screen.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.showScreen(), m.later(redraw, minuteMsg{}))
}

// Update hands each message to whom it is for.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		cmd := m.resize(msg)
		return m, cmd
	case tea.KeyPressMsg:
		cmd := m.onKey(msg)
		return m, cmd
	case tea.PasteMsg:
		if d := m.top(); d != nil {
			d.paste(m, msg.Content)
		}
		return m, nil
	case reply:
		cmd := m.onReply(msg)
		return m, cmd
	case minuteMsg:
		return m, tea.Batch(m.expire(), m.later(redraw, minuteMsg{}))
	}
	var cmds []tea.Cmd
	for _, s := range m.screens {
		cmds = append(cmds, s.message(m, msg))
	}
	return m, tea.Batch(cmds...)
}

func (m *model) resize(msg tea.WindowSizeMsg) tea.Cmd {
	m.w, m.h = msg.Width, msg.Height
	return m.screen().move(m, navStay)
}

func (m *model) onKey(k tea.KeyPressMsg) tea.Cmd {
	m.say("")
	if d := m.top(); d != nil {
		return m.dialogKey(d, k)
	}
	if a, ok := m.lookup(k); ok {
		return m.start(a)
	}
	return nil
}

func (m *model) screen() screen { return m.screens[m.active] }

// say puts what happened on the line above the keys, until the next key.
func (m *model) say(s string) { m.said, m.warned = s, false }

func (m *model) warn(s string) { m.said, m.warned = s, true }

func (m *model) goTo(name string) tea.Cmd {
	for i, s := range m.screens {
		if s.name() == name {
			m.active = i
		}
	}
	return m.showScreen()
}

// showScreen loads the active screen, for who may see anything.
func (m *model) showScreen() tea.Cmd {
	if m.waiting() {
		return nil
	}
	return m.screen().show(m)
}

func (m *model) back() tea.Cmd {
	if !m.screen().back(m) {
		m.say("q quits")
	}
	return nil
}

// quit leaves; a verification under way is asked about first.
func (m *model) quit() tea.Cmd {
	if m.archive.running() {
		m.push(&question{title: "Quit while verifying?", yes: "Quit",
			lines: []string{"The verification is recorded as not proven."},
			do:    func(*model) tea.Cmd { return tea.Quit }})
		return nil
	}
	return tea.Quit
}

func (m *model) copyID() tea.Cmd {
	id := m.screen().selectedID()
	if id == "" {
		m.warn("nothing is selected")
		return nil
	}
	m.say("copied " + id + " (by OSC 52; where the terminal ignores that, details show it in full)")
	return tea.SetClipboard(id)
}

// expire ends what time has ended.
func (m *model) expire() tea.Cmd { return m.audit.expire(m) }

// outcome is the error that the program ends with.
func (m *model) outcome() error {
	if m.trouble != nil {
		return m.trouble
	}
	if m.verdict != "" && m.verdict != archive.Valid {
		return &VerdictError{Verdict: m.verdict}
	}
	return nil
}

// mine says whether a slug is who is signed in.
func (m *model) mine(slug *string) bool { return slug != nil && *slug == m.who.Slug }

func (m *model) zone() *time.Location { return m.now().Location() }

// recordURL is where a record's chart is, if the installation says so.
func (m *model) recordURL(tenant, table string, id uuid.UUID) string {
	return m.cfg.RecordURL.Of(tenant, table, id)
}

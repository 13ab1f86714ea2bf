package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/ward-health/ward/review"
)

// mailbox sends mail by SMTP submission: RFC 6409, with STARTTLS (RFC 3207) or implicit TLS (RFC 8314), or neither on
// the loopback interface.
type mailbox struct {
	about    review.AlertTarget
	host     string
	port     int
	security string // startTLS, implicitTLS, noTLS
	tls      *tls.Config
	from, to string
	user     string
	password string
}

func (b *mailbox) Describe() review.AlertTarget { return b.about }

// Send hands the message to the server. Whoever has it twice has it under the same Message-ID.
func (b *mailbox) Send(ctx context.Context, m Message) error {
	msg, err := b.compose(m)
	if err != nil {
		return &RefusedError{err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	var line boundedConn
	client, err := b.client(ctx, &line)
	if err != nil {
		return &RefusedError{"the settings of the target do not make a mail client"}
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if msg.IsDelivered() { // the server has it, whatever came of saying good-bye
		return nil
	}
	if err == nil {
		return errors.New("the server did not take the message")
	}
	if ctx.Err() != nil { // it was this that broke the connection
		return errors.New(reason(ctx.Err()))
	}
	switch code := smtpCode(err); {
	case code >= 500:
		return &RefusedError{fmt.Sprintf("the server answered %d", code)}
	case code >= 400:
		return fmt.Errorf("the server answered %d", code)
	case line.failure != nil: // which the library does not hand on whole
		return errors.New(reason(line.failure))
	case strings.Contains(err.Error(), "STARTTLS"):
		return errors.New("it offers no STARTTLS, and nothing is sent without")
	case strings.Contains(err.Error(), "SMTP AUTH"), strings.Contains(err.Error(), "unencrypted connection"):
		return errors.New("it takes no password in a way that is safe")
	}
	return errors.New(reason(err))
}

// smtpCode is the server's answer; 0: it is not about one.
func smtpCode(err error) int {
	var sent *mail.SendError
	if errors.As(err, &sent) && sent.ErrorCode() != 0 {
		return sent.ErrorCode()
	}
	var said *textproto.Error
	if errors.As(err, &said) {
		return said.Code
	}
	return 0
}

func (b *mailbox) compose(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(b.from); err != nil {
		return nil, errors.New("from is no address")
	}
	if err := msg.To(b.to); err != nil {
		return nil, errors.New("mail is no address")
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.At.UTC())
	_, domain, _ := strings.Cut(b.from, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation alerts, please
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	return msg, nil
}

// client makes one for a conversation that ends with ctx, by line.
func (b *mailbox) client(ctx context.Context, line *boundedConn) (*mail.Client, error) {
	opts := []mail.Option{mail.WithPort(b.port), mail.WithTLSConfig(b.tls), mail.WithTimeout(sendTime),
		mail.WithoutNoop(), mail.WithoutRset(), mail.WithTLSPolicy(mail.NoTLS),
		mail.WithDialContextFunc(func(_ context.Context, network, addr string) (net.Conn, error) {
			return b.dial(ctx, network, addr, line)
		})}
	switch b.security {
	case startTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	case implicitTLS:
		opts = append(opts, mail.WithSSL())
	}
	if b.user != "" { // PLAIN and LOGIN refuse a connection without TLS
		opts = append(opts, mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain,
			mail.SMTPAuthLogin), mail.WithUsername(b.user), mail.WithPassword(b.password))
	}
	return mail.NewClient(b.host, opts...)
}

// maxAnswers is more than a server says to one message, its certificates included.
const maxAnswers = 256 << 10

// dial connects by line, which leaves a server that talks without end.
func (b *mailbox) dial(ctx context.Context, network, addr string, line *boundedConn) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	line.Conn, line.left = conn, maxAnswers
	if b.security != implicitTLS {
		return line, nil
	}
	secure := tls.Client(line, b.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// errTalkative says that a receiver answered more than anybody needs to.
var errTalkative = errors.New("it answers without end")

// boundedConn reads so much and no more, and keeps why it ended.
type boundedConn struct {
	net.Conn
	left    int
	failure error
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.failure = errTalkative
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	if err != nil {
		c.failure = err
	}
	return n, err
}

// reason is what went wrong on the way to a receiver, in words that name no address and repeat nothing that it said.
func reason(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		name     *net.DNSError
		dial     *net.OpError
		timeout  interface{ Timeout() bool }
		deadline = errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case deadline, errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("it did not answer within %s", sendTime.Truncate(time.Second))
	case errors.Is(err, errTalkative):
		return errTalkative.Error()
	case errors.As(err, &unknown):
		return "its certificate is of an authority that is not trusted here"
	case errors.As(err, &host):
		return "its certificate is another host's"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate is not valid"
	case errors.As(err, &record), errors.As(err, &alert):
		return "it offers no TLS"
	case errors.As(err, &name):
		return "its name is not known"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "it cannot be reached"
	}
	return "the connection broke"
}

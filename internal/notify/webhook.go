package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ward-health/ward/review"
)

// webhook sends JSON by HTTPS POST, signed as the Standard Webhooks specification 1.0.0 says (standardwebhooks.com),
// which has libraries to verify it in most languages.
type webhook struct {
	about  review.AlertTarget
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

func (w *webhook) Describe() review.AlertTarget { return w.about }

// newClient verifies the receiver, follows nothing, and keeps no connection.
func newClient(conf *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       sendTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: 16 << 10,
			TLSHandshakeTimeout:    sendTime / 2, ResponseHeaderTimeout: sendTime / 2,
		},
	}
}

// signature is base64(HMAC-SHA256(secret, id "." unix seconds "." body)), with the version before it.
func signature(secret []byte, id string, at time.Time, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write(fmt.Appendf(nil, "%s.%d.", id, at.Unix()))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Send posts the message. The body of the answer is not read: its status says everything.
func (w *webhook) Send(ctx context.Context, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(m.JSON))
	if err != nil {
		return &RefusedError{"the address is none"}
	}
	at := w.now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ward")
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("Webhook-Signature", signature(w.secret, m.ID, at, m.JSON))
	resp, err := w.client.Do(req)
	if err != nil {
		return errors.New(reason(err))
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return &RefusedError{
			fmt.Sprintf("it answered %d, a redirect, and none is followed: set the address that it leads to", code)}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("it answered %d", code)
	default:
		return &RefusedError{fmt.Sprintf("it answered %d", code)}
	}
}

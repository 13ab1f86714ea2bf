package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"
)

// proxy stands before a server's socket and holds everything back for a while in each direction, as a network would.
// Bandwidth it does not limit.
type proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration // one way
	wg       sync.WaitGroup
}

// newProxy listens on the socket at path until close.
func newProxy(ctx context.Context, path, target string, delay time.Duration) (*proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the delaying proxy: %w", err)
	}
	p := &proxy{listener: l, target: target, delay: delay}
	p.wg.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.wg.Wait()
}

func (p *proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := (&net.Dialer{}).DialContext(ctx, "unix", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.wg.Go(func() { p.forward(client, server) })
		p.wg.Go(func() { p.forward(server, client) })
	}
}

// waitUntil returns at that time. time.Sleep alone oversleeps by a millisecond where the timer is coarse, so it is
// given up early and the rest is spun away.
func waitUntil(due time.Time) {
	const coarse = 2 * time.Millisecond
	if d := time.Until(due) - coarse; d > 0 {
		time.Sleep(d)
	}
	for time.Until(due) > 0 {
		runtime.Gosched()
	}
}

// forward copies from one to the other; each piece arrives delay after it was read, and pieces do not wait for each
// other.
func (p *proxy) forward(from, to net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	p.wg.Go(func() {
		defer func() {
			_ = to.Close()
			for range pieces { // so that the reader ends
			}
		}()
		for x := range pieces {
			waitUntil(x.due)
			if _, err := to.Write(x.data); err != nil {
				_ = from.Close()
				return
			}
		}
	})
	defer close(pieces)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{due: time.Now().Add(p.delay), data: append([]byte(nil), buffer[:n]...)}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			return
		}
	}
}

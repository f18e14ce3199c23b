package pgstore_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/pgtest"
)

// A proxy is the one address of a service: it leads each new connection to the server that is
// the primary by then. It can hold everything back, as a network that fails does.
type proxy struct {
	listener net.Listener

	mu     sync.Mutex
	to     string
	open   chan struct{} // closed: bytes may pass
	asking bool          // bytes from clients may pass at any time
	routes []*route
}

// A route is a connection through a proxy.
type route struct {
	client, server net.Conn
	mu             sync.Mutex
	asked          int // messages that the client has sent, other than that it goes
}

func startProxy(tb testing.TB, to *pgtest.Server) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	p := &proxy{listener: l, to: to.Addr(), open: make(chan struct{})}
	close(p.open)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		p.thaw()
		p.cut()
		all.Wait()
	})
	return p
}

// at returns how a Store connects through the proxy.
func (p *proxy) at(tb testing.TB, server *pgtest.Server) *pgxpool.Config {
	tb.Helper()
	u, err := url.Parse(server.URL())
	must(tb, err)
	u.Host = p.listener.Addr().String()
	return at(tb, u.String())
}

func (p *proxy) serve(client net.Conn) {
	p.pass(true) // a network that fails connects nobody
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		_ = client.Close()
		return
	}
	r := &route{client: client, server: server}
	p.mu.Lock()
	p.routes = append(p.routes, r)
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, true, r.count) })
	both.Go(func() { p.copy(client, server, false, func([]byte) {}) })
	both.Wait()
}

// copy moves bytes until either side ends.
func (p *proxy) copy(to, from net.Conn, asks bool, see func([]byte)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		see(b[:n])
		p.pass(asks)
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// count counts what a client sends, other than Terminate.
func (r *route) count(b []byte) {
	if len(b) > 0 && b[0] != 'X' {
		r.mu.Lock()
		r.asked++
		r.mu.Unlock()
	}
}

// pass returns when bytes may pass, in the direction of a client that asks or in the other.
func (p *proxy) pass(asks bool) {
	p.mu.Lock()
	open, always := p.open, asks && p.asking
	p.mu.Unlock()
	if !always {
		<-open
	}
}

// freeze holds everything back until thaw, freezeAnswers what servers send.
func (p *proxy) freeze()        { p.hold(false) }
func (p *proxy) freezeAnswers() { p.hold(true) }

func (p *proxy) hold(asking bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open, p.asking = make(chan struct{}), asking
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// lead leads new connections to a server. Those from before stay where they are.
func (p *proxy) lead(to *pgtest.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to.Addr()
}

// cut ends every connection.
func (p *proxy) cut() {
	for _, r := range p.all() {
		_ = r.client.Close()
		_ = r.server.Close()
	}
}

// all returns the connections so far.
func (p *proxy) all() []*route {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*route(nil), p.routes...)
}

// asked is how often a client has sent something on these connections.
func asked(routes []*route) (n int) {
	for _, r := range routes {
		r.mu.Lock()
		n += r.asked
		r.mu.Unlock()
	}
	return n
}

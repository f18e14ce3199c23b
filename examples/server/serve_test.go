package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// A pipeListener accepts connections that are made in memory, so that their
// deadlines are of the test's own time.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	here, there := net.Pipe()
	l.conns <- there
	return here
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// onServer runs test, in a time of its own, against the program's routes and extra on
// a server with the program's timeouts.
func onServer(t *testing.T, extra http.HandlerFunc, test func(t *testing.T, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{Logger: discard})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/", routesOf(h, alwaysReady))
		if extra != nil {
			mux.Handle("/extra", extra)
		}
		l := newPipeListener()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- serveUntil(ctx, newServer(mux, discard), l) }()
		test(t, l)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestAHalfSentRequestDoesNotHoldAConnection(t *testing.T) {
	const login = "POST /v1/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
	for _, c := range []struct {
		name, sent string
		within     time.Duration
		status     string // of the answer that comes before the end; "" is none
	}{
		{"nothing", "", 5 * time.Second, ""},
		{"half a header", "GET /v1/agents HTTP/1.1\r\nHost: h\r\nX-", 5 * time.Second, ""},
		{"half a login", login + `{"email":`, 10 * time.Second, "408"},
		{"no body where one is announced", login, 10 * time.Second, "408"},
		{"half a body that nobody reads", "GET /v1/agents HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n{", 10 * time.Second, "401"},
		{"a whole request and no more", "GET /v1/agents HTTP/1.1\r\nHost: h\r\n\r\n", 2 * time.Minute, "401"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onServer(t, nil, func(t *testing.T, l *pipeListener) {
				conn := l.dial()
				defer conn.Close()
				if err := conn.SetReadDeadline(time.Now().Add(c.within + time.Second)); err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.WriteString(conn, c.sent) }()
				answer, err := io.ReadAll(conn)
				if err != nil {
					t.Errorf("the server does not hang up: %v", err)
				}
				if first, _, _ := strings.Cut(string(answer), "\r\n"); c.status != "" && !strings.HasPrefix(first, "HTTP/1.1 "+c.status) {
					t.Errorf("answer %q, want %s", first, c.status)
				}
			})
		})
	}
}

func TestAClientThatReadsNothingDoesNotHoldAConnection(t *testing.T) {
	var began, ended time.Time
	endless := func(w http.ResponseWriter, r *http.Request) {
		began = time.Now()
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended = time.Now()
				return
			}
		}
	}
	onServer(t, endless, func(t *testing.T, l *pipeListener) {
		conn := l.dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /extra HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-time.After(31 * time.Second) // of the test's own time
		synctest.Wait()
		if began.IsZero() || ended.IsZero() {
			t.Errorf("the handler began at %v, and at %v it still writes", began, time.Now())
		}
	})
}

func TestAHeaderWithoutEndIsRefused(t *testing.T) {
	onServer(t, nil, func(t *testing.T, l *pipeListener) {
		conn := l.dial()
		defer conn.Close()
		go func() {
			_, _ = io.WriteString(conn, "GET /v1/agents HTTP/1.1\r\nHost: h\r\nX-Long: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

// A stopping server answers what it has begun, and does not wait for ever.
func TestStoppingWaitsForRequestsUnderWayButNotForEver(t *testing.T) {
	for _, c := range []struct {
		name     string
		work     time.Duration
		answered bool
	}{
		{"a request of 3 seconds", 3 * time.Second, true},
		{"a request of an hour", time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := make(chan struct{})
				slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(began)
					select {
					case <-time.After(c.work):
					case <-r.Context().Done():
					}
				})
				l := newPipeListener()
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- serveUntil(ctx, newServer(slow, discard), l) }()
				conn := l.dial()
				defer conn.Close()
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				<-began
				stop()
				stopped := time.Now()
				answer, _ := io.ReadAll(conn)
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if got := strings.HasPrefix(string(answer), "HTTP/1.1 200"); got != c.answered {
					t.Errorf("answered: %v", got)
				}
				if took := time.Since(stopped); took > drainTime+time.Second {
					t.Errorf("stopping took %v", took)
				}
			})
		})
	}
}

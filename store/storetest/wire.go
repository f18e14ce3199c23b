package storetest

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A Dialer makes a connection, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// A wire makes connections that fail as those of a network do. It knows no protocol:
// what a client writes is a request, what comes back is an answer. What loseReply and
// cutAfter set happens once, to the connection that is used next. The rest lasts until
// mend.
type wire struct {
	mu       sync.Mutex
	lines    map[*line]struct{}
	closed   bool
	carrying sync.WaitGroup

	sent   int  // bytes of requests
	faults int  // connections that were ended
	lose   bool // the next request's answer
	cut    bool // end the connection after left more bytes of requests
	left   int
	held   chan struct{} // answers wait until it is closed, if it is not nil
	lag    time.Duration // every answer is late by up to this
	odds   int           // one piece of so many ends its connection, if not 0
}

// A line is a connection: near is a pipe to the client, far leads to the server.
type line struct {
	near, far net.Conn
	mute      bool // the connection ends in place of the next answer
	ended     chan struct{}
	end       func()
}

// An end is the client's end of a line.
type end struct {
	net.Conn
	far net.Conn
}

// LocalAddr and RemoteAddr are those of the connection to the server.
func (e end) LocalAddr() net.Addr  { return e.far.LocalAddr() }
func (e end) RemoteAddr() net.Addr { return e.far.RemoteAddr() }

// dial is a Dialer.
func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	far, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	l := &line{near: near, far: far, ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.ended); _ = near.Close(); _ = far.Close() })

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		l.end()
		return nil, net.ErrClosed
	}
	if w.lines == nil {
		w.lines = make(map[*line]struct{})
	}
	w.lines[l] = struct{}{}
	w.carrying.Go(func() { w.carry(l, far, near, w.request) })
	w.carrying.Go(func() { w.carry(l, near, far, w.answer) })
	return end{client, far}, nil
}

// carry copies from one connection to the other until the line ends. After each read,
// fate decides how much is passed on and whether the line ends.
func (w *wire) carry(l *line, to, from net.Conn, fate func(l *line, n int) (pass int, ends bool)) {
	defer func() {
		l.end()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.lines, l)
	}()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			pass, ends := fate(l, n)
			if _, werr := to.Write(piece[:pass]); werr != nil || ends {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) request(l *line, n int) (pass int, ends bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent += n
	switch {
	case w.breaks():
		return 0, true
	case w.lose:
		w.lose, l.mute = false, true
	case w.cut && n > w.left:
		w.cut = false
		w.faults++
		return w.left, true
	case w.cut:
		w.left -= n
	}
	return n, false
}

func (w *wire) answer(l *line, n int) (pass int, ends bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.breaks() {
		return 0, true
	}
	if l.mute {
		w.faults++
		return 0, true
	}
	held, lag := w.held, time.Duration(0)
	if w.lag > 0 {
		lag = rand.N(w.lag)
	}
	w.mu.Unlock()
	defer w.mu.Lock()
	if held != nil {
		select {
		case <-held:
		case <-l.ended:
		}
	}
	if lag > 0 {
		select {
		case <-time.After(lag):
		case <-l.ended:
		}
	}
	return n, false
}

func (w *wire) breaks() bool {
	if w.odds == 0 || rand.IntN(w.odds) > 0 {
		return false
	}
	w.faults++
	return true
}

// loseReply lets the next request reach the server. It waits for the answer, and then
// ends the connection instead of passing the answer on.
func (w *wire) loseReply() { w.set(func() { w.lose = true }) }

// cutAfter lets n more bytes of requests pass. It ends the connection that exceeds
// them, in the middle of a request.
func (w *wire) cutAfter(n int) { w.set(func() { w.cut, w.left = true, n }) }

// hold holds back all answers until mend.
func (w *wire) hold() { w.set(func() { w.held = make(chan struct{}) }) }

// late delays every answer by up to lag.
func (w *wire) late(lag time.Duration) { w.set(func() { w.lag = lag }) }

// breakAt ends connections at random: one of odds pieces ends its connection.
func (w *wire) breakAt(odds int) { w.set(func() { w.odds = odds }) }

// mend undoes all that was set and passes on the answers that were held back. It
// returns how many connections the wire has ended so far.
func (w *wire) mend() (faults int) {
	w.set(func() {
		if w.held != nil {
			close(w.held)
		}
		w.lose, w.cut, w.held, w.lag, w.odds = false, false, nil, 0, 0
		faults = w.faults
	})
	return faults
}

// bytes returns how many bytes of requests the wire has seen.
func (w *wire) bytes() (n int) {
	w.set(func() { n = w.sent })
	return n
}

func (w *wire) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// close ends every connection. The wire makes no new ones after it.
func (w *wire) close() {
	w.set(func() {
		w.closed = true
		for l := range w.lines {
			l.end()
		}
	})
	w.carrying.Wait()
}

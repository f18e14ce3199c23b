//go:build unix

package pgstore

import (
	"net"
	"testing"
	"time"
)

// loopback returns both ends of a connection.
func loopback(t *testing.T) (here *net.TCPConn, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	there, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = there.Close() })
	return c.(*net.TCPConn), there
}

// The client library goes on reading from a connection that it gave back, if a write took long.
func TestAConnectionThatSomebodyReadsFromIsLookedAtWithoutWaiting(t *testing.T) {
	c, _ := loopback(t)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	reads, done, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = raw.Read(func(uintptr) bool { close(reads); <-done; return true })
	}()
	<-reads
	found := make(chan bool, 1)
	go func() { found <- alive(c) }()
	select {
	case quiet := <-found:
		if !quiet {
			t.Error("a quiet connection is taken for one that has ended")
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for the reader")
	}
	close(done)
	<-ended
}

func TestAConnectionThatHasEndedIsNotAlive(t *testing.T) {
	c, there := loopback(t)
	if !alive(c) {
		t.Error("a quiet connection is taken for one that has ended")
	}
	if _, err := there.Write([]byte("E")); err != nil {
		t.Fatal(err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil { // so the end has arrived, or is about to
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); alive(c); {
		if time.Now().After(end) {
			t.Fatal("a connection that has ended is taken for a quiet one")
		}
	}
}

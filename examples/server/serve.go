package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// newServer returns a server that limits how long a client can hold a connection,
// whatever the client sends, does not send or does not read.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // from the end of the header, including reading and work
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// drainTime is how long requests under way may take after the signal to stop. It is
// less than the 10 seconds after which container runtimes kill a process.
const drainTime = 8 * time.Second

// serveUntil serves l until ctx is done, then lets the requests under way finish.
func serveUntil(ctx context.Context, s *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := s.Shutdown(draining)
	if err != nil {
		s.ErrorLog.Printf("requests that did not end within %v are cut off", drainTime)
		err = s.Close()
	}
	<-ended //nolint:errcheck // it is http.ErrServerClosed: Shutdown or Close made it end
	return err
}

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/datixlab/auth/interop/trial"
)

// A trip is the way of clients through a proxy.
type trip struct {
	front       string
	certificate *x509.Certificate
	server      *process
}

// from returns a client with the address 127.0.0.last, which forges what headers it can,
// anew in every request.
func (t *trip) from(last int) trial.Client {
	roots := x509.NewCertPool()
	roots.AddCert(t.certificate)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(last))}, Timeout: 10 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return trial.Client{Base: "https://" + t.front + "/v1/auth", HTTP: &http.Client{Transport: &forger{next: transport}, Timeout: 30 * time.Second}}
}

// A forger is a client that says of itself what only a proxy may say.
type forger struct {
	next http.RoundTripper
	n    int
}

// RoundTrip implements [http.RoundTripper].
func (f *forger) RoundTrip(r *http.Request) (*http.Response, error) {
	f.n++
	address := fmt.Sprintf("203.0.113.%d", f.n)
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", address)
	r.Header.Set("Forwarded", "for="+address)
	r.Header.Set("X-Real-IP", address)
	resp, err := f.next.RoundTrip(r)
	if err == nil && resp.ProtoMajor != 2 {
		err = fmt.Errorf("the proxy speaks %s", resp.Proto)
	}
	return resp, err
}

// await waits until the proxy forwards.
func (t *trip) await(ctx context.Context) (err error) {
	client := t.from(9)
	for range 200 {
		if _, err = client.Call(ctx, 401, "GET", "/me", "", nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

// countsEachClient uses the budget of one client up, and only of that one.
func (t *trip) countsEachClient(ctx context.Context) error {
	honest, attacker, other := t.from(7), t.from(5), t.from(6)
	email, err := honest.Register(ctx, "proxied")
	if err != nil {
		return err
	}
	wrong, right := trial.Object{"email": email, "password": "not " + trial.Password}, trial.Object{"email": email, "password": trial.Password}
	for range 5 {
		if _, err := attacker.Call(ctx, 401, "POST", "/login", "", wrong); err != nil {
			return err
		}
	}
	for _, body := range []trial.Object{wrong, right} {
		if _, err := attacker.Call(ctx, 429, "POST", "/login", "", body); err != nil {
			return fmt.Errorf("after five wrong passwords: %w", err)
		}
	}
	if _, err := other.Call(ctx, 200, "POST", "/login", "", right); err != nil {
		return fmt.Errorf("another client pays for the first: %w", err)
	}
	if log := t.server.output(); !strings.Contains(log, "event.address=127.0.0.5") || strings.Contains(log, "203.0.113.") {
		return fmt.Errorf("the events do not have the client's address:\n%s", log)
	}
	return nil
}

// refusesBodies sends what is too large, with a length and without, and waits for the
// refusal of the server itself. The server does not read such a body. net/http closes the
// connection half a second after the answer, and a proxy that had to wait longer for a
// processor sees that before the answer. So each body has three tries.
func (t *trip) refusesBodies(ctx context.Context) error {
	for _, size := range []int{100 << 10, 1 << 20} {
		for _, streamed := range []bool{false, true} {
			var err error
			for range 3 {
				if err = t.refusesBody(ctx, size, streamed); err == nil {
					break
				}
			}
			if err != nil {
				return fmt.Errorf("%d bytes, streamed %t: %w", size, streamed, err)
			}
		}
	}
	return nil
}

func (t *trip) refusesBody(ctx context.Context, size int, streamed bool) error {
	var body io.Reader = bytes.NewReader(bytes.Repeat([]byte(" "), size))
	if streamed {
		body = io.MultiReader(body) // whose length is not seen
	}
	r, err := http.NewRequestWithContext(ctx, "POST", "https://"+t.front+"/v1/auth/login", body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return expect(t.from(8), r, 413, "application/problem+json")
}

func (t *trip) answersHeadAndOptions(ctx context.Context) error {
	for method, status := range map[string]int{"HEAD": 200, "OPTIONS": 204, "TRACE": 405} {
		r, err := http.NewRequestWithContext(ctx, method, "https://"+t.front+"/v1/auth/openapi.json", nil)
		if err != nil {
			return err
		}
		if err := expect(t.from(8), r, status, ""); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return nil
}

// goesOnAfterRefusals uses one connection after refusals of each kind.
func (t *trip) goesOnAfterRefusals(ctx context.Context) error {
	client := t.from(4)
	email, err := client.Register(ctx, "proxied")
	if err != nil {
		return err
	}
	for _, refused := range []struct {
		status       int
		method, path string
		body         any
	}{
		{401, "GET", "/me", nil}, {404, "GET", "/nothing", nil}, {404, "POST", "/nothing", strings.Repeat("x", 200<<10)},
		{405, "PUT", "/login", trial.Object{}}, {400, "POST", "/login", trial.Object{}}, {413, "POST", "/login", strings.Repeat("x", 100<<10)},
	} {
		if _, err := client.Call(ctx, refused.status, refused.method, refused.path, "", refused.body); err != nil {
			return err
		}
		if _, err := client.Login(ctx, email); err != nil {
			return fmt.Errorf("after a %d: %w", refused.status, err)
		}
	}
	return nil
}

func expect(client trial.Client, r *http.Request, status int, kind string) error {
	resp, err := client.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) {
		return fmt.Errorf("%s with %s, want %d: %.200q", resp.Status, resp.Header.Get("Content-Type"), status, body)
	}
	return nil
}

package httpauth_test

import (
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

func TestTheDoctorSaysHowTheServiceIsReached(t *testing.T) {
	t.Parallel()
	const internet, proxy = "1.2.3.4:5678", "10.0.0.7:5678"
	type came struct {
		from    string
		tls     bool
		headers map[string]string
	}
	forwarded := func(proto string) map[string]string {
		h := map[string]string{"X-Forwarded-For": "1.2.3.4"}
		if proto != "" {
			h["X-Forwarded-Proto"] = proto
		}
		return h
	}
	for name, c := range map[string]struct {
		trusted, url string
		requests     []came
		proxies, tls string
	}{
		"nobody came":                       {"", "", nil, "ok", "ok"},
		"this machine":                      {"", "http://localhost:8080", []came{{"127.0.0.1:9", false, nil}}, "ok", "ok"},
		"with TLS":                          {"", "https://example.com", []came{{internet, true, nil}}, "ok", "ok"},
		"without TLS":                       {"", "", []came{{internet, true, nil}, {internet, false, nil}, {internet, true, nil}}, "ok", "warn"},
		"a URL without TLS":                 {"", "http://example.com", nil, "ok", "fail"},
		"a named proxy":                     {"10.0.0.0/8", "", []came{{proxy, false, forwarded("https")}}, "ok", "ok"},
		"a named proxy that says less":      {"10.0.0.0/8", "", []came{{proxy, false, forwarded("")}}, "ok", "ok"},
		"a named proxy without TLS":         {"10.0.0.0/8", "", []came{{proxy, false, forwarded("http")}}, "ok", "warn"},
		"a proxy that nobody named":         {"", "", []came{{proxy, false, forwarded("https")}, {internet, true, nil}}, "warn", "ok"},
		"another proxy than the named":      {"10.1.0.0/16", "", []came{{proxy, false, forwarded("https")}}, "warn", "ok"},
		"everybody is trusted":              {"::/0", "", nil, "fail", "ok"},
		"a client that writes it itself":    {"", "", []came{{internet, true, forwarded("http")}}, "ok", "ok"},
		"a colleague in a private network":  {"", "", []came{{proxy, false, nil}}, "ok", "ok"},
		"behind a proxy of a named network": {"10.0.0.7/32", "", []came{{proxy, false, map[string]string{"X-Forwarded-For": "10.9.9.9"}}}, "ok", "ok"},
	} {
		h := authtest.New(t)
		cfg := httpauth.Config{URL: c.url, Logger: slog.New(slog.DiscardHandler)}
		if c.trusted != "" {
			cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
		}
		handler, err := httpauth.New(h.Manager, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range c.requests {
			r := httptest.NewRequest("GET", "/me", nil)
			r.RemoteAddr = from.from
			if from.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for name, value := range from.headers {
				r.Header.Set(name, value)
			}
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		admin, err := httpauth.NewAdmin(h.Manager, func(*http.Request) (string, error) { return "jane", nil })
		if err != nil {
			t.Fatal(err)
		}
		admin.Examine(handler)
		r, w := httptest.NewRequest("GET", "http://127.0.0.1/doctor", nil), httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		var said struct {
			Checks []struct{ Name, Status, Detail string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%s: %s", name, w.Body)
		}
		found := map[string]string{}
		for _, check := range said.Checks {
			found[check.Name] = check.Status
		}
		if found["proxies"] != c.proxies || found["tls"] != c.tls {
			t.Errorf("%s: proxies %q, tls %q, want %q and %q", name, found["proxies"], found["tls"], c.proxies, c.tls)
		}
	}
}

// Behind a proxy on the same machine the peer of every connection is this machine.
func TestTheDoctorKnowsAProxyInFrontOfTheAdministration(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	admin, err := httpauth.NewAdmin(h.Manager, func(*http.Request) (string, error) { return "jane", nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ forwarded, proto, want string }{{"", "", "ok"}, {"1.2.3.4", "", "warn"}, {"1.2.3.4", "http", "warn"}, {"1.2.3.4", "https", "ok"}} {
		r, w := httptest.NewRequest("GET", "http://127.0.0.1/doctor", nil), httptest.NewRecorder()
		r.RemoteAddr = "127.0.0.1:5678"
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if c.proto != "" {
			r.Header.Set("X-Forwarded-Proto", c.proto)
		}
		admin.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `{"name":"connection","status":"`+c.want+`"`) {
			t.Errorf("%+v: %s", c, w.Body)
		}
	}
}

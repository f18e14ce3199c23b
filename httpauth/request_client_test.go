package httpauth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/fuzztest"
)

// LG-9.
func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:1000", nil, "192.0.2.1"},
		{"192.0.2.1:1000", []string{"1.1.1.1"}, "192.0.2.1"}, // not a proxy of ours
		{"[::ffff:192.0.2.1]:1000", nil, "192.0.2.1"},
		{"[2001:db8::1%eth0]:1000", nil, "2001:db8::1"},
		{"10.0.0.1:1000", nil, "10.0.0.1"},
		{"10.0.0.1:1000", []string{"192.0.2.1"}, "192.0.2.1"},
		{"[::ffff:10.0.0.1]:1000", []string{"192.0.2.1"}, "192.0.2.1"},
		{"[fd00::1%eth0]:1000", []string{"192.0.2.1"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"1.1.1.1, 192.0.2.1"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"1.1.1.1", "192.0.2.1"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"1.1.1.1, 192.0.2.1, 10.0.0.2,10.0.0.3"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"1.1.1.1, 192.0.2.1", "10.0.0.2", "fd00::2"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9"},
		{"10.0.0.1:1000", []string{"192.0.2.1, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1000", []string{"192.0.2.1,"}, "10.0.0.1"},
		{"10.0.0.1:1000", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1000", []string{"unknown"}, "10.0.0.1"},
		{"10.0.0.1:1000", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"10.0.0.1:1000", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"10.0.0.1:1000", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"10.0.0.1:1000", []string{"2001:db8::1%eth0"}, "2001:db8::1"},
		{"10.0.0.1:1000", []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"10.0.0.1:1000", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"@", []string{"192.0.2.1"}, "invalid IP"}, // a Unix socket
		{"", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded, "User-Agent": {"test"}}}
		got := httpauth.ClientOf(r, proxies...)
		if got.Addr.String() != c.want || got.UserAgent != "test" {
			t.Errorf("%s with %q: got %v, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

func TestTrustedProxiesAreChecked(t *testing.T) {
	f := newFixture(t, setup{})
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if _, err := httpauth.New(f.manager, httpauth.Config{TrustedProxies: []netip.Prefix{p}}); err == nil {
			t.Errorf("%v was accepted", p)
		}
	}
	if _, err := httpauth.New(nil, httpauth.Config{}); err == nil {
		t.Error("no manager was accepted")
	}
}

// LG-9, Advisory 6.
func TestForwardedAddressChangesNothingByDefault(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	statuses := guessFrom(f, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7")
	if statuses[401] != 5 || statuses[429] != 2 {
		t.Errorf("statuses are %v", statuses)
	}
}

// LG-9, Advisory 4 (CVE-2026-45364), Advisory 6.
// Behind a trusted proxy each client has its own budget; what it writes into the
// header itself, and how its address is spelled, makes no other of it.
func TestForwardedAddressIsWhatATrustedProxyAppended(t *testing.T) {
	f := newFixture(t, setup{http: loopback})
	f.register("ada@example.com")
	statuses := guessFrom(f, "9.9.9.1, 192.0.2.1", "9.9.9.2, 192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:80", "[::ffff:192.0.2.1]:81", "9.9.9.3,192.0.2.1", "192.0.2.1")
	if statuses[401] != 5 || statuses[429] != 2 {
		t.Errorf("statuses of one address are %v", statuses)
	}
	statuses = guessFrom(f, "2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8::3", "2001:DB8::4", "2001:db8::5")
	if statuses[401] != 5 || statuses[429] != 1 {
		t.Errorf("statuses of one /64 are %v", statuses)
	}
	f.call("POST", "/login", members{"email": "ada@example.com", "password": password}, header("X-Forwarded-For", "198.51.100.7")).want(200)
}

func guessFrom(f *fixture, forwarded ...string) (statuses map[int]int) {
	f.t.Helper()
	statuses = map[int]int{}
	for _, from := range forwarded {
		statuses[f.call("POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}, header("X-Forwarded-For", from)).status]++
	}
	return statuses
}

// FuzzClientAddress: a client that is no proxy of ours has the address of its connection. Behind one,
// the address is the last hop that is not a proxy, and nothing left of it matters.
func FuzzClientAddress(f *testing.F) {
	for _, seed := range [][2]string{
		{"192.0.2.1:1000", "1.1.1.1"}, {"10.0.0.1:1000", "1.1.1.1, 192.0.2.1"}, {"10.0.0.1:1000", "192.0.2.1, nonsense, 10.0.0.2"}, {"10.0.0.1:1", "10.0.0.9,10.0.0.2"},
		{"[::ffff:10.0.0.1]:1", "::ffff:192.0.2.1"}, {"[fd00::1%eth0]:1", "[2001:db8::1]:4711"}, {"10.0.0.1:1", "[2001:db8::1%x]"}, {"10.0.0.1:1", "[1.2.3.4]"},
		{"@", "192.0.2.1"}, {"", ""}, {"10.0.0.1:1", ""}, {"10.0.0.1:1", ",,"}, {"10.0.0.1:99999", "1.1.1.1"}, {"10.0.0.1:1", "01.1.1.1"},
	} {
		f.Add(seed[0], seed[1])
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	ours := func(a netip.Addr) bool { return proxies[0].Contains(a) || proxies[1].Contains(a) }
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, peer, forwarded string) {
		of := func(lines ...string) netip.Addr {
			return httpauth.ClientOf(&http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": lines}}, proxies...).Addr
		}
		got, direct := of(forwarded), of()
		saw(got != direct)
		if got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%v is one of several spellings", got)
		}
		if !direct.IsValid() || !ours(direct) {
			if got != direct {
				t.Fatalf("%q is no proxy, and yet %q makes it %v", peer, forwarded, got)
			}
			return
		}
		if !ours(got) && (of("198.51.100.1, "+forwarded) != got || of("198.51.100.1", forwarded) != got) {
			t.Fatalf("%q: what stands left of %v is believed", forwarded, got)
		}
		if len(forwarded) > 0 && of(forwarded+", 10.9.9.9") != got && !ours(got) {
			t.Fatalf("%q: one more proxy of ours hides %v", forwarded, got)
		}
		for _, c := range [][2]string{{"203.0.113.7", "203.0.113.7"}, {"::ffff:203.0.113.7", "203.0.113.7"}, {"[2001:db8::7]:1", "2001:db8::7"}} {
			if last := of(forwarded + "," + c[0]); last.String() != c[1] {
				t.Fatalf("after %q our proxy saw %s, and it is %v", forwarded, c[0], last)
			}
		}
	})
}

func TestAProxyThatIsNotNamedIsLoggedOnce(t *testing.T) {
	manager := authtest.New(t).Manager
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		peer, header, value string
		logged              bool
	}{
		{"172.16.0.1:1000", "X-Forwarded-For", "192.0.2.1", true},
		{"127.0.0.1:1000", "X-Forwarded-For", "192.0.2.1", true},
		{"[fd00::1]:1000", "Forwarded", "for=192.0.2.1", true},
		{"[fe80::1%eth0]:1000", "X-Forwarded-For", "192.0.2.1", true},
		{"100.64.0.1:1000", "X-Real-Ip", "192.0.2.1", true},
		{"@", "X-Forwarded-For", "192.0.2.1", true},                       // a Unix socket
		{"10.0.0.1:1000", "X-Forwarded-For", "1.1.1.1, 172.16.0.2", true}, // the second of two proxies
		{"10.0.0.1:1000", "X-Forwarded-For", "192.0.2.1", false},
		{"10.0.0.1:1000", "X-Forwarded-For", "192.0.2.1, 10.0.0.2", false},
		{"10.0.0.1:1000", "X-Forwarded-For", "172.16.0.9", false},           // a client in a private network
		{"10.0.0.1:1000", "X-Forwarded-For", "172.16.0.9, 10.0.0.2", false}, // the same behind two proxies
		{"172.16.0.1:1000", "Accept", "*/*", false},
		{"192.0.2.1:1000", "X-Forwarded-For", "1.1.1.1", false}, // a client that writes the header itself
	} {
		var log logBuffer
		h, err := httpauth.New(manager, httpauth.Config{TrustedProxies: proxies, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r := httptest.NewRequest("GET", "/me", nil)
			r.RemoteAddr = c.peer
			r.Header.Set(c.header, c.value)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		want := 0
		if c.logged {
			want = 1
		}
		if n := strings.Count(log.String(), "TrustedProxies"); n != want {
			t.Errorf("%s with %s: %q: %d warnings, want %d", c.peer, c.header, c.value, n, want)
		}
	}
}

package httpauth

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/netprefix"
)

// reached is how the requests so far came to a Handler, and to its Browsers.
type reached struct {
	unnamed atomic.Pointer[string] // the first proxy that Config.TrustedProxies does not name; it was logged
	plain   atomic.Bool            // whether a client of the internet came without TLS
}

// client returns the client of r. Its address is the peer of the connection. If that is a
// trusted proxy, it is the last hop of X-Forwarded-For that is no trusted proxy: the hops to
// the left of it may have been written by the client. The address is the zero Addr if the
// peer has none, as on a Unix socket.
func (h *Handler) client(r *http.Request) auth.Client {
	addr, first := h.clientAddr(r)
	c := auth.Client{UserAgent: r.UserAgent(), RequestID: h.requestID(r), Addr: addr}
	internet := public(c.Addr)
	if internet && r.TLS == nil && !h.reached.plain.Load() && h.withoutTLS(r.Header) {
		h.reached.plain.Store(true)
	}
	if !internet && !first && forwarded(r.Header) && h.reached.unnamed.Load() == nil {
		if proxy := r.RemoteAddr; h.reached.unnamed.CompareAndSwap(nil, &proxy) {
			h.log.LogAttrs(r.Context(), slog.LevelWarn,
				"httpauth: a request comes through a proxy that Config.TrustedProxies does not name; all its clients share the budgets of one",
				slog.String("proxy", proxy), slog.String("address", c.Addr.String()))
		}
	}
	return c
}

// clientAddr returns the address of the client. First reports that it is the first hop of
// X-Forwarded-For, so nobody was in front of it: a client of a private network, and no proxy.
func (h *Handler) clientAddr(r *http.Request) (client netip.Addr, first bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client = netprefix.Unmapped(peer.Addr())
	if !h.trusted(client) {
		return client, false
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var hop string
			rest, hop, more = cutLast(rest)
			addr, ok := parseHop(hop)
			if !ok {
				return client, false
			}
			client = addr
			if !h.trusted(addr) {
				return client, i == 0 && !more
			}
		}
	}
	return client, false
}

// public reports whether a is an address of the internet. Others are those of proxies, of
// services of the same network, or of none, as on a Unix socket.
func public(a netip.Addr) bool {
	return a.IsValid() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !shared.Contains(a)
}

// shared is the address space between carriers and their customers (RFC 6598). Clouds use it
// for load balancers.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// forwarded reports whether a proxy has added a header about its client. A client can add it
// too, so it is believed for a warning only.
func forwarded(h http.Header) bool {
	return h["X-Forwarded-For"] != nil || h["Forwarded"] != nil || h["X-Real-Ip"] != nil
}

// withoutTLS reports whether a client of the internet, whose connection to this process has no TLS,
// has none to a proxy either. A client can write the header, so it is believed for the doctor only.
func (h *Handler) withoutTLS(header http.Header) bool {
	if proto := header["X-Forwarded-Proto"]; proto != nil {
		return header.Get("X-Forwarded-Proto") == "http"
	}
	return len(h.proxies) == 0 // otherwise there is a proxy, which does not say
}

func (h *Handler) requestID(r *http.Request) string {
	if h.idName == "" {
		return auth.ClientFrom(r.Context()).RequestID
	}
	return r.Header.Get(h.idName)
}

func (h *Handler) trusted(a netip.Addr) bool {
	for _, p := range h.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseHop reads an address as proxies write it: bare, in brackets, with a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if a, err := netip.ParseAddr(s); err == nil {
		return netprefix.Unmapped(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return netprefix.Unmapped(ap.Addr()), true
	}
	inner, open := strings.CutPrefix(s, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if a, err := netip.ParseAddr(inner); err == nil && open && closed && a.Is6() {
		return netprefix.Unmapped(a), true
	}
	return netip.Addr{}, false
}

func cutLast(list string) (before, last string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], list[i+1:], true
	}
	return "", list, false
}

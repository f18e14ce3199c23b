package httpauth

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/datixlab/auth"
)

// What the tests of package httpauth_test reach inside for.

const (
	MaxBody  = maxBody
	BodyTime = bodyTime
)

func ParseCredential(head http.Header) (text string, err error) {
	c, err := parseCredential(head)
	return c.text, err
}

func ClientOf(r *http.Request, proxies ...netip.Prefix) auth.Client {
	return (&Handler{proxies: proxies, log: slog.New(slog.DiscardHandler), reached: new(reached)}).client(r)
}

// Routes returns "METHOD /path" of every mounted route.
func (h *Handler) Routes() (all []string) {
	var walk func(n *node)
	walk = func(n *node) {
		for _, rt := range n.methods {
			all = append(all, rt.method+" "+rt.path)
		}
		for _, next := range n.next {
			walk(next)
		}
		if n.variable != nil {
			walk(n.variable)
		}
	}
	walk(h.routes.root)
	return all
}

// Codes returns every code with the name of its constant and its status.
func Codes() (names map[Code]string, status map[Code]int) {
	names, status = map[Code]string{}, map[Code]int{}
	for code, k := range problemTypes {
		names[code], status[code] = k.name, k.status
	}
	return names, status
}

// Routes returns "METHOD /path" of every route.
func (a *Admin) Routes() []string { return a.h.Routes() }

// LogTo makes a log to l what otherwise goes to slog.Default().
func (a *Admin) LogTo(l *slog.Logger) { a.h.log = l }

// Routes returns "METHOD /path" of every mounted route.
func (b *Browser) Routes() []string { return b.h.Routes() }
